"""One client's connection, whatever it speaks: octets in, one command at a time, answers out.

Twisted drives a conversation here, in order and with backpressure; what is
said is the conversation's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from OpenSSL import SSL
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IHandshakeListener,
    IPushProducer,
    ITLSTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedmail_mta.access.terms import Conversation, Ending, Terms
from twistedmail_mta.crowd import Crowd
from twistedmail_mta.model import Reply
from twistedmail_mta.outlet import Outlet
from twistedmail_mta.tasks import Cancelled, Promise, Task, sleep
from twistedmail_mta.tls.words import failure_reason
from twistedmail_mta.wire import Overflow

FLUSH_AFTER: Final = 1.0
CLOSE_WITHIN: Final = 30.0
BATCH: Final = 64 * 1024
"""Octets of long answers that are gathered before they are written."""
TURN: Final = 0.002
"""Seconds of pipelined commands after which other clients are served first."""


class IServerTransport(ITLSTransport, IConsumer):
    """What a connection of a TCP server can do."""


@implementer(IPushProducer, IHandshakeListener)
class Connection(Protocol):
    """The connection of one client.

    The transport is paused while a command waits for its answer, so pipelined
    commands are answered in order, however long that takes, and a fast client
    can't fill the memory.  Octets that TLS had already decrypted may still
    arrive: the conversation keeps them.

    Its producer methods are called by the transport when the client doesn't
    read: then it isn't read from either, and `room` keeps long answers back.

    Attributes:
        host: the client's address.
        session: names the session in the log.
        encrypted: TLS is on, or begins with the next octet.
        progress: when the client last gave a command or took what was sent.
        output_full: the client doesn't take what is sent: say nothing that wasn't asked for.
    """

    log: ClassVar[Logger] = Logger()
    transport: IServerTransport

    def __init__(
        self, terms: Terms, begin: Callable[[Connection], Conversation], crowd: Crowd, connections: set[Connection]
    ) -> None:
        self._terms = terms
        self._begin = begin
        self._crowd = crowd
        self._connections = connections
        self._conversation: Conversation | None = None
        self._serving: Task[None] | None = None
        self._timer: IDelayedCall | None = None
        self._flusher: IDelayedCall | None = None
        self._drained: Promise[None] | None = None
        self._reading = True
        self.output_full = False
        self._closing = False
        self._finishing = False
        self._turn = 0.0
        self._idle = terms.idle_before_login
        self._reason = "the client went away"
        self.host = ""
        self.session = ""
        self.encrypted = False
        self.progress = 0.0

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Let the client in, or tell it why not."""
        terms = self._terms
        self._outlet = Outlet(self.transport)
        self.transport.setTcpNoDelay(enabled=True)
        host = getattr(self.transport.getPeer(), "host", "")
        refusal = self._crowd.enter(terms.name, host, terms.connections_per_client)
        if refusal is not None:
            self._turn_away(host, refusal)
            return
        self.host, self.session = host, terms.new_session()
        self._connections.add(self)
        self._conversation = self._begin(self)
        self.transport.registerProducer(self, streaming=True)
        self.progress = terms.clock.seconds()
        self._timer = terms.clock.callLater(self._idle, self._check_time)
        if terms.implicit_tls:
            self._encrypt()
        else:
            self._greet()

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's name
        """Greet, where TLS comes first: an earlier greeting would wait in the transport and stop its reading."""
        if self._terms.implicit_tls:
            self._greet()

    def _greet(self) -> None:
        if self._conversation is not None:
            self._conversation.greet()
            self.flush()

    def _turn_away(self, host: str, refusal: Reply) -> None:
        self.log.info(
            "{peer} turned away: {reply}",
            event=f"{self._terms.protocol}.turned_away",
            peer=host,
            reply=refusal,
            code=refusal.code,
        )
        if not self._terms.implicit_tls:
            self._outlet.write(self._terms.turned_away(refusal))
        self._close()

    # What the client says

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take octets; begin to serve unless a command is being answered."""
        if self._closing or self._conversation is None:
            return
        try:
            self._conversation.receive_bytes(data)
        except Overflow:
            self.end(Ending.FLOODED)
            return
        if self._serving is not None:
            self._read(wanted=False)
        elif self._answered_at_once(self._conversation):
            self.progress = self._terms.clock.seconds()
            if self._conversation is not None and self._conversation.queued:
                self.flush()
        else:
            self._begin_to_serve(self._conversation)

    def _answered_at_once(self, conversation: Conversation) -> bool:
        """Answer the commands of a dialogue without a coroutine: most of what short ones cost is the way there."""
        try:
            return not self.output_full and conversation.answer_at_once()
        except Exception:  # noqa: BLE001 - as for those that are waited for
            self._break()
            return True

    def _begin_to_serve(self, conversation: Conversation) -> None:
        self._serving = self._terms.tasks.start(self._terms.task, self._serve(conversation))
        if self._serving.done:
            self._serving = None
        else:
            self._wait_for_answer(conversation)

    def _wait_for_answer(self, conversation: Conversation) -> None:
        if conversation.has_input:
            self._read(wanted=False)
        if conversation.queued:
            self._flusher = self._terms.clock.callLater(FLUSH_AFTER, self.flush)

    async def _serve(self, conversation: Conversation) -> None:
        """Answer whatever is complete, then read on."""
        try:
            await self._answer_all(conversation)
        except Cancelled:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, this client alone pays for it
            self._break()
        self._served(conversation)

    def _break(self) -> None:
        """Log what is being handled, and end the session."""
        self.log.failure("session {session} broke", event=f"{self._terms.protocol}.broken", session=self.session)
        self._serving = None
        self.end(Ending.BROKEN)

    async def _answer_all(self, conversation: Conversation) -> None:
        clock = self._terms.clock
        self._turn = clock.seconds()
        while conversation.has_input and not self._closing and await conversation.answer_next():
            self.progress = clock.seconds()
            await (self.room() if self.output_full else self._let_others())

    async def _let_others(self) -> None:
        """Send what is said so far and let the reactor look after everybody else, when it is their turn."""
        clock = self._terms.clock
        if clock.seconds() - self._turn > TURN:
            self.flush()
            await sleep(clock, 0)
            self._turn = clock.seconds()

    def _served(self, conversation: Conversation) -> None:
        self.flush()
        self._serving = None
        _cancel(self._flusher)
        if conversation.closing:
            self._close()
        elif self._finishing:
            self.end(Ending.SHUTTING_DOWN)
        else:
            self._read(wanted=not self.output_full)

    def _read(self, *, wanted: bool) -> None:
        if wanted != self._reading and not self._closing:
            self._reading = wanted
            source = IPushProducer(self.transport)
            if wanted:
                source.resumeProducing()
            else:
                source.pauseProducing()

    # What the conversation does

    def flush(self) -> None:
        """Write what is said so far."""
        if not self._closing and self._conversation is not None and (data := self._conversation.bytes_to_send()):
            self._outlet.write(data)

    async def room(self) -> None:
        """Return when more may be said: the client takes it, and others had their turn.

        What is said so far is written once it is worth a write.
        """
        if self._conversation is not None and (self.output_full or self._conversation.queued >= BATCH):
            self.flush()
        if self.output_full:
            self._drained = Promise()
            await self._drained
            self._turn = self._terms.clock.seconds()
        else:
            await self._let_others()

    def start_tls(self) -> None:
        """Encrypt, after what was said in clear has been written."""
        self.flush()
        self._encrypt()

    def _encrypt(self) -> None:
        creator = self._terms.tls
        assert creator is not None  # offered only then
        self.encrypted = True
        self._outlet.start_tls(creator)

    def logged_in(self) -> None:
        """Let the client be silent for as long as those may who have logged in."""
        self._idle = self._terms.idle

    def abort(self, reason: str) -> None:
        """Break off in the middle of an answer that can't be finished; no command is heard any more.

        Args:
            reason: for the log.
        """
        self._reason = reason
        self._closing = True
        self.transport.abortConnection()

    # The client reads or doesn't

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Read nothing more: the client doesn't take its answers."""
        self.output_full = True
        self._read(wanted=False)

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Go on with a long answer; read again, unless a command still waits for its answer."""
        self.output_full = False
        self.progress = self._terms.clock.seconds()
        drained, self._drained = self._drained, None
        if drained is not None:
            drained.resolve(None)
        self._read(wanted=self._serving is None)
        if self._serving is None and self._conversation is not None and not self._closing:
            self._conversation.has_room()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Nothing to do: connectionLost follows."""

    # The end

    def finish(self) -> None:
        """End the session, at once if no command is being answered, else after it."""
        self._finishing = True
        if self._serving is None:
            self.end(Ending.SHUTTING_DOWN)

    def end(self, ending: Ending) -> None:
        """End the session now, whatever it does."""
        if self._closing or self._conversation is None:
            return
        self._reason = ending.value
        words = self._conversation.last_words(ending)
        self.flush()
        if words:
            self._outlet.write(words)
        serving, self._serving = self._serving, None
        self._close()
        if serving is not None:
            serving.cancel()

    def _check_time(self) -> None:
        now, idle = self._terms.clock.seconds(), self._idle
        self._timer = None
        if now - self.progress < idle:
            self._timer = self._terms.clock.callLater(self.progress + idle - now, self._check_time)
        elif self.output_full:
            self.abort("the client takes nothing")
        elif self._serving is None:
            self.end(Ending.IDLE)
        else:
            self._timer = self._terms.clock.callLater(idle, self._check_time)

    def _close(self) -> None:
        """Close when everything is written, or after a while if the client doesn't take it.

        Reading goes on: unread, the client's end of TLS would never be noticed.
        """
        if self._closing:
            return
        self._read(wanted=True)
        self._closing = True
        _cancel(self._timer)
        _cancel(self._flusher)
        self._timer = self._terms.clock.callLater(CLOSE_WITHIN, self.transport.abortConnection)
        if self._conversation is not None:
            self.transport.unregisterProducer()
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Drop what isn't settled."""
        self._closing = True
        self._connections.discard(self)
        _cancel(self._timer)
        _cancel(self._flusher)
        if self._serving is not None:
            self._serving.cancel()
        if self._conversation is None:
            return
        self._crowd.leave(self._terms.name, self.host)
        self._conversation.lost(self._reason)
        self._conversation = None  # it refers to us, and nobody should have to find that out
        if isinstance(reason.value, SSL.Error):
            self.log.info(
                "session {session}: TLS with {peer} failed: {reason}",
                event=f"{self._terms.protocol}.tls.failed",
                session=self.session,
                peer=self.host,
                reason=failure_reason(reason.value),
            )


def _cancel(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()
