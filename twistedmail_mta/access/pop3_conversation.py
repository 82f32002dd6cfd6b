"""What each command of a POP3 client means: from the greeting to the removal of what it deleted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final

from twisted.logger import Logger

from twistedmail_mta.access.connection import Connection
from twistedmail_mta.access.pop3_entrance import Entrance
from twistedmail_mta.access.pop3_listener import POP3Listener
from twistedmail_mta.access.pop3_reader import Gone
from twistedmail_mta.access.pop3_retrieval import Retrieval
from twistedmail_mta.access.terms import Ending
from twistedmail_mta.errors import MailError
from twistedmail_mta.interfaces import IMaildrop
from twistedmail_mta.model import Reply
from twistedmail_mta.networks import is_in
from twistedmail_mta.pop3 import answers, events
from twistedmail_mta.pop3.response import Response, encode_response, refusal
from twistedmail_mta.pop3.server import ServerSession
from twistedmail_mta.sasl.server import MECHANISMS
from twistedmail_mta.tasks import Cancelled, sleep

ERROR_DELAY: Final = 1.0

LAST_WORDS: Final = {
    Ending.FLOODED: answers.FLOODED,
    Ending.SHUTTING_DOWN: answers.SHUTTING_DOWN,
    Ending.LOGIN_ENDED: answers.LOGIN_ENDED,
    Ending.TAKEN_OVER: answers.TAKEN_OVER,
    Ending.BROKEN: answers.BROKEN,
}
"""What is said at the end; nothing when a client was idle (RFC 1939 section 3)."""


def turned_away(reply: Reply) -> bytes:
    """Return what a client hears that isn't let in."""
    return encode_response(refusal(reply), {})


