"""One SMTP connection: octets in, one event at a time, replies out.

Twisted drives the pure session here, in order and with backpressure; what a
command means is the dialogue's business.
"""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet.interfaces import IConsumer, IDelayedCall, IHandshakeListener, IPushProducer, ITLSTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedmail_mta.crowd import Crowd
from twistedmail_mta.model import Reply, id_text
from twistedmail_mta.outlet import Outlet
from twistedmail_mta.receive.client import Client
from twistedmail_mta.receive.dialogue import Dialogue
from twistedmail_mta.receive.history import note_knock
from twistedmail_mta.receive.listener import Listener
from twistedmail_mta.receive.replies import (
    BROKEN,
    FLOODED,
    IDLE_TOO_LONG,
    LOGIN_ENDED,
    RULES_CHANGED,
    SHUTTING_DOWN,
    TOO_MANY_COMMANDS,
    TOO_MANY_ERRORS,
    TRANSACTION_TOO_LONG,
)
from twistedmail_mta.smtp.events import BodyBlock, BodyEnd
from twistedmail_mta.smtp.reply import encode_reply
from twistedmail_mta.smtp.server import ServerSession, SessionSettings
from twistedmail_mta.stages import IConnectPolicy, IDisconnectObserver
from twistedmail_mta.tasks import Cancelled, Task, sleep
from twistedmail_mta.tls.words import describe_tls, failure_reason
from twistedmail_mta.wire import Overflow

ERROR_DELAY = 1.0
FLUSH_AFTER = 1.0
CLOSE_WITHIN = 30.0
_AT_NEXT_COMMAND = (LOGIN_ENDED, RULES_CHANGED)
TURN = 0.002
"""Seconds of pipelined commands after which other clients are served first."""


class IServerTransport(ITLSTransport, IConsumer):
    """What a connection of a TCP server can do."""


