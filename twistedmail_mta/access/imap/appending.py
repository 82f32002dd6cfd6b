"""APPEND: messages from a client into a mailbox, all of a command or none (RFC 9051 section 6.3.12, RFC 3502)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from twisted.logger import Logger

from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.replies import refusal
from twistedmail_mta.access.imap.storing import LONGEST_KEYWORD, TOO_LONG
from twistedmail_mta.errors import MailError, PermanentError
from twistedmail_mta.imap.append import Message
from twistedmail_mta.imap.events import AppendBegins
from twistedmail_mta.imap.flag_list import keywords_of, system_bits
from twistedmail_mta.imap.response import Response, no, ok
from twistedmail_mta.imap.sequences import format_set
from twistedmail_mta.mail.structure import structure_of
from twistedmail_mta.mailbox.appending import Incoming
from twistedmail_mta.mailbox.intake import Intake
from twistedmail_mta.mailbox.mailboxes import Mailbox
from twistedmail_mta.model import Address, Delivery, FileBody
from twistedmail_mta.smtp.data import LineEnds
from twistedmail_mta.tasks import Cancelled

HELD: Final = 16 << 20
"""Octets in memory of the messages of one command: headers, and bodies that aren't in files."""
EACH: Final = 4096
"""Octets that a message counts for besides: what is kept of it, and the time to write it, however small it is."""
EACH_FLAG: Final = 64
"""Octets that a flag counts for besides its own."""

NO_MAILBOX: Final = no("There is no such mailbox", b"TRYCREATE")
EMPTY: Final = no("A message isn't empty")
TOO_BIG: Final = no("The message is too large", b"TOOBIG")
TOO_MANY: Final = no("Too much in one command", b"LIMIT")
HAS_NUL: Final = no("A message with NUL has to be sent as a literal8", b"CANNOT")

_NOBODY: Final = Address("", "")


class Appending:
    """The messages of one APPEND, as they come.

    Lines that end in a bare LF or CR are mended, as they are when mail comes
    by SMTP: everything that reads messages here can rely on CRLF.
    """

    log: ClassVar[Logger] = Logger()

    __slots__ = ("_context", "_deliveries", "_held", "_intake", "_line_ends", "_mailbox", "_message", "_messages",
                 "_refusal", "_reserved")  # fmt: skip

    def __init__(self, context: Context) -> None:
        self._context = context
        self._deliveries = (Delivery(context.account, _NOBODY),)
        self._mailbox: Mailbox | None = None
        self._messages: list[Incoming] = []
        self._message: Message | None = None
        self._intake: Intake | None = None
        self._line_ends = LineEnds(strict=False, max_line=1 << 62)
        self._reserved: list[int] = []  # octets of each message
        self._held = 0
        self._refusal: Response | None = None

    async def begin(self, event: AppendBegins) -> Response | None:
        """Hear of the first message; return why it isn't taken."""
        self._mailbox = await self._context.listener.store.mailbox(self._context.account, event.mailbox)
        if self._mailbox is None:
            return NO_MAILBOX
        return await self.announce(event.message)

    async def announce(self, message: Message) -> Response | None:
        """Hear of the next message; return why it isn't taken."""
        listener = self._context.listener
        if self._refusal is not None:
            return self._refusal
        unfit = _unfit(message, listener.message_size)
        if unfit is not None or self._held > HELD:
            return unfit or TOO_MANY
        full = await listener.quotas.reserve(self._deliveries, message.size)
        if full is not None:
            return refusal(full)
        self._reserved.append(message.size)
        self._message = message
        self._line_ends = LineEnds(strict=False, max_line=1 << 62)
        self._intake = Intake(listener.bodies.writer(), listener.header_size, listener.terms.clock)
        return None

    async def add(self, octets: bytes) -> None:
        """Take octets of the message; after a fault they are dropped, and it is told at the end."""
        intake, message = self._intake, self._message
        if intake is None or message is None or self._refusal is not None:
            return
        if not message.binary and b"\0" in octets:
            self._fail(HAS_NUL)
            return
        try:
            await intake.add(self._line_ends.receive(octets))
        except MailError as error:
            self._fail(_too_big(error))

    async def end_message(self) -> None:
        """Hear that the message is complete."""
        intake, message = self._intake, self._message
        if intake is None or message is None or self._refusal is not None:
            return
        try:
            await intake.add(self._line_ends.finish())
            body = await intake.finish()
        except MailError as error:
            self._fail(_too_big(error))
            return
        self._intake = None
        self._held += EACH + sum(EACH_FLAG + len(flag) for flag in message.flags)
        self._held += len(intake.header) + (0 if isinstance(body, FileBody) else body.size)
        listener = self._context.listener
        self._messages.append(
            Incoming(
                id=listener.new_id(),
                header=intake.header,
                body=body,
                structure=structure_of(intake.header, intake.scanned()),
                internal_date=int(listener.now()) if message.internal_date is None else message.internal_date,
                flags=system_bits(message.flags),
                keywords=keywords_of(message.flags),
            )
        )

    async def keep(self) -> Response:
        """Put the messages into the mailbox; return the answer to the command.

        Raises:
            TemporaryError: none was kept.
        """
        if self._mailbox is None or self._refusal is not None:
            self.abandon()
            return self._refusal or NO_MAILBOX
        listener, mailbox = self._context.listener, self._mailbox
        messages, self._messages = self._messages, []
        reserved, self._reserved = self._reserved, []
        # From here on the bodies belong to the store: the client's going away neither stops the writer nor takes them.
        uids = await listener.terms.tasks.shield("imap.append", self._hand_over(mailbox.id, messages, reserved))
        return ok("APPEND completed", b"APPENDUID %d %b" % (mailbox.uid_validity, format_set(uids)))

    async def _hand_over(self, mailbox: int, messages: Sequence[Incoming], reserved: Sequence[int]) -> Sequence[int]:
        try:
            return await self._context.listener.store.append(mailbox, messages)
        except Cancelled:
            raise  # the transaction may go on: the sweep finds out whether a row names the files
        except Exception:
            self._forget(messages)
            raise
        finally:
            self._release(reserved)

    def abandon(self) -> None:
        """Forget what was taken."""
        reserved, self._reserved = self._reserved, []
        self._release(reserved)
        if self._intake is not None:
            self._intake.abandon()
            self._intake = None
        messages, self._messages = self._messages, []
        self._forget(messages)

    def _forget(self, messages: Sequence[Incoming]) -> None:
        files = [message.body.name for message in messages if isinstance(message.body, FileBody)]
        if files:
            self._context.listener.terms.tasks.start("imap.append.abandon", self._remove(files))

    async def _remove(self, files: Sequence[str]) -> None:
        try:
            await self._context.listener.bodies.remove(files)
        except MailError as error:  # the sweep finds them
            self.log.warn("files of an APPEND couldn't be removed: {reason}", event="imap.failed", reason=str(error))

    def _fail(self, response: Response) -> None:
        self._refusal = response

    def _release(self, reserved: Sequence[int]) -> None:
        for size in reserved:
            self._context.listener.quotas.release(self._deliveries, size)


def _unfit(message: Message, most: int) -> Response | None:
    """Return why a message can't be taken, whatever is in it; that takes the whole command back (RFC 3502)."""
    if not message.size:
        return EMPTY
    if message.size > most:
        return TOO_BIG
    return TOO_LONG if any(len(flag) > LONGEST_KEYWORD for flag in message.flags) else None


def _too_big(error: MailError) -> Response:
    return TOO_BIG if isinstance(error, PermanentError) else refusal(error.reply)
