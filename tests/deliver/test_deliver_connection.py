"""The connection: time limits with a clock, large bodies with a transport that fills, and goodbyes."""

# ruff: noqa: N802 - Twisted's names

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import pytest_twisted
from OpenSSL import SSL
from scripted_host import HEADER, SILENCE, TEXT, Authorities, Bodies, Scene, message_to
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedmail_mta.deliver.connection import BLOCK, LINGER, ClientProtocol, Timeouts
from twistedmail_mta.deliver.dial import Dialer, Outbound
from twistedmail_mta.deliver.sources import Source, Sources
from twistedmail_mta.deliver.target import Target
from twistedmail_mta.model import (
    Deferred as Delayed,
)
from twistedmail_mta.model import (
    Delivered,
    Failed,
    FileBody,
    InlineBody,
    Message,
    NextHop,
    Outcome,
    Reply,
    Unconfirmed,
)
from twistedmail_mta.smtp.client import ClientSession
from twistedmail_mta.tls.client import ClientTLS

TIMEOUTS = Timeouts(30, 301, 302, 303, 304, 120, 180, 600)
EHLO = b"250-mx\r\n250-PIPELINING\r\n250 8BITMIME\r\n"


@implementer(ITCPTransport)
class Wire(StringTransport):
    """A transport that keeps what is written and loses the connection when told."""

    aborted = False

    def setTcpNoDelay(self, enabled: bool) -> None:
        assert enabled

    def abortConnection(self) -> None:
        self.aborted = True
        self.loseConnection()


class Line:
    """A connection on a wire, under a clock."""

    def __init__(self, message: Message, bodies: Bodies | None = None) -> None:
        self.clock = Clock()
        self.wire = Wire()
        self.bodies = bodies or Bodies()
        session = ClientSession("mail.example.org", "mx [192.0.2.1]")
        security = ClientTLS.connection_to(_Nobody(), "mx", verify=False)  # type: ignore[arg-type] # never used
        self.protocol = ClientProtocol(session, security, self.clock, TIMEOUTS)
        self.protocol.makeConnection(self.wire)
        self.outcomes: list[Sequence[Outcome]] = []
        self.failures: list[Any] = []
        self._running = Deferred.fromCoroutine(self._deliver(message))
        self._running.addCallbacks(self.outcomes.append, self.failures.append)

    async def _deliver(self, message: Message) -> Sequence[Outcome]:
        failure = await self.protocol.open()
        if failure is not None:
            return [Delayed(failure)]
        return await self.protocol.send(message, message.envelope, self.bodies, last=True)

    def cancel(self) -> None:
        self._running.cancel()

    def hear(self, *replies: bytes) -> None:
        for reply in replies:
            self.protocol.dataReceived(reply)

    def hang_up(self) -> None:
        self.protocol.connectionLost(Failure(ConnectionDone()))

    @property
    def outcome(self) -> Outcome:
        ((outcome,),) = self.outcomes
        return outcome


class _Nobody:
    _any = _verified = SSL.Context(SSL.TLS_CLIENT_METHOD)


STAGES = [
    ((), 301, "the greeting"),
    ((b"220 hi\r\n",), 302, "EHLO"),
    ((b"220 hi\r\n", EHLO), 303, "MAIL"),
    ((b"220 hi\r\n", EHLO, b"250 a\r\n"), 304, "RCPT"),
    ((b"220 hi\r\n", EHLO, b"250 a\r\n250 b\r\n"), 120, "DATA"),
    ((b"220 hi\r\n", EHLO, b"250 a\r\n250 b\r\n354 c\r\n"), 600, "the end of the message"),
]


@pytest.mark.parametrize(("replies", "limit", "words"), STAGES)
@pytest.mark.parametrize("drip", [b"", b"2"])
def test_silence_at_every_stage(replies: tuple[bytes, ...], limit: float, words: str, drip: bytes) -> None:
    """Each phase has its own limit (RFC 5321 section 4.5.3.2); a peer that drips octets gains none."""
    line = Line(message_to("bob"))
    line.hear(*replies)

    line.clock.advance(limit / 2)
    line.hear(drip)
    line.clock.advance(limit / 2 - 0.5)
    assert not line.outcomes
    line.clock.advance(1)

    assert type(line.outcome) is (Unconfirmed if limit == 600 else Delayed)
    assert words in line.outcome.reply.text
    assert line.wire.aborted
    line.hang_up()
    assert not line.clock.getDelayedCalls()