@implementer(IPushProducer, IHandshakeListener)
class ServerProtocol(Protocol):
    """The connection of one client.

    The transport is paused while an event waits for its answer, so pipelined
    commands are answered in order (RFC 2920 section 3.2), however long that
    takes, and a fast client can't fill the memory.  Octets that TLS had already
    decrypted may still arrive: the session keeps them.

    Its producer methods are called by the transport when the client doesn't
    read its replies: then it isn't read from either.
    """

    transport: IServerTransport

    def __init__(
        self, listener: Listener, settings: SessionSettings, crowd: Crowd, connections: set[ServerProtocol]
    ) -> None:
        self._listener = listener
        self._crowd = crowd
        self._connections = connections
        self._session = ServerSession(settings)
        self._client: Client | None = None
        self._dialogue: Dialogue | None = None
        self._serving: Task[None] | None = None
        self._timer: IDelayedCall | None = None
        self._flusher: IDelayedCall | None = None
        self._progress = 0.0
        self._errors = 0
        self._reading = True
        self._output_full = False
        self._closing = False
        self._farewell: Reply | None = None

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Let the client in, or tell it why not."""
        self._outlet = Outlet(self.transport)
        listener = self._listener
        host = getattr(self.transport.getPeer(), "host", "")
        if host:  # a unix socket has none
            self.transport.setTcpNoDelay(enabled=True)
        if host and (refusal := listener.barred(host)) is not None:
            self._turn_away(host, refusal)
            return
        refusal = self._crowd.enter(listener.name, host, listener.limits.connections_per_client)
        if refusal is not None:
            self._turn_away(host, refusal)
            return
        self._connections.add(self)
        listener.presence.enter(self)
        self._client = self._make_client(host)
        self._dialogue = Dialogue(listener, self._session, self._client, self._start_tls, self._end_login)
        self._session.tls_available = listener.tls is not None and bool(host)
        self.transport.registerProducer(self, streaming=True)
        self._progress = listener.clock.seconds()
        self._timer = listener.clock.callLater(self._patience(), self._check_time)
        if listener.implicit_tls:
            self._encrypt()
            self._session.tls_active = True
        else:
            self._greet()

    def _make_client(self, host: str) -> Client:
        listener, session = self._listener, id_text(self._listener.new_id())
        if not (listener.plugins.asks_anybody or listener.grants.asks_anybody):
            return Client(host, session)  # what else is known is for plugins, and the system has to be asked for it
        peer, here = self.transport.getPeer(), self.transport.getHost()
        return Client(
            host,
            session,
            has_spoken=lambda: self._session.has_input,
            port=getattr(peer, "port", 0),
            local_host=getattr(here, "host", ""),
            local_port=getattr(here, "port", 0),
        )

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's name
        """Greet, where TLS comes first: an earlier greeting would wait in the transport and stop its reading."""
        if self._listener.implicit_tls:
            self._greet()

    def _greet(self) -> None:
        if not self._listener.plugins.asks(IConnectPolicy):
            self._say_hello()
            return
        self._serving = self._listener.tasks.start("smtp.connect", self._ask_about_client())
        if self._serving.done:
            self._serving = None

    async def _ask_about_client(self) -> None:
        """Ask the plugins whether the client is let in; what it says meanwhile waits."""
        client, listener = self._client, self._listener
        assert client is not None
        refusal = await listener.plugins.refusal(IConnectPolicy, listener.seen(client), heard=client.hear)
        self._serving = None
        if self._closing:
            return
        if refusal is not None:
            code = 554 if refusal.is_permanent else 421  # RFC 5321 section 4.2.3
            answer = Reply(code, refusal.status, refusal.text)
            note_knock(listener, client, "connect", answer)
            self._give_up(answer)
            return
        self._say_hello()
        self._read(wanted=True)
        if self._session.has_input:
            self.dataReceived(b"")  # what came meanwhile

    def _say_hello(self) -> None:
        protocol = "LMTP" if self._listener.role.lmtp else "ESMTP"
        self._session.greet(Reply(220, "", f"{self._listener.hostname} {protocol}"))
        self._outlet.write(self._session.bytes_to_send())

    def _turn_away(self, host: str, refusal: Reply) -> None:
        self._listener.log.info(
            "{peer} turned away: {reply}",
            event="smtp.turned_away",
            listener=self._listener.name,
            peer=host,
            reply=refusal,
            code=refusal.code,
        )
        note_knock(self._listener, Client(host, ""), "connect", refusal)
        if not self._listener.implicit_tls:
            self._outlet.write(encode_reply(refusal))
        self._close()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take octets; begin to serve unless a command is being answered."""
        if self._closing:
            return
        try:
            self._session.receive_bytes(data)
        except Overflow:
            self._give_up(FLOODED)
            return
        if self._serving is not None:
            self._read(wanted=False)
        else:
            self._serving = self._listener.tasks.start("smtp.session", self._serve())
            if self._serving.done:
                self._serving = None
            else:
                self._wait_for_answer()

    def _wait_for_answer(self) -> None:
        if self._session.has_input:
            self._read(wanted=False)
        if self._session.has_output:
            self._flusher = self._listener.clock.callLater(FLUSH_AFTER, self._flush)

    async def _serve(self) -> None:
        """Answer whatever is complete, then read on."""
        try:
            await self._answer_all()
        except Cancelled:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, this client alone pays for it
            self._listener.log.failure("session {session} broke", event="smtp.broken", session=self._session_id)
            self._give_up(BROKEN)
        self._served()

    async def _answer_all(self) -> None:
        dialogue, session, limits = self._dialogue, self._session, self._listener.limits
        assert dialogue is not None
        turn = self._listener.clock.seconds()
        while not self._closing and (event := session.next_event()) is not None:
            if self._progress - turn > TURN:
                turn = await self._let_others()
                if self._closing:
                    break
            farewell = self._farewell
            if farewell is not None and farewell in _AT_NEXT_COMMAND and not isinstance(event, BodyBlock | BodyEnd):
                self._give_up(farewell)
                break
            await dialogue.answer(event)
            self._progress = self._listener.clock.seconds()
            if session.errors > limits.errors:
                self._give_up(TOO_MANY_ERRORS)
            elif dialogue.is_fruitless:
                self._give_up(TOO_MANY_COMMANDS)
            elif session.errors > max(self._errors, limits.errors_before_delay):
                self._errors = session.errors
                await sleep(self._listener.clock, ERROR_DELAY)

    async def _let_others(self) -> float:
        """Send the answers so far and let the reactor look after everybody else; return when it has."""
        self._flush()
        await sleep(self._listener.clock, 0)
        return self._listener.clock.seconds()

    def _served(self) -> None:
        self._flush()
        self._serving = None
        _cancel(self._flusher)
        if self._session.closing:
            self._close()
        elif self._farewell is not None and self._is_idle() and not self._closing:
            self._give_up(self._farewell)
        else:
            self._read(wanted=not self._output_full)

    def _flush(self) -> None:
        if not self._closing and (data := self._session.bytes_to_send()):
            self._outlet.write(data)

    def _read(self, *, wanted: bool) -> None:
        if wanted != self._reading and not self._closing:
            self._reading = wanted
            source = IPushProducer(self.transport)
            if wanted:
                source.resumeProducing()
            else:
                source.pauseProducing()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Read nothing more: the client doesn't take its replies."""
        self._output_full = True
        self._read(wanted=False)

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Read again, unless a command still waits for its answer."""
        self._output_full = False
        self._read(wanted=self._serving is None)

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Nothing to do: connectionLost follows."""

    def _start_tls(self) -> None:
        """Encrypt, after the 220 to STARTTLS has been written (RFC 3207 section 4)."""
        self._flush()
        self._encrypt()
        self._session.starttls_done()

    def _encrypt(self) -> None:
        creator = self._listener.tls
        assert creator is not None and self._client is not None  # noqa: PT018 - offered only then
        self._outlet.start_tls(creator)
        self._client.encrypt(lambda: describe_tls(self.transport))

    def _is_idle(self) -> bool:
        return self._serving is None and (self._dialogue is None or not self._dialogue.in_transaction)

    def finish(self) -> None:
        """End the session with 421, at once if no transaction is under way, else after it."""
        self.part(SHUTTING_DOWN)

    def _end_login(self) -> None:
        """End the session with 421 at its next command, at once if no transaction is under way.

        A message whose text is on its way was let in when the login was good: it ends first.
        """
        self.part(LOGIN_ENDED)

    def part(self, farewell: Reply) -> None:
        """End the session with a reply of 421, at once if no transaction is under way.

        Args:
            farewell: one of `_AT_NEXT_COMMAND` comes instead of the answer to the next command, but a message whose
                text is on its way is answered first; any other when the transaction has ended.
        """
        self._farewell = farewell
        if self._is_idle() and not self._closing:
            self._give_up(farewell)

    def abort(self, farewell: Reply = SHUTTING_DOWN) -> None:
        """End the session with 421 whatever it does; what isn't accepted stays with the client."""
        if not self._closing:
            self._give_up(farewell)

    @property
    def _session_id(self) -> str:
        return self._client.session if self._client is not None else ""

    def _patience(self) -> float:
        return min(self._listener.limits.idle, self._listener.limits.transaction)

    def _check_time(self) -> None:
        now = self._listener.clock.seconds()
        deadline = self._dialogue.deadline if self._dialogue is not None else None
        self._timer = None
        if self._serving is None and now - self._progress >= self._listener.limits.idle:
            self._give_up(IDLE_TOO_LONG)
        elif self._serving is None and deadline is not None and now >= deadline:
            self._give_up(TRANSACTION_TOO_LONG)
        else:
            self._timer = self._listener.clock.callLater(self._until_next_check(now, deadline), self._check_time)

    def _until_next_check(self, now: float, deadline: float | None) -> float:
        idle_until = self._progress + self._listener.limits.idle
        next_check = min(idle_until, now + self._patience(), deadline or idle_until)
        return max(1.0, next_check - now)

    def _give_up(self, reply: Reply) -> None:
        self._flush()
        if self._dialogue is not None:
            self._dialogue.note_farewell(reply)
        if not self._closing:
            self._outlet.write(encode_reply(reply))
        self._listener.log.info(
            "session {session} ended: {reply}",
            event="smtp.ended",
            session=self._session_id,
            reply=reply,
            code=reply.code,
        )
        self._close()

    def _close(self) -> None:
        """Close when everything is written, or after a while if the client doesn't take it.

        Reading goes on: unread, the client's end of TLS would never be noticed.
        """
        if self._closing:
            return
        self._read(wanted=True)
        self._closing = True
        _cancel(self._timer)
        self._timer = self._listener.clock.callLater(CLOSE_WITHIN, self.transport.abortConnection)
        if self._client is not None:
            self.transport.unregisterProducer()
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Drop what isn't accepted; an acceptance already handed to the writer finishes."""
        self._closing = True
        self._connections.discard(self)
        _cancel(self._timer)
        _cancel(self._flusher)
        if self._serving is not None:
            self._serving.cancel()
        if self._dialogue is not None:
            self._dialogue.leave()
            self._dialogue = None  # it refers to us, and nobody should have to find that out
        if self._client is not None:
            self._tell_of_end(self._client)
            self._crowd.leave(self._listener.name, self._client.host)
            if isinstance(reason.value, SSL.Error):
                note_knock(self._listener, self._client, "TLS", failure_reason(reason.value))
                self._listener.log.info(
                    "session {session}: TLS with {peer} failed: {reason}",
                    event="smtp.tls.failed",
                    session=self._client.session,
                    peer=self._client.host,
                    reason=failure_reason(reason.value),
                )
        self._listener.presence.leave(self)

    def _tell_of_end(self, client: Client) -> None:
        """Let plugins forget the client."""
        listener = self._listener
        if listener.plugins.asks(IDisconnectObserver):
            client.leave()
            listener.plugins.tell_soon(listener.tasks, IDisconnectObserver, listener.seen(client))


def _cancel(call: IDelayedCall | None) -> None:
    if call is not None and call.active():
        call.cancel()
