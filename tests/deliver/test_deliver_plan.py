"""Which next hops share a lane, on whose terms, and the shipped table of providers."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_host import DNS_DOWN, Tables
from twisted.internet.defer import Deferred as TwistedDeferred

from twistedmail_mta.deliver.plan import MAX_KNOWN, LanePlan
from twistedmail_mta.deliver.providers import Providers, shipped_providers
from twistedmail_mta.model import MAILBOXES, LaneTerms, NextHop

PROVIDERS = Providers({"google": ["google.com", "googlemail.com"], "ovh": ["ovh.net"]})


class Planner:
    """A plan with tables for a resolver, in a time of its own."""

    def __init__(self, *terms: LaneTerms) -> None:
        self.tables = Tables()
        self.now = 0.0
        self.plan = LanePlan(self.tables, PROVIDERS, terms, lambda: self.now)

    def mx(self, domain: str, *hosts: str, worse: str = "") -> NextHop:
        self.tables.mx_table[domain] = [(10, host) for host in hosts] + ([(20, worse)] if worse else [])
        return NextHop(domain, 25, mx=True)

    def find(self, next_hop: NextHop) -> LaneTerms:
        found: list[Any] = []
        TwistedDeferred.fromCoroutine(self.plan.find(next_hop)).addBoth(found.append)
        assert isinstance(found[0], LaneTerms)
        assert self.plan.known(next_hop) == found[0]
        return found[0]

    def name(self, next_hop: NextHop) -> str:
        return self.find(next_hop).name


def test_equal_mx_sets_share_a_lane() -> None:
    """Domains with the same best hosts go one way, in whatever order the DNS names them."""
    planner = Planner()
    first = planner.name(planner.mx("one.example", "a.host.example", "b.host.example", worse="c.host.example"))
    second = planner.name(planner.mx("two.example", "b.host.example", "a.host.example"))

    assert first == second == "a.host.example,b.host.example"
    assert planner.name(planner.mx("three.example", "a.host.example")) == "a.host.example"


def test_mailboxes_have_a_lane_of_their_own() -> None:
    """No remote host shares it, and the site file may say how many deliveries run there."""
    planner = Planner(LaneTerms("mailbox", concurrency=4))

    assert planner.plan.known(MAILBOXES) == LaneTerms("mailbox", concurrency=4)


def test_provider() -> None:
    """Hosts of one provider share its lane; hosts of two, or only alike in name, don't."""
    planner = Planner()

    assert planner.name(planner.mx("a.example", "aspmx.l.google.com", "alt1.aspmx.l.google.com")) == "google"
    assert planner.name(planner.mx("b.example", "mx.googlemail.com")) == "google"
    assert planner.name(planner.mx("c.example", "mx.google.com", "mx1.ovh.net")) == "mx.google.com,mx1.ovh.net"
    assert planner.name(planner.mx("d.example", "mx.evilgoogle.com")) == "mx.evilgoogle.com"
    assert planner.name(planner.mx("e.example", "google.com.example")) == "google.com.example"


def test_domain_without_mx() -> None:
    """Implicit MX, no domain at all, null MX and a silent DNS are a lane of the domain's own."""
    planner = Planner()
    planner.tables.mx_table |= {"implicit.example": "empty", "null.example": [(0, "")], "down.example": DNS_DOWN}

    for domain in ("implicit.example", "missing.example", "null.example", "down.example"):
        assert planner.name(NextHop(domain, 25, mx=True)) == f"{domain}:25"


def test_explicit_hosts_need_no_question() -> None:
    """Explicit hosts, sockets and address literals are known at once."""
    planner = Planner()
    hops = {
        "relay.example:587": NextHop("Relay.example", 587),
        "192.0.2.1:25": NextHop("192.0.2.1", 25),
        "/run/lmtp": NextHop("/run/lmtp", 0),
        "[192.0.2.1]:25": NextHop("[192.0.2.1]", 25, mx=True),
    }

    for name, hop in hops.items():
        for _ in range(2):
            terms = planner.plan.known(hop)
            assert terms is not None
            assert terms.name == name


def test_answers_age() -> None:
    """After five minutes the DNS is asked again; after one when it had no answer."""
    planner = Planner()
    hop, silent = planner.mx("one.example", "a.example"), NextHop("down.example", 25, mx=True)
    planner.tables.mx_table["down.example"] = DNS_DOWN
    assert planner.plan.known(hop) is None
    planner.find(hop)
    planner.find(silent)

    planner.now = 61
    assert planner.plan.known(hop) is not None
    assert planner.plan.known(silent) is None
    planner.now = 301
    assert planner.plan.known(hop) is None
    planner.mx("one.example", "b.example")
    assert planner.name(hop) == "b.example"


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest answer is forgotten first."""
    assert MAX_KNOWN == 10_000
    monkeypatch.setattr("twistedmail_mta.deliver.plan.MAX_KNOWN", 2)
    planner = Planner()
    hops = [planner.mx(f"{n}.example", f"mx{n}.example") for n in range(3)]
    for hop in hops:
        planner.find(hop)

    assert [planner.plan.known(hop) is None for hop in hops] == [True, False, False]


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("google", True),
        ("google.com", True),
        ("l.google.com", True),
        ("shop.example", True),
        ("example", True),
        ("aspmx.l.google.com", False),
        ("ovh", False),
        ("op.example", False),
    ],
)
def test_terms_by_name(match: str, expected: bool) -> None:
    """Terms are found by the provider, by what all its hosts lie below, or by the recipient's domain."""
    planner = Planner(LaneTerms(match, concurrency=3, messages=7, interval=0.5, pause=9))
    hop = planner.mx("shop.example", "aspmx.l.google.com", "alt1.aspmx.l.google.com")
    planner.mx("shop.example", "aspmx.l.google.com", "alt1.l.google.com")

    usual = LaneTerms("google")
    assert planner.find(hop) == (LaneTerms("google", 3, 7, 0.5, 9) if expected else usual)
    assert planner.plan.messages_of(hop) == (7 if expected else None)


def test_narrowest_terms_count() -> None:
    """A host's own name comes before what stands above it, for explicit hosts too."""
    planner = Planner(LaneTerms("example", concurrency=1), LaneTerms("mx.host.example", concurrency=2))

    assert planner.find(planner.mx("a.test", "mx.host.example")).concurrency == 2
    assert planner.find(planner.mx("b.test", "mx2.host.example")).concurrency == 1
    assert planner.find(NextHop("mx.host.example", 25)).concurrency == 2
    assert planner.plan.messages_of(NextHop("unasked.example", 25, mx=True)) is None


def test_shipped_table() -> None:
    """The table that comes along is in order: names are lower case and none stands twice."""
    shipped = shipped_providers()

    assert shipped.of("alt2.gmail-smtp-in.l.google.com") == "google"
    assert shipped.of("example-com.mail.protection.outlook.com") == "microsoft"
    assert shipped.of("mta5.am0.yahoodns.net") == "yahoo"
    assert shipped.of("mx01.mail.icloud.com") == "icloud"
    assert shipped.of("mxs.mail.ru") == "mailru"
    assert shipped.of("mx-ha02.web.de") == shipped.of("mx00.gmx.net") == "gmx"
    assert shipped.of("mx1.mail.ovh.net") == "ovh"
    assert shipped.of("mail.example.org") is None
    suffixes = list(shipped._owners)
    assert all(suffix == suffix.lower().strip(".") and "." in suffix for suffix in suffixes)
    assert all(name.isalnum() and name.islower() for name in shipped.names - {"1und1"})
