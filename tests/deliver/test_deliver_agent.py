"""The delivery agent against hosts that misbehave at every stage, over real sockets."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from scripted_host import DNS_DOWN, DROP, HEADER, Scene, message_to
from zope.interface import implementer

from twistedmail_mta.deliver.pool import Reuse
from twistedmail_mta.interfaces import IDeliveryAgent
from twistedmail_mta.model import (
    MAILBOXES,
    Deferred,
    Delivered,
    Failed,
    InlineBody,
    NextHop,
    Outcome,
    RelayLogin,
    Reply,
    Unconfirmed,
    Withdrawn,
)

STUFFED = HEADER + b"..a dot\r\nand the end\r\n"


def brief(outcomes: Any) -> list[tuple[type[Outcome], int, str]]:
    return [(type(outcome), outcome.reply.code, outcome.reply.status) for outcome in outcomes]


@pytest_twisted.ensureDeferred
async def test_delivery(scene: Scene) -> None:
    """A message goes out octet for octet, to each recipient, in few writes."""
    host = scene.host(answers={"RCPT": [b"250 ok\r\n", b"550 5.1.1 nobody\r\n", b"450 4.2.1 later\r\n"]})

    outcomes = await scene.deliver(message_to("bob", "eve", "joe"), NextHop("127.0.0.1", host.port))

    assert outcomes == [
        Delivered(Reply(250, "2.0.0", "ok"), "127.0.0.1 [127.0.0.1]"),
        Failed(Reply(550, "5.1.1", "nobody"), "127.0.0.1 [127.0.0.1]"),
        Deferred(Reply(450, "4.2.1", "later"), "127.0.0.1 [127.0.0.1]"),
    ]
    assert host.messages == [STUFFED]
    await host.sessions[0].gone
    assert host.commands[-1] == b"QUIT"
    assert len(host.sessions) == 1


@pytest_twisted.ensureDeferred
async def test_refused_connection(scene: Scene) -> None:
    """Where nobody listens, the mail waits."""
    host = scene.host()
    port = host.port
    await scene.close()
    scene._ports.clear()

    outcomes = await scene.deliver(message_to("bob", "eve"), NextHop("127.0.0.1", port))

    assert outcomes == [Deferred(Reply(451, "4.4.1", "The host refuses connections"), "127.0.0.1 [127.0.0.1]")] * 2


def two_hosts(scene: Scene, first: dict[str, Any], second: dict[str, Any]) -> tuple[Any, Any, NextHop]:
    """Start the better and the worse MX host of example.net on one port."""
    better = scene.host("127.0.0.2", answers=first)
    worse = scene.host("127.0.0.3", better.port, answers=second)
    scene.tables.mx_table["example.net"] = [(20, "b.example.net"), (10, "a.example.net")]
    scene.tables.address_table |= {"a.example.net": ["127.0.0.2"], "b.example.net": ["127.0.0.3"]}
    return better, worse, NextHop("example.net", better.port, mx=True)


@pytest.mark.parametrize(
    "first",
    [
        {"GREETING": b"554 no\r\n"},
        {"EHLO": DROP},
        {"MAIL": b"451 later\r\n"},
        {"RCPT": b"450 x\r\n"},
        {"DATA": DROP},
        {"END": b"452 full\r\n"},
        {"MAIL": b"421 bye\r\n"},
    ],
)
@pytest_twisted.ensureDeferred
async def test_next_host_after_a_temporary_failure(scene: Scene, first: dict[str, Any]) -> None:
    """What one host defers, or can't be asked, another may take (RFC 5321 section 5.1)."""
    better, worse, next_hop = two_hosts(scene, first, {})

    outcomes = await scene.deliver(message_to("bob"), next_hop)

    assert outcomes == [Delivered(Reply(250, "2.0.0", "ok"), "b.example.net [127.0.0.3]")]
    assert len(better.sessions) == 1
    assert worse.messages == [STUFFED]


@pytest.mark.parametrize("first", [{"RCPT": b"550 no\r\n"}, {"END": DROP}, {"END": b"554 no\r\n"}])
@pytest_twisted.ensureDeferred
async def test_no_other_host_after_an_answer(scene: Scene, first: dict[str, Any]) -> None:
    """A permanent refusal is an answer, and a message that may have arrived isn't sent again at once."""
    _better, worse, next_hop = two_hosts(scene, first, {})

    outcomes = await scene.deliver(message_to("bob"), next_hop)

    assert type(outcomes[0]) in (Failed, Unconfirmed)
    assert not worse.sessions


@pytest_twisted.ensureDeferred
async def test_only_the_deferred_go_to_the_next_host(scene: Scene) -> None:
    """Outcomes are kept in order while hosts change."""
    better, worse, next_hop = two_hosts(scene, {"RCPT": [b"250 ok\r\n", b"450 later\r\n", b"550 no\r\n"]}, {})

    outcomes = await scene.deliver(message_to("bob", "eve", "joe"), next_hop)

    assert [type(outcome) for outcome in outcomes] == [Delivered, Delivered, Failed]
    assert [line for line in worse.commands if line.startswith(b"RCPT")] == [b"RCPT TO:<eve@example.net>"]
    assert len(better.messages) == 1


