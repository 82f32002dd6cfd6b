"""Kept connections: for how many messages, how long, for whom, and what happens when one has died."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from scripted_host import DROP, HANG_UP, NO_SOURCES, SILENCE, Authorities, Scene, ScriptedHost, message_to
from twisted.internet.task import Clock

from twistedmail_mta.deliver.agent import DeliveryAgent
from twistedmail_mta.deliver.pool import MOST_IDLE, Pool, Reuse
from twistedmail_mta.deliver.sources import Source, Sources
from twistedmail_mta.model import Deferred, Delivered, NextHop, RelayLogin, Reply
from twistedmail_mta.tls.client import ClientTLS


class Kept:
    """An agent whose pool lives in a time of its own."""

    def __init__(self, scene: Scene, reuse: Reuse | None = None, sources: Sources = NO_SOURCES, **options: Any) -> None:
        self.clock = Clock()
        self.pool = Pool(scene.dialer(sources), self.clock, reuse, **options)
        self.agent = DeliveryAgent(self.pool, scene.hosts(), scene.bodies)

    async def send(self, next_hop: NextHop, *names: str, wanted: bool = True, **options: Any) -> Any:
        message = message_to(*(names or ("bob",)), **options)
        return await self.agent.deliver(message, message.envelope.recipients, next_hop, lambda _: wanted)


def verbs(host: ScriptedHost, session: int = 0) -> list[str]:
    return [line.split(b" ")[0].decode() for line in host.sessions[session].lines]


def counts(host: ScriptedHost) -> list[int]:
    return [len(session.messages) for session in host.sessions]


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
@pytest_twisted.ensureDeferred
async def test_a_connection_serves_again(scene: Scene, extensions: tuple[str, ...]) -> None:
    """One greeting, one EHLO, then message after message; nothing is said while it waits."""
    host, kept = scene.host(extensions=extensions), Kept(scene)

    for _ in range(3):
        assert type((await kept.send(NextHop("127.0.0.1", host.port)))[0]) is Delivered

    assert verbs(host) == ["EHLO", *["MAIL", "RCPT", "DATA"] * 3]


@pytest_twisted.ensureDeferred
async def test_messages_of_a_connection(scene: Scene) -> None:
    """The last message a connection may carry is followed by QUIT at once."""
    host, kept = scene.host(), Kept(scene, Reuse(messages=2))

    for _ in range(5):
        await kept.send(NextHop("127.0.0.1", host.port))

    assert counts(host) == [2, 2, 1]
    await host.sessions[0].gone
    assert [verbs(host, each)[-1] for each in (0, 1, 2)] == ["QUIT", "QUIT", "DATA"]


@pytest_twisted.ensureDeferred
async def test_usual_limits(scene: Scene) -> None:
    """Twenty messages, sixty seconds, three seconds of waiting."""
    assert Reuse() == Reuse(messages=20, age=60.0, idle=3.0)
    host, kept = scene.host(), Kept(scene)

    for _ in range(21):
        await kept.send(NextHop("127.0.0.1", host.port))

    assert counts(host) == [20, 1]


@pytest_twisted.ensureDeferred
async def test_messages_of_a_next_hop(scene: Scene) -> None:
    """A next hop may have a number of its own."""
    host = scene.host()
    kept = Kept(scene, messages_of=lambda hop: 3 if hop.host == "127.0.0.1" else None)

    for _ in range(4):
        await kept.send(NextHop("127.0.0.1", host.port))

    assert counts(host) == [3, 1]


@pytest_twisted.ensureDeferred
async def test_old_connection_carries_no_more(scene: Scene) -> None:
    """A connection is given up when it is a minute old, however busy."""
    host, kept = scene.host(), Kept(scene)

    for _ in range(32):
        await kept.send(NextHop("127.0.0.1", host.port))
        kept.clock.advance(2)

    assert counts(host) == [20, 12]
    host.sessions.clear()
    slow = Kept(scene, Reuse(age=5))
    for _ in range(4):
        await slow.send(NextHop("127.0.0.1", host.port))
        slow.clock.advance(2)
    assert counts(host) == [3, 1]
    await host.sessions[0].gone
    assert verbs(host)[-1] == "QUIT"


@pytest_twisted.ensureDeferred
async def test_idle_connection_is_closed_with_quit(scene: Scene) -> None:
    """Three seconds after the last message we say QUIT, each connection in its own time."""
    first, second, kept = scene.host(), scene.host(), Kept(scene)

    await kept.send(NextHop("127.0.0.1", first.port))
    kept.clock.advance(2)
    await kept.send(NextHop("127.0.0.1", second.port))
    kept.clock.advance(1)
    await first.sessions[0].gone

    assert verbs(first)[-1] == "QUIT"
    await kept.send(NextHop("127.0.0.1", second.port))
    kept.clock.advance(3)
    await second.sessions[0].gone
    assert (verbs(second)[-1], counts(second)) == ("QUIT", [2])
    assert not kept.clock.getDelayedCalls()


@pytest_twisted.ensureDeferred
async def test_close_says_quit(scene: Scene) -> None:
    """What idles when we stop is told so; afterwards nothing is kept."""
    host, kept = scene.host(), Kept(scene)
    await kept.send(NextHop("127.0.0.1", host.port))

    await kept.pool.close()

    assert verbs(host)[-1] == "QUIT"
    assert not kept.clock.getDelayedCalls()
    await kept.send(NextHop("127.0.0.1", host.port))
    await host.sessions[1].gone
    assert counts(host) == [1, 1]


@pytest_twisted.ensureDeferred
async def test_close_waits_a_moment_only(scene: Scene) -> None:
    """A host that doesn't answer QUIT can't hold up the end."""
    host, kept = scene.host(answers={"QUIT": SILENCE}), Kept(scene)
    await kept.send(NextHop("127.0.0.1", host.port))
    host.sessions[0].transport.pauseProducing()
    ended: list[None] = []

    from twisted.internet.defer import Deferred as TwistedDeferred  # noqa: PLC0415

    TwistedDeferred.fromCoroutine(kept.pool.close()).addCallback(ended.append)
    assert not ended
    kept.clock.advance(1)
    assert ended == [None]
    host.sessions[0].transport.resumeProducing()


@pytest.mark.parametrize("dying", [DROP, b"421 4.7.0 too many messages\r\n"])
@pytest_twisted.ensureDeferred
async def test_dead_connection_is_replaced(scene: Scene, dying: Any) -> None:
    """Where a kept connection ends before MAIL is accepted, a new one carries the message in the same attempt."""
    host, kept = scene.host(answers={"MAIL": [None, dying]}), Kept(scene)

    outcomes = [await kept.send(NextHop("127.0.0.1", host.port)) for _ in range(2)]

    assert [type(each) for (each,) in outcomes] == [Delivered, Delivered]
    assert counts(host) == [1, 1]


@pytest.mark.parametrize("farewell", [None, b"421 4.4.2 idle too long\r\n", b"250 what?\r\n"])
@pytest_twisted.ensureDeferred
async def test_connection_that_ends_while_it_waits(scene: Scene, farewell: bytes | None) -> None:
    """What a host says or does unasked ends the session; the next message gets a new one."""
    host, kept = scene.host(), Kept(scene)
    await kept.send(NextHop("127.0.0.1", host.port))
    session = host.sessions[0]
    if farewell is None:
        session.transport.loseConnection()
    else:
        session.transport.write(farewell)
    await session.gone

    outcomes = await kept.send(NextHop("127.0.0.1", host.port))

    assert type(outcomes[0]) is Delivered
    assert counts(host) == [1, 1]


@pytest_twisted.ensureDeferred
async def test_new_connection_that_dies_is_an_attempt(scene: Scene) -> None:
    """Only kept connections are replaced: a host that always drops at MAIL is asked once."""
    host, kept = scene.host(answers={"MAIL": DROP}), Kept(scene)

    outcomes = await kept.send(NextHop("127.0.0.1", host.port))

    assert [type(each) for each in outcomes] == [Deferred]
    assert len(host.sessions) == 1


@pytest.mark.parametrize("stage", ["RCPT", "DATA", "END"])
@pytest_twisted.ensureDeferred
async def test_connection_that_dies_later_is_an_attempt(scene: Scene, stage: str) -> None:
    """Once MAIL was accepted the outcome counts: the message may be on its way."""
    host, kept = scene.host(answers={stage: [None, HANG_UP]}), Kept(scene)

    outcomes = [await kept.send(NextHop("127.0.0.1", host.port)) for _ in range(2)]

    assert type(outcomes[0][0]) is Delivered
    assert type(outcomes[1][0]) is not Delivered
    assert len(host.sessions) == 1


@pytest_twisted.ensureDeferred
async def test_every_kept_connection_dead(scene: Scene) -> None:
    """Several dead connections cost no attempt either, and the message has its two sessions still."""
    host, kept = scene.host(), Kept(scene)
    hop = NextHop("127.0.0.1", host.port)
    calls = [await kept.pool.call(hop, (await scene.hosts().targets(hop))[0], "example.org") for _ in range(3)]
    for call in calls:
        kept.pool.give_back(call, last=False)
    host.answers["MAIL"] = [DROP] * 3

    outcomes = await kept.send(hop)

    assert type(outcomes[0]) is Delivered
    assert len(host.sessions) == 4


@pytest_twisted.ensureDeferred
async def test_refusals_keep_the_connection(scene: Scene) -> None:
    """After a refused message the same session goes on, with RSET where MAIL was accepted."""
    host = scene.host(answers={"RCPT": [b"550 5.1.1 nobody\r\n"], "MAIL": [None, b"450 4.7.1 later\r\n"]})
    kept = Kept(scene)

    outcomes = [(await kept.send(NextHop("127.0.0.1", host.port)))[0].reply for _ in range(3)]

    assert outcomes == [Reply(550, "5.1.1", "nobody"), Reply(450, "4.7.1", "later"), Reply(250, "2.0.0", "ok")]
    assert len(host.sessions) == 1
    assert host.messages[-1].startswith(b"Subject")


@pytest_twisted.ensureDeferred
async def test_withdrawn_message_leaves_the_connection_unused(scene: Scene) -> None:
    """A message held at the last moment says nothing to the host and costs no connection."""
    host, kept = scene.host(), Kept(scene)

    await kept.send(NextHop("127.0.0.1", host.port), wanted=False)
    await kept.send(NextHop("127.0.0.1", host.port))

    assert verbs(host) == ["EHLO", "MAIL", "RCPT", "DATA"]


@pytest_twisted.ensureDeferred
async def test_only_the_same_way(scene: Scene, authorities: Authorities) -> None:
    """TLS level, credentials and verified name must be the same; the recipient's domain need not."""
    scene.security = ClientTLS(authorities.trusted)
    scene.secret = lambda _source: "secret"
    host = scene.host(context=authorities.context_for("relay.example.net"), extensions=("PIPELINING", "AUTH PLAIN"))
    scene.tables.address_table |= {name: ["127.0.0.1"] for name in ("relay.example.net", "alias.example.net")}
    scene.tables.mx_table |= {f"{name}.example": [(10, "relay.example.net")] for name in ("one", "two")}
    ways = [
        NextHop("relay.example.net", host.port),
        NextHop("alias.example.net", host.port),
        NextHop("relay.example.net", host.port, tls="none"),
        NextHop("relay.example.net", host.port, tls="required"),
        NextHop("relay.example.net", host.port, tls="required", login=RelayLogin("a", "env:A")),
        NextHop("relay.example.net", host.port, tls="required", login=RelayLogin("b", "env:A")),
        NextHop("relay.example.net", host.port, tls="required", login=RelayLogin("b", "env:B")),
    ]
    kept = Kept(scene)

    for way in (*ways, *ways):
        assert type((await kept.send(way))[0]) is Delivered
    for name in ("one", "two"):
        await kept.send(NextHop(f"{name}.example", host.port, mx=True))

    assert counts(host) == [4, 2, 2, 2, 2, 2, 2]


