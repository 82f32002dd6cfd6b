"""Forwarded mail on its way out: which sender it leaves with, and what becomes of it all the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred as TwistedDeferred
from twisted.internet.task import Clock
from zope.interface import implementer
from zope.interface.verify import verifyObject

from twistedmail_mta.composition.settings import appearance_of
from twistedmail_mta.config.load import parse_site
from twistedmail_mta.deliver.forwarding import PATIENCE, Appearance, ForwardedSenders, ForwardingAgent
from twistedmail_mta.deliver.sources import Source
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDeliveryAgent, IResolver
from twistedmail_mta.model import (
    MAILBOXES,
    NULL_PATH,
    Address,
    Answer,
    Deferred,
    Delivered,
    Envelope,
    InlineBody,
    Message,
    MXRecord,
    NextHop,
    Origin,
    Outcome,
    Recipient,
    Reply,
)
from twistedmail_mta.tasks import Promise

OK, LATER = Reply(250, "2.0.0", "ok"), Reply(451, "4.3.0", "later")
MX = NextHop("far.test", 25, mx=True)
JOE = Address("joe", "strangers.test")
V4, V6 = Source("192.0.2.1"), Source("2001:db8::1", "six.home.test")
BOTH = Appearance("mail.home.test", (V4, V6))


@implementer(IDeliveryAgent)
class Agent:
    """Delivers to all but those that a test names."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[str]]] = []
        self.messages: list[Message] = []
        self.outcomes: dict[str, Outcome] = {}

    async def deliver(
        self, message: Message, recipients: Sequence[Recipient], next_hop: NextHop, wanted: Callable[[Recipient], bool]
    ) -> Sequence[Outcome]:
        self.sent.append((str(message.envelope.sender), [str(each.address) for each in recipients]))
        self.messages.append(message)
        return [self.outcomes.get(each.address.local, Delivered(OK, each.address.local)) for each in recipients]


class Paths:
    """Rewrites visibly."""

    def __init__(self) -> None:
        self.broken: TemporaryError | None = None

    async def rewritten(self, sender: Address, domain: str) -> Address:
        if self.broken is not None:
            raise self.broken
        return Address(f"SRS0={sender.domain}={sender.local}", domain)


@implementer(IResolver)
class Zone:
    """TXT records; one that is an error is raised, of a name that isn't there nothing is heard."""

    def __init__(self, texts: Mapping[str, bytes | TemporaryError]) -> None:
        self.known = texts
        self.asked: list[str] = []

    async def texts(self, name: str) -> Answer[bytes]:
        self.asked.append(name)
        if name == "silent.test":
            await Promise[None]()
        found = self.known.get(name)
        if isinstance(found, TemporaryError):
            raise found
        return Answer((found,), "found", False) if found is not None else Answer((), "missing", False)

    async def mx(self, domain: str) -> Answer[MXRecord]:
        return Answer((), "missing", False)

    async def addresses(self, host: str, family: str) -> Answer[str]:
        return Answer((), "missing", False)

    async def host_names(self, address: str) -> Answer[str]:
        return Answer((), "missing", False)


ZONE: dict[str, bytes | TemporaryError] = {
    "passes.test": b"v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all",
    "half.test": b"v=spf1 ip4:192.0.2.1 -all",
    "softfails.test": b"v=spf1 ~all",
    "neutral.test": b"v=spf1 ?all",
    "broken.test": b"v=spf1 nonsense",
    "down.test": TemporaryError(LATER),
    "helo.test": b"v=spf1 ip4:192.0.2.1 exists:%{h}.ok.test -all",
}


class Way:
    """An agent with fakes around it."""

    def __init__(self, appearance: Appearance | None = BOTH, domain: str | None = None) -> None:
        self.inner, self.paths, self.zone, self.clock = Agent(), Paths(), Zone(ZONE), Clock()
        self.hosted = {"home.test", "srs.test", "other.test"}
        senders = ForwardedSenders(
            self.paths, lambda name: name in self.hosted, self.zone, self.clock, appearance, domain
        )  # fmt: skip
        self.agent = ForwardingAgent(self.inner, senders)

    def begin(self, sender: Address, *recipients: Recipient, next_hop: NextHop = MX) -> list[Any]:
        envelope = Envelope(sender, recipients, envid="id")
        message = Message(7, envelope, b"Subject: x\r\n\r\n", InlineBody(b"Hello\r\n"), Origin("ESMTP"), 0.0)
        results: list[Any] = []
        coroutine: Any = self.agent.deliver(message, recipients, next_hop, lambda _: True)
        TwistedDeferred.fromCoroutine(coroutine).addBoth(results.append)
        return results

    def deliver(self, sender: Address, *recipients: Recipient, next_hop: NextHop = MX) -> Sequence[Outcome]:
        (outcomes,) = self.begin(sender, *recipients, next_hop=next_hop)
        assert isinstance(outcomes, list), outcomes
        return outcomes