def test_each_reply_begins_a_new_wait() -> None:
    """A slow host that always answers is never given up."""
    line = Line(message_to("bob"))
    for reply in (b"220 hi\r\n", EHLO, b"250 a\r\n", b"250 b\r\n"):
        line.clock.advance(300)
        line.hear(reply)
    line.clock.advance(119)
    line.hear(b"354 c\r\n")
    line.clock.advance(599)
    line.hear(b"250 d\r\n")

    assert type(line.outcome) is Delivered


def test_few_writes() -> None:
    """EHLO, the pipelined group, then the message with its end and QUIT: three writes."""
    line = Line(message_to("bob"))
    writes: list[bytes] = []
    line.wire.write = writes.append  # type: ignore[method-assign]
    line.hear(b"220 hi\r\n", EHLO, b"250 a\r\n250 b\r\n354 c\r\n", b"250 d\r\n221 bye\r\n")

    assert len(writes) == 3
    assert writes[2] == HEADER + b"." + TEXT + b".\r\nQUIT\r\n"


def test_flood_of_replies() -> None:
    """A peer that talks without end fills no memory and ends its session."""
    line = Line(message_to("bob"))
    line.hear(*[b"220-hi\r\n" * 5000] * 100)

    assert type(line.outcome) is Delayed


def test_last_words_before_hanging_up() -> None:
    """What was said before the end still counts."""
    line = Line(message_to("bob"))
    line.hear(b"220 hi\r\n", EHLO)
    line.hear(b"250 a\r\n550 5.1.1 no\r\n503 no\r\n")
    line.hang_up()

    assert type(line.outcome) is Failed


def test_goodbye_waits_briefly() -> None:
    """Nobody waits for the answer to QUIT; the connection closes with it, or after a moment."""
    for answer in (b"221 bye\r\n", b""):
        line = Line(message_to("bob"))
        line.hear(b"220 hi\r\n", EHLO, b"250 a\r\n250 b\r\n354 c\r\n", b"250 d\r\n")
        line.protocol.finish()
        assert line.outcomes
        assert not line.wire.disconnecting
        line.hear(answer)
        line.clock.advance(0 if answer else LINGER)

        assert line.wire.disconnecting
        assert line.wire.aborted is not bool(answer)
        line.hang_up()
        assert not line.clock.getDelayedCalls()


def test_cancelled_delivery() -> None:
    """A cancelled coroutine leaves a connection that can be aborted, and no timer behind that."""
    line = Line(message_to("bob"))
    line.hear(b"220 hi\r\n")
    line.cancel()
    line.protocol.abort()
    line.hang_up()

    assert line.failures
    assert not line.clock.getDelayedCalls()


LARGE = FileBody("large", 3 * BLOCK + 1000)
REPLIES = (b"220 hi\r\n", EHLO, b"250 a\r\n250 b\r\n354 c\r\n")


def test_large_body_waits_for_room() -> None:
    """While the transport is full, no further block is read; a block is all that is in memory."""
    line = Line(message_to("bob", body=LARGE))
    line.protocol.pauseProducing()
    line.hear(*REPLIES)

    assert line.bodies.lengths == [BLOCK]
    line.protocol.pauseProducing()
    line.clock.advance(179)
    line.protocol.resumeProducing()
    assert line.bodies.lengths == [BLOCK, BLOCK, BLOCK, 1000]
    assert line.wire.producer is None
    line.hear(b"250 d\r\n")

    assert type(line.outcome) is Delivered
    sent = line.wire.value().split(b"DATA\r\n")[1].split(b"\r\n\r\n", 1)[1]
    assert sent.startswith(b"..xxx")
    assert sent.count(b"\r\n..x") == LARGE.size // len(line.bodies.line)