@pytest_twisted.ensureDeferred
async def test_kept_connections_go_first_among_equals(scene: Scene) -> None:
    """Of equally good hosts we stay with the one we are connected to; a better one is still tried first."""
    first = scene.host("127.0.0.2")
    scene.host("127.0.0.3", first.port)
    scene.host("127.0.0.4", first.port)
    names = {f"{name}.example.net": [f"127.0.0.{n}"] for n, name in ((2, "a"), (3, "b"), (4, "c"))}
    scene.tables.address_table |= names
    scene.tables.mx_table["equal.example"] = [(10, name) for name in names]
    scene.tables.mx_table["ranked.example"] = [(10, "c.example.net"), (20, "b.example.net"), (20, "a.example.net")]
    kept = Kept(scene)

    for _ in range(10):
        await kept.send(NextHop("equal.example", first.port, mx=True))
    assert sorted(len(host.sessions) for host in scene._hosts) == [0, 0, 1]

    await kept.send(NextHop("ranked.example", first.port, mx=True))
    assert len(scene._hosts[2].messages) in (1, 11)


@pytest_twisted.ensureDeferred
async def test_idle_connections_are_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit the longest idle one goes."""
    assert MOST_IDLE == 200
    monkeypatch.setattr("twistedmail_mta.deliver.pool.MOST_IDLE", 2)
    kept, hosts = Kept(scene), [scene.host() for _ in range(3)]

    for host in hosts:
        await kept.send(NextHop("127.0.0.1", host.port))
    await hosts[0].sessions[0].gone

    assert [verbs(host)[-1] for host in hosts] == ["QUIT", "DATA", "DATA"]


@pytest_twisted.ensureDeferred
async def test_a_connection_serves_one_source_address(scene: Scene) -> None:
    """What is sent from one of our addresses never leaves over a connection from another."""
    names = ["alpha.example", "beta.example", "gamma.example", "delta.example"]
    addresses = [f"127.0.0.{number}" for number in (3, 4)]
    sources = Sources(map(Source, addresses))
    own = {name: sources.source("127.0.0.1", name) for name in names}
    host, kept = scene.host(), Kept(scene, sources=sources)

    for name in [*names, *names]:
        await kept.send(NextHop("127.0.0.1", host.port), sender_domain=name)

    for session in host.sessions:
        senders = {line.split(b"@")[1].split(b">")[0].decode() for line in session.lines if line.startswith(b"MAIL")}
        assert {own[sender].address for sender in senders} == {session.transport.getPeer().host}
    assert sorted(session.transport.getPeer().host for session in host.sessions) == addresses