def to(local: str, forwarded_by: str | None = "home.test") -> Recipient:
    return Recipient(Address(local, "far.test"), forwarded_by=forwarded_by)


@pytest.fixture
def way() -> Way:
    return Way()


def test_other_mail_is_left_alone(way: Way) -> None:
    """What no alias sends on goes to the agent as it came, and nobody is asked."""
    assert verifyObject(IDeliveryAgent, way.agent)
    assert way.deliver(JOE, to("bob", None), to("eve", None)) == [Delivered(OK, "bob"), Delivered(OK, "eve")]

    assert way.inner.sent == [("joe@strangers.test", ["bob@far.test", "eve@far.test"])]
    assert way.zone.asked == []


@pytest.mark.parametrize(
    ("domain", "stays"),
    [
        ("passes.test", True),
        ("half.test", False),
        ("softfails.test", False),
        ("neutral.test", False),
        ("broken.test", False),
        ("down.test", False),
        ("nothing.test", False),
    ],
)
def test_only_pass_lets_it_stay(way: Way, domain: str, stays: bool) -> None:
    """From every address that the next hop may see; what isn't known is no permission."""
    way.deliver(Address("joe", domain), to("bob"))

    sender = f"joe@{domain}" if stays else f"SRS0={domain}=joe@home.test"
    assert way.inner.sent == [(sender, ["bob@far.test"])]


def test_silence_of_the_dns_ends(way: Way) -> None:
    """In its time, and the mail goes on with another sender."""
    results = way.begin(Address("joe", "silent.test"), to("bob"))
    way.clock.advance(PATIENCE - 1)
    assert results == []

    way.clock.advance(1)

    assert results == [[Delivered(OK, "bob")]]
    assert way.inner.sent == [("SRS0=silent.test=joe@home.test", ["bob@far.test"])]


def test_names_of_addresses_are_said() -> None:
    """A record that asks for our name in EHLO is held against the name that goes with the address."""
    way = Way(Appearance("mail.home.test", (V6,)))
    asked: list[str] = []

    async def addresses(host: str, family: str) -> Answer[str]:
        asked.append(host)
        return Answer(("127.0.0.2",), "found", False)

    way.zone.addresses = addresses  # type: ignore[method-assign]

    way.deliver(Address("joe", "helo.test"), to("bob"))

    assert asked == ["six.home.test.ok.test"]
    assert way.inner.sent[0][0] == "joe@helo.test"


@pytest.mark.parametrize("appearance", [None, Appearance("mail.home.test")])
def test_always(appearance: Appearance | None) -> None:
    """Where the site file says so, or our addresses aren't known, SPF has no say."""
    way = Way(appearance)

    way.deliver(Address("joe", "passes.test"), to("bob"))

    assert way.inner.sent == [("SRS0=passes.test=joe@home.test", ["bob@far.test"])]


@pytest.mark.parametrize("sender", [NULL_PATH, Address("ann", "home.test"), Address("SRS0=forged=x=y=z", "other.test")])
def test_reports_and_our_own_senders_stay(way: Way, sender: Address) -> None:
    """A report must go on as one (RFC 5321 section 4.5.5); our own domains answer for themselves."""
    way.deliver(sender, to("bob"))

    assert way.inner.sent == [(str(sender), ["bob@far.test"])]
    assert way.zone.asked == []


@pytest.mark.parametrize(
    ("next_hop", "sender"),
    [
        (MAILBOXES, "joe@passes.test"),
        (NextHop("/run/lmtp", 0, lmtp=True), "joe@passes.test"),
        (NextHop("relay.test", 587), "SRS0=passes.test=joe@home.test"),
        (NextHop("127.0.0.1", 10024, is_filter=True), "joe@passes.test"),
    ],
)
def test_where_it_goes(way: Way, next_hop: NextHop, sender: str) -> None:
    """Nobody looks at SPF on this host; behind an explicit relay it is the relay that is looked at, which isn't known.

    What a filter has is on its way to others, from here.
    """
    way.deliver(Address("joe", "passes.test"), to("bob"), next_hop=next_hop)

    assert way.inner.sent == [(sender, ["bob@far.test"])]


def test_a_filter_gets_the_new_sender(way: Way) -> None:
    """When the filter gives the mail back, nobody knows any more that an alias sent it on."""
    way.deliver(JOE, to("bob"), next_hop=NextHop("/run/filter", 0, is_filter=True))

    assert way.inner.sent[0][0] == "SRS0=strangers.test=joe@home.test"


