"""One connection to a next hop: Twisted's transport, driven by the pure session, within time limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from OpenSSL import SSL
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IBodyStore
from twistedmail_mta.model import Envelope, FileBody, InlineBody, Message, Outcome, Reply
from twistedmail_mta.outlet import Outlet
from twistedmail_mta.smtp.client import ClientSession
from twistedmail_mta.smtp.client_steps import Event, Phase
from twistedmail_mta.smtp.xforward import Forwarded
from twistedmail_mta.tasks import Promise
from twistedmail_mta.tls.client import ConnectionCreator
from twistedmail_mta.tls.words import describe_tls

BLOCK: Final = 262_144
"""Octets of a large body that are in memory at once."""
LINGER: Final = 5.0
"""Seconds we wait for the answer to QUIT before we hang up."""

BODY_UNREADABLE: Final = Reply(451, "4.3.0", "The stored message can't be read completely")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for each step of a delivery (RFC 5321 section 4.5.3.2)."""

    connect: float = 30.0
    greeting: float = 300.0
    ehlo: float = 300.0
    mail: float = 300.0
    rcpt: float = 300.0
    data: float = 120.0
    block: float = 180.0
    final: float = 600.0

    def of(self, phase: Phase) -> float:
        """Return the limit of a phase."""
        return cast(float, getattr(self, phase))


