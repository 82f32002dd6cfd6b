"""What an IMAP client and we say to each other: commands one by one, and what happened beside them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import ClassVar, Final

from twisted.logger import Logger

from twistedmail_mta.access.connection import Connection
from twistedmail_mta.access.imap.appending import Appending
from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.entrance import Entrance
from twistedmail_mta.access.imap.families import FAMILIES
from twistedmail_mta.access.imap.idling import Idling
from twistedmail_mta.access.imap.listener import IMAPListener
from twistedmail_mta.access.imap.news import may_expunge, tell_news
from twistedmail_mta.access.imap.replies import refusal
from twistedmail_mta.access.terms import Ending
from twistedmail_mta.errors import MailError
from twistedmail_mta.imap import events, login
from twistedmail_mta.imap.command import Command
from twistedmail_mta.imap.response import Response, bad, bye, no, ok, untagged
from twistedmail_mta.imap.session import ServerSession
from twistedmail_mta.imap.states import State
from twistedmail_mta.model import Reply
from twistedmail_mta.tasks import Cancelled, sleep

ERROR_DELAY: Final = 1.0

MAILBOX_GONE: Final = "The selected mailbox was deleted"
TOO_MANY_ERRORS: Final = bye("Too many errors")
TOO_MANY_LOGINS: Final = bye("Too many failed logins")
NO_TLS: Final = bad("TLS is not available")
SERVER_BUG: Final = no("Local error, please try again later", b"SERVERBUG")

LEAVING: Final = frozenset({"SELECT", "EXAMINE", "UNSELECT"})
"""What can be done also where the selected mailbox was deleted."""

LAST_WORDS: Final = {
    Ending.IDLE: bye("Idle for too long"),
    Ending.FLOODED: bye("Too much input"),
    Ending.SHUTTING_DOWN: bye("The server is shutting down", b"UNAVAILABLE"),
    Ending.LOGIN_ENDED: bye("The login is no longer valid", b"EXPIRED"),
    Ending.MAILBOX_GONE: bye(MAILBOX_GONE),
    Ending.BROKEN: bye("Local error", b"SERVERBUG"),
}


def turned_away(reply: Reply) -> bytes:
    """Return what a client hears that isn't let in."""
    return untagged(bye(reply.text.replace("\n", " "), b"UNAVAILABLE"))