class POP3Conversation:
    """Answers the events of one session.

    The pure session has checked syntax and order by then; here passwords are
    judged, messages read and removed.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, listener: POP3Listener, connection: Connection) -> None:
        self._listener = listener
        self._connection = connection
        self._session = ServerSession(listener.settings)
        self._session.tls_available = listener.terms.tls is not None
        self._session.tls_active = listener.terms.implicit_tls
        self._session.mechanisms = MECHANISMS if self._may_log_in else ()
        self._entrance = Entrance(listener, connection, self._session)
        self._errors = 0
        self._event: events.Event | None = None  # has been read, and has to be waited for
        self._retrieval: Retrieval | None = None
        self._is_listing = False
        self._deleted = 0
        self._reason = ""

    @property
    def _may_log_in(self) -> bool:
        listener = self._listener
        return listener.terms.implicit_tls or is_in(self._connection.host, listener.plaintext_login)

    # What the connection asks

    @property
    def closing(self) -> bool:
        """Whether everything is said."""
        return self._session.closing

    @property
    def has_input(self) -> bool:
        """Whether octets wait that no command was answered for yet."""
        return self._event is not None or self._session.has_input

    @property
    def queued(self) -> int:
        """How many octets are to be written."""
        return self._session.queued

    def greet(self) -> None:
        """Begin."""
        self._session.greet()

    def receive_bytes(self, data: bytes) -> None:
        """Take octets from the client.

        Raises:
            Overflow: it sends on and on although it isn't read from.
        """
        self._session.receive_bytes(data)

    def bytes_to_send(self) -> bytes:
        """Take what is to be written."""
        return self._session.bytes_to_send()

    def has_room(self) -> None:
        """Nothing is said unasked."""

    def last_words(self, ending: Ending) -> bytes:
        """Return what is said at the end; nothing in the middle of a long answer."""
        words = LAST_WORDS.get(ending)
        if words is None or self._is_listing or (self._retrieval is not None and self._retrieval.under_way):
            return b""
        return encode_response(words, {})

    def answer_at_once(self) -> bool:
        """Answer the next command if that takes no waiting; return whether nothing is left to do."""
        session = self._session
        event = session.next_event()
        if isinstance(event, events.Foreseen):
            self._note_foreseen(event)
        elif not isinstance(event, events.Answered) or session.errors > self._errors:
            self._event = event
            return False
        return not session.has_input

    def _note_foreseen(self, event: events.Foreseen) -> None:
        if self._retrieval is not None:
            self._retrieval.sent(event.number)

    async def answer_next(self) -> bool:
        """Answer the next command; False when none is complete.

        A refusal raised on the way is the answer; anything unexpected is
        temporary.
        """
        event, self._event = self._event or self._session.next_event(), None
        if event is None:
            return False
        try:
            await self._ANSWERS[type(event)](self, event)
        except Cancelled:
            raise
        except MailError as error:
            self._session.send_response(refusal(error.reply))
        except Gone:
            self._session.send_response(answers.GONE)
        except Exception:  # noqa: BLE001 - the client is told to try later
            self.log.failure("session {session} broke", event="pop3.broken", session=self._connection.session)
            self._session.send_response(answers.TRY_LATER)
        if self._session.errors > self._errors:
            await self._slow_down()
        return True

    async def _slow_down(self) -> None:
        """Answer the senseless slowly, then not at all."""
        self._errors = self._session.errors
        if self._errors > self._listener.errors:
            self._reason = "it made too many errors"
            self._session.end(answers.TOO_MANY_ERRORS)
        elif self._errors > self._listener.errors_before_delay:
            await sleep(self._listener.terms.clock, ERROR_DELAY)

    def lost(self, reason: str) -> None:
        """Forget what was marked as deleted: there was no QUIT (RFC 1939 section 6)."""
        self._entrance.leave()
        if self._entrance.drop is not None:
            self._log_end(self._reason or reason)

    def _log_end(self, reason: str) -> None:
        retrieval = self._retrieval
        self.log.info(
            "session {session} of {account} ended: {messages} messages fetched, {deleted} deleted, {octets} octets; "
            "{reason}",
            event="pop3.ended",
            session=self._connection.session,
            peer=self._connection.host,
            account=self._entrance.account,
            messages=retrieval.messages if retrieval is not None else 0,
            deleted=self._deleted,
            octets=retrieval.octets if retrieval is not None else 0,
            reason=reason,
        )

    async def _log_in(self, event: events.Login) -> None:
        await self._entrance.log_in(event)

    async def _auth(self, event: events.Auth) -> None:
        await self._entrance.begin(event)

    async def _auth_response(self, event: events.AuthResponse) -> None:
        await self._entrance.go_on(event)

    async def _starttls(self, _: events.StartTLS) -> None:
        self._session.send_response(answers.BEGIN_TLS)
        self._connection.start_tls()
        self._session.starttls_done(MECHANISMS)

    async def _listing(self, event: events.Listing) -> None:
        self._is_listing = True
        for block in event.blocks:
            self._session.send_block(block)
            await self._connection.room()
        self._is_listing = False

    async def _retrieve(self, event: events.Retrieve) -> None:
        if self._retrieval is None:
            drop = self._entrance.drop
            if drop is None:
                raise RuntimeError("the session asks for a message without a maildrop")
            self._retrieval = Retrieval(drop, self._session, self._connection, self._listener.terms.tasks)
        await self._retrieval.answer(event)

    async def _foreseen(self, event: events.Foreseen) -> None:
        self._note_foreseen(event)

    async def _quit(self, event: events.Quit) -> None:
        """Remove what was deleted, make room for the next session, and say whether it is so (RFC 1939 section 6)."""
        self._reason = "it said QUIT"
        answer = await self._update(event.deleted)
        self._entrance.leave()  # now: under TLS the connection may last until the client closes its end
        self._session.send_response(answer)

    async def _update(self, deleted: tuple[int, ...]) -> Response:
        drop = self._entrance.drop
        if drop is None or not deleted:
            return answers.GOODBYE
        try:
            await self._listener.terms.tasks.shield("pop3.remove", self._remove(drop, deleted))
        except Cancelled:
            raise
        except Exception as error:  # noqa: BLE001 - the client is told the truth
            if not isinstance(error, MailError):
                self.log.failure("messages can't be removed", event="pop3.broken", session=self._connection.session)
            return answers.NOT_DELETED
        self._deleted = len(deleted)
        return answers.GOODBYE

    async def _remove(self, drop: IMaildrop, uids: tuple[int, ...]) -> None:
        await drop.remove(uids)

    async def _nothing(self, _: events.Event) -> None:
        """The session has answered by itself."""

    _ANSWERS: ClassVar[dict[type, Callable[[Any, Any], Awaitable[None]]]] = {
        events.Login: _log_in,
        events.Auth: _auth,
        events.AuthResponse: _auth_response,
        events.AuthCancelled: _nothing,
        events.StartTLS: _starttls,
        events.Listing: _listing,
        events.Retrieve: _retrieve,
        events.Quit: _quit,
        events.Answered: _nothing,
        events.Foreseen: _foreseen,
    }