def test_host_that_stops_reading() -> None:
    """A block that isn't taken in three minutes ends the session, and the message surely wasn't taken."""
    line = Line(message_to("bob", body=LARGE))
    line.protocol.pauseProducing()
    line.hear(*REPLIES)
    line.clock.advance(181)

    assert line.outcome == Delayed(Reply(451, "4.4.2", "The time ran out while the message was sent"), "mx [192.0.2.1]")
    assert line.wire.aborted
    assert b"\r\n.\r\n" not in line.wire.value()


@pytest.mark.parametrize(("reply", "kind"), [(b"552 5.3.4 too large\r\n", Failed), (b"451 disk\r\n", Delayed)])
def test_refused_while_sending(reply: bytes, kind: type[Outcome]) -> None:
    """A host that refuses half-way is believed, and sent no more."""
    line = Line(message_to("bob", body=LARGE))
    line.protocol.pauseProducing()
    line.hear(*REPLIES)
    line.hear(reply)

    assert type(line.outcome) is kind
    assert line.bodies.lengths == [BLOCK]


def test_lost_while_sending() -> None:
    """A message that was sent in part is not in doubt."""
    line = Line(message_to("bob", body=LARGE))
    line.protocol.pauseProducing()
    line.hear(*REPLIES)
    line.hang_up()

    assert type(line.outcome) is Delayed


def test_body_that_ends_early() -> None:
    """A stored body that is shorter than it should be never ends with a dot: half a message is none."""
    line = Line(message_to("bob", body=LARGE), Bodies(missing=BLOCK))
    line.hear(*REPLIES)

    assert line.outcome.reply.status == "4.3.0"
    assert type(line.outcome) is Delayed
    assert b"\r\n.\r\n" not in line.wire.value()


@pytest.mark.parametrize("secure", [False, True])
@pytest_twisted.ensureDeferred
async def test_large_body_to_a_slow_reader(scene: Scene, authorities: Authorities, secure: bool) -> None:
    """Over a real socket, TLS or not, blocks are read only as fast as the host takes them."""
    host = scene.host(context=authorities.context_for("x") if secure else None)
    body = FileBody("large", 12_000_000)
    slow: list[int] = []

    def pause(_line: bytes) -> bytes:
        session = host.sessions[0]
        session.transport.pauseProducing()

        def resume() -> None:
            slow.append(sum(scene.bodies.lengths))
            session.transport.resumeProducing()

        scene.reactor.callLater(0.2, resume)
        return b"354 go\r\n"

    host.answers["DATA"] = pause
    outcomes = await scene.deliver(message_to("bob", body=body), NextHop("127.0.0.1", host.port))

    assert type(outcomes[0]) is Delivered
    assert slow[0] < body.size  # the rest waited in the store, not in memory
    (arrived,) = host.messages
    assert (
        arrived.replace(b"\r\n..", b"\r\n.")[len(HEADER) + 1 :][: body.size - 2]
        == (scene.bodies.line * (body.size // 64 + 1))[1 : body.size - 1]
    )


@pytest_twisted.ensureDeferred
async def test_close_hangs_up(scene: Scene) -> None:
    """Stopping leaves no connection behind that waits for an answer to QUIT."""
    host = scene.host(answers={"QUIT": SILENCE})

    await scene.deliver(message_to("bob", body=InlineBody(b"x\r\n")), NextHop("127.0.0.1", host.port))
    await scene._dialers[0].close()

    await host.sessions[0].gone


@pytest_twisted.ensureDeferred
async def test_source_addresses_have_names_of_their_own(scene: Scene) -> None:
    """Each family has its source address; where that has a name, EHLO says it."""
    hosts = [scene.host(address) for address in ("127.0.0.1", "::1")]
    outbound = Outbound("mail.example.org", sources=Sources([Source("127.0.0.9", "out9.example.org"), Source("::1")]))
    dialer = Dialer(scene.reactor, outbound, scene.security, scene.secret)

    for host, address in zip(hosts, ("127.0.0.1", "::1"), strict=True):
        target = Target(address, address, host.port)
        connection = await dialer.call(NextHop(address, host.port), target, dialer.source(target, "example.org"))
        connection.finish()
        await connection.gone

    assert [host.sessions[0].transport.getPeer().host for host in hosts] == ["127.0.0.9", "::1"]
    assert [host.commands[0] for host in hosts] == [b"EHLO out9.example.org", b"EHLO mail.example.org"]