@pytest_twisted.ensureDeferred
async def test_what_a_host_said_outweighs_silence(scene: Scene) -> None:
    """A greylisting is not hidden by a backup host that is down."""
    better = scene.host("127.0.0.2", answers={"RCPT": b"450 4.7.1 greylisted\r\n"})
    scene.tables.mx_table["example.net"] = [(10, "a.example.net"), (20, "b.example.net")]
    scene.tables.address_table |= {"a.example.net": ["127.0.0.2"], "b.example.net": ["127.0.0.9"]}

    outcomes = await scene.deliver(message_to("bob"), NextHop("example.net", better.port, mx=True))

    assert brief(outcomes) == [(Deferred, 450, "4.7.1")]


@pytest_twisted.ensureDeferred
async def test_at_most_two_sessions(scene: Scene) -> None:
    """A third host isn't bothered in the same attempt."""
    addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    first = scene.host(addresses[0], answers={"RCPT": b"450 x\r\n"})
    others = [scene.host(address, first.port, answers={"RCPT": b"450 x\r\n"}) for address in addresses[1:]]
    scene.tables.address_table["relay.example.net"] = addresses

    outcomes = await scene.deliver(message_to("bob"), NextHop("relay.example.net", first.port))

    assert brief(outcomes) == [(Deferred, 450, "")]
    assert sum(len(host.sessions) for host in (first, *others)) == 2


@pytest_twisted.ensureDeferred
async def test_dns_says_no(scene: Scene) -> None:
    """What the DNS says is everybody's outcome: never, or not now."""
    scene.tables.mx_table["broken.example"] = DNS_DOWN

    missing = await scene.deliver(message_to("bob", "eve"), NextHop("missing.example", 25, mx=True))
    broken = await scene.deliver(message_to("bob"), NextHop("broken.example", 25, mx=True))

    assert brief(missing) == [(Failed, 550, "5.1.2")] * 2
    assert brief(broken) == [(Deferred, 451, "4.4.3")]


@pytest_twisted.ensureDeferred
async def test_withdrawn_just_before_mail(scene: Scene) -> None:
    """An operator's hold counts until MAIL is said, and the session ends in order when nobody is left."""
    host = scene.host()
    asked: list[str] = []

    def wanted(recipient: Any) -> bool:
        asked.append(recipient.address.local)
        assert any(line.startswith(b"EHLO") for line in host.commands)
        assert not any(line.startswith(b"MAIL") for line in host.commands)
        return recipient.address.local == "bob"

    outcomes = await scene.deliver(message_to("bob", "eve"), NextHop("127.0.0.1", host.port), wanted)
    nobody = await scene.deliver(message_to("eve"), NextHop("127.0.0.1", host.port), lambda _: False)

    assert [type(outcome) for outcome in outcomes] == [Delivered, Withdrawn]
    assert nobody == [Withdrawn()]
    assert asked == ["bob", "eve"]
    await host.sessions[1].gone
    assert host.sessions[1].lines == [b"EHLO mail.example.org", b"QUIT"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b"na\xc3\xafve\r\n", (Failed, 554, "5.6.3")), (b"naive\r\n", (Delivered, 250, "2.0.0"))],
)
@pytest_twisted.ensureDeferred
async def test_eight_bit_text_needs_a_host_for_it(scene: Scene, body: bytes, expected: Any) -> None:
    """BODY=8BITMIME over 7-bit text needs no 8-bit host; real 8-bit text does (RFC 6152 section 3)."""
    host = scene.host(extensions=("PIPELINING",))
    message = message_to("bob", body=InlineBody(body), eight_bit=True)

    outcomes = await scene.deliver(message, NextHop("127.0.0.1", host.port))

    assert brief(outcomes) == [expected]


@pytest_twisted.ensureDeferred
async def test_login(scene: Scene) -> None:
    """A login in clear happens only where the route says so, with the password read for it."""
    host = scene.host(extensions=("AUTH PLAIN",))
    login = RelayLogin("relay", "env:X")

    clear = await scene.deliver(message_to("bob"), NextHop("127.0.0.1", host.port, tls="none", login=login))
    careful = await scene.deliver(message_to("bob"), NextHop("127.0.0.1", host.port, login=login))

    assert brief(clear) == [(Delivered, 250, "2.0.0")]
    assert b"AUTH PLAIN AHJlbGF5AHNlY3JldCBvZiBlbnY6WA==" in host.sessions[0].lines
    assert brief(careful) == [(Deferred, 451, "4.7.11")]


@pytest_twisted.ensureDeferred
async def test_unreadable_password(scene: Scene) -> None:
    """A password that can't be read delays mail; the host isn't even called."""
    host = scene.host()

    def unreadable(_source: str) -> str:
        raise PermissionError(13, "Permission denied")

    scene.secret = unreadable
    outcomes = await scene.deliver(
        message_to("bob"), NextHop("127.0.0.1", host.port, login=RelayLogin("relay", "file:/nowhere"))
    )

    assert brief(outcomes) == [(Deferred, 451, "4.3.5")]
    assert not host.sessions


@pytest_twisted.ensureDeferred
async def test_delivery_on_this_host_is_left_to_others(scene: Scene) -> None:
    """To the agent of that kind, unchanged; no host is looked for."""
    outcome = Delivered(Reply(250, "2.0.0", "Delivered"))
    calls: list[tuple[Any, ...]] = []

    @implementer(IDeliveryAgent)
    class Local:
        async def deliver(self, *arguments: Any) -> list[Outcome]:
            calls.append(arguments)
            return [outcome]

    message = message_to("bob")
    recipients = message.envelope.recipients
    agent = scene.agent(Reuse(), {"mailbox": Local()})

    assert await agent.deliver(message, recipients, MAILBOXES, lambda _: True) == [outcome]
    assert calls[0][:3] == (message, recipients, MAILBOXES)