@implementer(IPushProducer)
class ClientProtocol(Protocol):
    """Carries one session; one coroutine at a time awaits `open`, `send` or `probe`.

    Nothing here raises for what the peer does: the session ends and says why.
    A timer runs only while something is waited for, one for all phases.

    Attributes:
        session: the session, for its extensions and its failure.
        security: knows what the certificate was worth.
        made: resolved when the connection is made; fails when it can't be.
        gone: resolved when the connection is over.
    """

    def __init__(
        self,
        session: ClientSession,
        security: ConnectionCreator,
        clock: IReactorTime,
        timeouts: Timeouts,
    ) -> None:
        """Prepare a connection.

        Args:
            session: at its beginning; when it is encrypted, TLS comes first.
            security: makes the TLS connection when it is begun.
            clock: for the time limits.
            timeouts: the time limits.
        """
        self.session = session
        self.made: Promise[None] = Promise()
        self.gone: Promise[None] = Promise()
        self.security = security
        self._clock = clock
        self._timeouts = timeouts
        self._woken: Promise[None] | None = None
        self._timer: IDelayedCall | None = None
        self._deadline: float | None = None
        self._replies_seen = -1
        self._paused = False
        self._leaving = False
        self._resting = False
        self._own_address = ""

    @property
    def is_usable(self) -> bool:
        """Whether another message can be sent."""
        return not (self._leaving or self.session.closed or self.gone.done)

    async def open(self) -> Reply | None:
        """Greet, secure and log in; return None, or why that failed (a temporary reply)."""
        return self.session.failure if await self._next() is Event.CLOSED else None

    async def send(
        self,
        message: Message,
        envelope: Envelope,
        bodies: IBodyStore,
        *,
        last: bool,
        forwarded: Forwarded | None = None,
    ) -> Sequence[Outcome]:
        """Send a message; return an outcome for each recipient of `envelope`, in order.

        Args:
            message: what to send, octet for octet.
            envelope: the sender, and the recipients that go this way.
            bodies: where a large body is.
            last: nothing more is sent on this connection.
            forwarded: whom it came from first, for a content filter.
        """
        self._resting = False
        self.session.begin(envelope, message.size, last=last, forwarded=forwarded)
        while await self._next() is Event.SEND_BODY:
            await self._send_body(message, bodies)
        return self.session.outcomes

    async def probe(self, envelope: Envelope) -> Sequence[Outcome]:
        """Ask whether recipients would be taken; return an outcome for each."""
        self.session.begin(envelope, 0, probe=True)
        await self._next()
        return self.session.outcomes

    def rest(self) -> None:
        """Stay connected though nothing is to be sent now; whatever the host says meanwhile ends the session."""
        self._resting = True
        self._hear_unasked()

    def finish(self) -> None:
        """Say goodbye and hang up, soon; nobody need wait for it."""
        self._leaving = True
        if self.gone.done:
            return
        self.session.quit()
        self._flush()
        self._arm(LINGER)
        self._leave()

    def abort(self) -> None:
        """Hang up at once."""
        if self.connected and not self.gone.done:
            self._wire.abortConnection()

    @property
    def tls(self) -> str:
        """Version and cipher of the connection; empty in clear."""
        return describe_tls(self._wire) if self.session.encrypted else ""

    @property
    def own_address(self) -> str:
        """Where the connection comes from, an IP address; empty for a unix socket."""
        return self._own_address

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Turn Nagle's delay off and go on where `made` is awaited."""
        self._wire = ITCPTransport(self.transport)
        self._outlet = Outlet(self._wire)
        if not isinstance(self._wire.getPeer(), UNIXAddress):
            self._wire.setTcpNoDelay(True)
            self._own_address = str(getattr(self._wire.getHost(), "host", ""))
        if self.session.encrypted:
            self._start_tls()
        self.made.resolve(None)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Hand octets to the session, which bounds them."""
        self.session.receive_bytes(data)
        self._wake()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Let the session see what came before the end, then the end."""
        self._disarm()
        if self.session.is_unproven:
            self.session.end(Reply(451, "4.7.5", f"TLS could not be set up: {self._tls_problem(reason)}"))
        self.gone.resolve(None)
        self._wake()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The transport is full: read no more of the body for now."""
        self._paused = True

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The transport has room again."""
        self._paused = False
        self._wake()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The transport is gone, which `connectionLost` says too."""

    async def _next(self) -> Event:
        while True:
            event = self.session.next_event()
            if event is None and self.gone.done:
                self.session.lost()
                continue
            self._flush()
            if event is Event.START_TLS:
                self._start_tls()
            elif event is not None:
                self._deadline = None
                return event
            else:
                await self._answer()

    async def _answer(self) -> None:
        if self._deadline is None or self._replies_seen != self.session.replies:
            self._replies_seen = self.session.replies  # a peer that drips octets gains no time
            self._arm(self._timeouts.of(self.session.phase))
        await self._wakening()

    async def _wakening(self) -> None:
        self._woken = Promise()
        await self._woken

    async def _send_body(self, message: Message, bodies: IBodyStore) -> None:
        session, body = self.session, message.body
        session.send_body(message.header)
        if isinstance(body, InlineBody):
            session.send_body(body.data)
            session.end_body()
            return
        wire = IConsumer(self.transport)
        wire.registerProducer(self, streaming=True)
        try:
            await self._stream(body, bodies)
        except TemporaryError as error:
            session.end(error.reply)
        finally:
            wire.unregisterProducer()

    async def _stream(self, body: FileBody, bodies: IBodyStore) -> None:
        offset = 0
        while offset < body.size:
            block = await bodies.read(body, offset, BLOCK)
            if not block:
                raise TemporaryError(BODY_UNREADABLE)
            offset += len(block)
            self.session.send_body(block)
            self._flush()
            if not await self._drained():
                return
        self.session.end_body()

    async def _drained(self) -> bool:
        """Wait until the transport takes more; False when the session ended meanwhile."""
        self._arm(self._timeouts.block)
        while self.session.next_event() is None and not self.gone.done:
            if not self._paused:
                self._deadline = None
                return True
            await self._wakening()
        return False

    def _flush(self) -> None:
        out = self.session.bytes_to_send()
        if out and not self.gone.done:
            self._outlet.write(out)

    def _start_tls(self) -> None:
        self._outlet.start_tls(self.security)
        if not self.session.encrypted:
            self.session.tls_started()

    def _wake(self) -> None:
        woken, self._woken = self._woken, None
        if woken is not None:
            woken.resolve(None)
        if self._leaving:
            self._leave()
        elif self._resting:
            self._hear_unasked()

    def _hear_unasked(self) -> None:
        if self.session.next_event() is Event.CLOSED:
            self.abort()

    def _leave(self) -> None:
        if self.session.next_event() is Event.CLOSED and not self.gone.done:
            self._wire.loseConnection()

    def _arm(self, seconds: float) -> None:
        self._deadline = self._clock.seconds() + seconds
        if self._timer is not None and self._timer.getTime() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._clock.callLater(seconds, self._expire)

    def _disarm(self) -> None:
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        rest = self._deadline - self._clock.seconds()
        if rest > 0:
            self._timer = self._clock.callLater(rest, self._expire)
            return
        self.session.timed_out()
        self.abort()
        self._wake()

    def _tls_problem(self, reason: Failure) -> str:
        if self.security.problem:
            return self.security.problem
        if isinstance(reason.value, SSL.Error) and reason.value.args:
            return ", ".join(str(words[-1]) for words in reason.value.args[0])
        return "the connection was closed"