def test_each_alias_has_its_own_domain(way: Way) -> None:
    """A transaction for each sender; outcomes come in the order of the recipients, whoever they are with."""
    way.inner.outcomes["eve"] = Deferred(LATER)

    outcomes = way.deliver(JOE, to("bob"), to("dan", None), to("eve", "other.test"), to("fay"))

    assert outcomes == [Delivered(OK, "bob"), Delivered(OK, "dan"), Deferred(LATER), Delivered(OK, "fay")]
    assert way.inner.sent == [
        ("SRS0=strangers.test=joe@home.test", ["bob@far.test", "fay@far.test"]),
        ("joe@strangers.test", ["dan@far.test"]),
        ("SRS0=strangers.test=joe@other.test", ["eve@far.test"]),
    ]
    assert {each.envelope.envid for each in way.inner.messages} == {"id"}


def test_one_domain_for_all() -> None:
    """The site file may name it; while it isn't hosted, that of the alias serves, and without any the sender stays."""
    way = Way(domain="srs.test")

    way.deliver(JOE, to("bob"))
    way.hosted.remove("srs.test")
    way.deliver(JOE, to("bob"))
    way.hosted.clear()
    way.deliver(JOE, to("bob"))

    assert [sender for sender, _ in way.inner.sent] == [
        "SRS0=strangers.test=joe@srs.test",
        "SRS0=strangers.test=joe@home.test",
        "joe@strangers.test",
    ]


def test_what_cannot_be_kept_waits(way: Way) -> None:
    """Those who need the new sender; others have their mail."""
    way.paths.broken = TemporaryError(LATER)

    assert way.deliver(JOE, to("bob"), to("dan", None)) == [Deferred(LATER), Delivered(OK, "dan")]
    assert way.inner.sent == [("joe@strangers.test", ["dan@far.test"])]


SITE = (
    'config_version = 1\n[server]\nhostname = "mail.home.test"\nstate_dir = "/tmp/x"\nadmin = "a@home.test"\n{}'
    '[listen.mx]\nendpoint = "tcp:25"\nrole = "mx"\n{}'
)


@pytest.mark.parametrize(
    ("server", "rest", "sources"),
    [
        ("", "", (Source("8.8.8.8"),)),
        ('addresses = ["192.0.2.7"]\n', "", (Source("192.0.2.7"),)),
        (
            'addresses = ["192.0.2.7"]\n',
            '[outbound]\nsource_addresses = ["192.0.2.1", { address = "2001:db8::1", ehlo = "six.home.test" }]\n',
            (V4, V6),
        ),
    ],
)
def test_how_others_see_us(server: str, rest: str, sources: tuple[Source, ...]) -> None:
    """What the site file says of connections comes before what it says of us, that before where we listen."""
    site = parse_site(SITE.format(server, rest), Path("/etc/mta"), "mta.toml")

    assert appearance_of(site, ["10.0.0.1", "127.0.0.1", "8.8.8.8"]) == Appearance("mail.home.test", sources)


class Marks:
    """Seals visibly, for all domains but one."""

    async def sealed(self, message: Message, domain: str) -> Message:
        if domain == "other.test":
            raise TemporaryError(LATER)
        return replace(message, header=f"Sealed: {domain}\r\n".encode() + message.header)


@pytest.mark.parametrize("rewrites", [True, False])
def test_forwards_are_sealed(way: Way, rewrites: bool) -> None:
    """Each by the domain of its alias, whether or not it has another sender; what can't be sealed now waits."""
    way.agent._sealing = Marks()  # type: ignore[assignment]
    if not rewrites:
        way.agent._senders = None

    outcomes = way.deliver(
        JOE, to("bob"), to("dan", None), to("eve", "other.test"), to("fay", "srs.test"), to("gus"),
    )  # fmt: skip

    assert [type(each) for each in outcomes] == [Delivered, Delivered, Deferred, Delivered, Delivered]
    first_lines = [each.header.partition(b"\r\n")[0] for each in way.inner.messages]
    assert list(zip(first_lines, [names for _, names in way.inner.sent], strict=True)) == [
        (b"Sealed: home.test", ["bob@far.test", "gus@far.test"]),
        (b"Subject: x", ["dan@far.test"]),
        (b"Sealed: srs.test", ["fay@far.test"]),
    ]
    assert way.inner.sent[0][0] == ("SRS0=strangers.test=joe@home.test" if rewrites else "joe@strangers.test")


@pytest.mark.parametrize(
    "next_hop", [MAILBOXES, NextHop("/run/lmtp", 0, lmtp=True), NextHop("127.0.0.1", 10024, is_filter=True)]
)
def test_what_is_not_sealed(way: Way, next_hop: NextHop) -> None:
    """What stays here has nobody to tell; what a filter gets, it may change."""
    way.agent._sealing = Marks()  # type: ignore[assignment]

    way.deliver(JOE, to("bob"), next_hop=next_hop)

    assert way.inner.messages[0].header == b"Subject: x\r\n\r\n"