class IMAPConversation:
    """Answers the events of one session.

    The pure session has checked syntax and order by then; families of commands
    do what is asked; what happened in the mailbox beside that is told before the
    answer, as far as the command allows it.
    """

    log: ClassVar[Logger] = Logger()

    __slots__ = ("_appending", "_context", "_entrance", "_errors", "_idling", "_reason")

    def __init__(self, listener: IMAPListener, connection: Connection) -> None:
        self._context = Context(listener, connection, ServerSession(), self.changed)
        self._entrance = Entrance(self._context)
        self._idling = Idling(self._context)
        self._appending: Appending | None = None
        self._errors = 0
        self._reason = ""

    # What the connection asks

    @property
    def closing(self) -> bool:
        """Whether everything is said."""
        return self._context.session.closing

    @property
    def has_input(self) -> bool:
        """Whether octets wait that no command was answered for yet."""
        return self._context.session.has_input

    @property
    def queued(self) -> int:
        """How many octets are to be written."""
        return self._context.session.queued

    def greet(self) -> None:
        """Begin."""
        self._context.session.say(ok("IMAP server ready", b"CAPABILITY " + self._entrance.capabilities))

    def receive_bytes(self, data: bytes) -> None:
        """Take octets from the client.

        Raises:
            Overflow: it sends on and on although it isn't read from.
        """
        self._context.session.receive_bytes(data)

    def bytes_to_send(self) -> bytes:
        """Take what is to be written."""
        return self._context.session.bytes_to_send()

    def last_words(self, ending: Ending) -> bytes:
        """Return what is said at the end; nothing in the middle of an answer."""
        words = LAST_WORDS.get(ending)
        return b"" if words is None or self._context.session.busy else untagged(words)

    def has_room(self) -> None:
        """Tell a client that is idle what it couldn't take before."""
        self._idling.changed()

    def changed(self) -> None:
        """Hear that there may be news of the selected mailbox."""
        self._idling.changed()

    def lost(self, reason: str) -> None:
        """Forget the session: the connection is gone."""
        context = self._context
        self._give_up_append()
        self._idling.stop()
        context.close_mailbox()
        self._entrance.leave()
        if context.address:
            self.log.info(
                "session {session} of {account} ended: {reason}",
                event="imap.ended",
                session=context.connection.session,
                peer=context.connection.host,
                account=context.address,
                reason=self._reason or reason,
            )

    # Events

    def answer_at_once(self) -> bool:
        """Answer nothing: what has to be waited for is only known on the way."""
        return False

    async def answer_next(self) -> bool:
        """Answer the next event; False when none is complete."""
        event = self._context.session.next_event()
        if event is None:
            return False
        await self._answer(event)
        if self._context.session.errors > self._errors:
            await self._slow_down()
        return True

    async def _answer(self, event: events.Event) -> None:
        match event:
            case events.Do(command):
                await self._do(command)
            case events.AuthResponse(octets=octets):
                self._complete_login(await self._entrance.go_on(octets))
            case events.IdleEnds():
                await self._idling.finish()
                self._context.session.complete(ok("IDLE completed"))
            case events.Answered():
                pass
            case _:
                await self._append(event)

    async def _slow_down(self) -> None:
        """Answer the senseless slowly, then not at all."""
        session, listener = self._context.session, self._context.listener
        self._errors = session.errors
        if self._errors > listener.errors:
            self._reason = "it made too many errors"
            session.say(TOO_MANY_ERRORS)
            session.close()
        elif self._errors > listener.errors_before_delay:
            await sleep(listener.terms.clock, ERROR_DELAY)

    # Commands

    async def _do(self, command: Command) -> None:
        match command.action:
            case login.Login() as action:
                self._complete_login(await self._entrance.log_in(action))
                return
            case login.Authenticate() as action:
                self._complete_login(await self._entrance.authenticate(action))
                return
        match command.verb:
            case "CAPABILITY":
                self._context.session.send(b"* CAPABILITY " + self._entrance.capabilities + b"\r\n")
                await self._end(command, ok("CAPABILITY completed"))
            case "STARTTLS":
                self._start_tls()
            case "LOGOUT":
                self._log_out()
            case "IDLE":
                self._context.session.begin_idle()
                self._idling.changed()
            case _:
                await self._end(command, await self._response_to(command))

    async def _response_to(self, command: Command) -> Response:
        """Carry a command out."""
        selected = self._context.selected
        if selected is not None and selected.view.gone and command.verb not in LEAVING:
            return self._lose_mailbox()
        response = await self._guarded(FAMILIES[command.verb](self._context, command))
        return SERVER_BUG if response is None else response

    async def _guarded(self, work: Awaitable[Response | None]) -> Response | None:
        """Return what comes of some work; whatever goes wrong is an answer."""
        try:
            return await work
        except Cancelled:
            raise
        except MailError as error:
            return refusal(error.reply)
        except Exception:  # noqa: BLE001 - the client is told to try later
            self.log.failure("session {session} broke", event="imap.broken", session=self._context.connection.session)
            return SERVER_BUG

    async def _end(self, command: Command, response: Response) -> None:
        """Tell what happened beside the command, then how it went."""
        by_uid = command.verb.startswith("UID ")
        await tell_news(self._context, expunges=may_expunge(command), by_uid=by_uid)
        self._context.session.complete(response)

    def _lose_mailbox(self) -> Response:
        """End the session: its mailbox is gone, and no message number means anything any more."""
        self._reason = Ending.MAILBOX_GONE.value
        self._context.close_mailbox()
        self._context.session.say(LAST_WORDS[Ending.MAILBOX_GONE])
        self._context.session.close()
        return no(MAILBOX_GONE, b"NONEXISTENT")

    def _complete_login(self, response: Response | None) -> None:
        if response is None:
            return  # a challenge was sent
        session = self._context.session
        session.complete(response)
        if self._entrance.is_closed:
            session.say(TOO_MANY_LOGINS)
            session.close()

    def _start_tls(self) -> None:
        context = self._context
        if context.connection.encrypted or context.listener.terms.tls is None:
            context.session.complete(NO_TLS)
            return
        context.session.complete(ok("Begin TLS now"))
        context.connection.start_tls()
        context.session.starttls_done()

    def _log_out(self) -> None:
        self._reason = "it said LOGOUT"
        session = self._context.session
        session.say(bye("Good-bye"))
        session.complete(ok("LOGOUT completed"))
        self._context.close_mailbox()
        session.state = State.NOT_AUTHENTICATED
        session.close()

    # APPEND

    async def _append(self, event: events.Event) -> None:
        match event, self._appending:
            case events.AppendBegins(), _:
                appending = self._appending = Appending(self._context)
                self._admit(await self._guarded(appending.begin(event)))
            case events.MessageBegins(message), Appending() as appending:
                self._admit(await self._guarded(appending.announce(message)))
            case events.MessageOctets(octets), Appending() as appending:
                await appending.add(octets)
            case events.MessageEnds(), Appending() as appending:
                await appending.end_message()
            case events.AppendEnds(), Appending() as appending:
                response = await self._guarded(appending.keep())
                self._appending = None
                await tell_news(self._context, expunges=True)
                self._context.session.complete(response or SERVER_BUG)
            case _:
                self._give_up_append()

    def _admit(self, refused: Response | None) -> None:
        """Let the next message of an APPEND come, unless it was refused."""
        if refused is None:
            self._context.session.accept_message()
        else:
            self._give_up_append()
            self._context.session.refuse_message(refused)

    def _give_up_append(self) -> None:
        appending, self._appending = self._appending, None
        if appending is not None:
            appending.abandon()
