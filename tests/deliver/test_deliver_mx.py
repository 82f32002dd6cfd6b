"""The hosts of a next hop: one table of names for each rule."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from scripted_host import DNS_DOWN, Tables
from twisted.internet.defer import Deferred

from twistedmail_mta.deliver.mx import Hosts
from twistedmail_mta.deliver.networks import FORBIDDEN, Reach, reach
from twistedmail_mta.errors import MailError, PermanentError, TemporaryError
from twistedmail_mta.model import NextHop
from twistedmail_mta.networks import is_in, parse_networks

DOMAIN = NextHop("example.net", 25, mx=True)
US = reach(["Mail.Example.ORG."], ["203.0.113.5", "2001:db8::5"], [])


def found(
    mx: Any, addresses: dict[str, Any], next_hop: NextHop = DOMAIN, who: Reach = US, seed: int = 1
) -> list[str] | MailError:
    """Return the targets as text, or what was raised."""
    tables = Tables({"example.net": mx}, addresses)
    results: list[Any] = []
    deferred = Deferred.fromCoroutine(Hosts(tables, who, Random(seed)).targets(next_hop))
    deferred.addCallbacks(results.append, lambda failure: results.append(failure.value))
    (result,) = results
    return result if isinstance(result, MailError) else [str(target) for target in result]


def refusal(kind: type[MailError], status: str, *arguments: Any, **options: Any) -> None:
    error = found(*arguments, **options)
    assert type(error) is kind
    assert error.reply.status == status


def test_best_preference_first() -> None:
    """Hosts are tried in the order of their preference, not of the answer."""
    records = [(30, "c.example"), (10, "a.example"), (20, "b.example")]
    hosts = {"a.example": ["192.0.2.1"], "b.example": ["192.0.2.2"], "c.example": ["192.0.2.3"]}

    assert found(records, hosts) == ["a.example [192.0.2.1]", "b.example [192.0.2.2]", "c.example [192.0.2.3]"]


def test_equal_preference_is_shuffled() -> None:
    """Hosts of equal preference share the load (RFC 5321 section 5.1)."""
    records = [(10, "a.example"), (10, "b.example"), (20, "c.example")]
    hosts = {"a.example": ["192.0.2.1"], "b.example": ["192.0.2.2"], "c.example": ["192.0.2.3"]}

    firsts = Counter(found(records, hosts, seed=seed)[0] for seed in range(50))
    lasts = Counter(found(records, hosts, seed=seed)[-1] for seed in range(50))

    assert min(firsts["a.example [192.0.2.1]"], firsts["b.example [192.0.2.2]"]) > 10
    assert lasts == {"c.example [192.0.2.3]": 50}


def test_both_families_take_turns() -> None:
    """Neither family hides the other within the five addresses of an attempt, and either may be first."""
    many = [f"192.0.2.{number}" for number in range(10)] + [f"2001:db8:1::{number}" for number in range(1, 10)]

    runs = [found([(10, "a.example")], {"a.example": many}, seed=seed) for seed in range(20)]

    assert {len(run) for run in runs} == {5}
    assert {sum(":" in target for target in run) for run in runs} == {2, 3}


def test_implicit_mx() -> None:
    """A domain without MX records is its own host (RFC 5321 section 5.1)."""
    assert found("empty", {"example.net": ["192.0.2.1"]}) == ["example.net [192.0.2.1]"]


def test_null_mx() -> None:
    """A domain that takes no mail says so (RFC 7505 section 3)."""
    error = found([(0, "")], {"example.net": ["192.0.2.1"]})

    assert isinstance(error, PermanentError)
    assert (error.reply.code, error.reply.status) == (556, "5.1.10")


def test_null_mx_among_others_is_no_host() -> None:
    """The root among real hosts is passed over."""
    assert found([(0, ""), (10, "a.example")], {"a.example": ["192.0.2.1"]}) == ["a.example [192.0.2.1]"]


def test_missing_domain() -> None:
    """NXDOMAIN is for ever."""
    refusal(PermanentError, "5.1.2", "missing", {})


def test_domain_without_any_host() -> None:
    """A domain that exists, without MX and without an address, can get no mail."""
    refusal(PermanentError, "5.1.2", "empty", {"example.net": "empty"})


@pytest.mark.parametrize("hosts", [{}, {"a.example": "empty"}])
def test_mx_without_addresses(hosts: dict[str, Any]) -> None:
    """MX records that lead nowhere are somebody's mistake, and can be mended."""
    refusal(TemporaryError, "4.4.4", [(10, "a.example")], hosts)


def test_dns_that_does_not_answer() -> None:
    """No answer is no reason to give up: for the domain, or for every host of it."""
    refusal(TemporaryError, "4.4.3", DNS_DOWN, {})
    refusal(TemporaryError, "4.4.3", [(10, "a.example"), (20, "b.example")], {"a.example": DNS_DOWN})
    refusal(TemporaryError, "4.4.3", "empty", {"example.net": DNS_DOWN})


def test_one_host_without_answer() -> None:
    """Another host may do, and so may the other family."""
    hosts = {"a.example": DNS_DOWN, "b.example": {"A": ["192.0.2.2"], "AAAA": "empty"}}

    assert found([(10, "a.example"), (20, "b.example")], hosts) == ["b.example [192.0.2.2]"]


HOSTS = {"a.example": ["192.0.2.1"], "b.example": ["192.0.2.2"], "mail.example.org": ["192.0.2.9"]}


@pytest.mark.parametrize("worse", [(20, "b.example"), (30, "b.example")])
def test_our_name_ends_the_list(worse: tuple[int, str]) -> None:
    """We and every host not better than us are dropped (RFC 5321 section 5.1)."""
    records = [worse, (20, "mail.example.org"), (10, "a.example")]

    assert found(records, HOSTS) == ["a.example [192.0.2.1]"]


@pytest.mark.parametrize("own", ["203.0.113.5", "2001:db8::5", "::ffff:203.0.113.5"])
def test_our_address_ends_the_list(own: str) -> None:
    """Under whatever name we stand there."""
    hosts = {**HOSTS, "alias.example": [own, "192.0.2.77"]}

    assert found([(10, "a.example"), (20, "alias.example"), (30, "b.example")], hosts) == ["a.example [192.0.2.1]"]


@pytest.mark.parametrize(
    ("records", "hosts"),
    [
        ([(10, "mail.example.org"), (20, "a.example")], HOSTS),
        ([(10, "alias.example"), (10, "a.example")], {**HOSTS, "alias.example": ["203.0.113.5"]}),
        ("empty", {"example.net": ["203.0.113.5"]}),
    ],
)
def test_loop(records: Any, hosts: dict[str, Any]) -> None:
    """Mail whose best host is us can't be sent on."""
    refusal(PermanentError, "5.4.6", records, hosts)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1", "255.255.255.255", "::1", "::"]  # noqa: RUF005
    + ["fe80::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.1.1", "::127.0.0.1"],
)
def test_forbidden_addresses(address: str) -> None:
    """MX records of strangers lead to no loopback, link-local, multicast address, nor to one in disguise."""
    refusal(PermanentError, "5.4.4", [(10, "a.example")], {"a.example": [address]})
    assert found([(10, "a.example")], {"a.example": [address, "192.0.2.1"]}) == ["a.example [192.0.2.1]"]


def test_allowed_networks() -> None:
    """What the site file allows is a target, even if it is forbidden or ours."""
    allowing = Reach(own_addresses=frozenset({"127.0.0.5"}), allowed=parse_networks(["127.0.0.0/8", "::1"]))
    hosts = {"a.example": ["127.0.0.5"], "b.example": ["::1"], "c.example": ["169.254.0.1"]}
    records = [(10, "a.example"), (20, "b.example"), (30, "c.example")]

    assert found(records, hosts, who=allowing) == ["a.example [127.0.0.5]", "b.example [::1]"]


def test_private_networks_are_targets() -> None:
    """An intranet's MX records are fine."""
    assert found([(10, "a.example")], {"a.example": ["10.0.0.1"]}) == ["a.example [10.0.0.1]"]
    assert not is_in("fd00::1", FORBIDDEN)


@pytest.mark.parametrize(("literal", "address"), [("[192.0.2.1]", "192.0.2.1"), ("[IPv6:2001:db8::1]", "2001:db8::1")])
def test_address_literals(literal: str, address: str) -> None:
    """A literal is its own host (RFC 5321 section 4.1.3)."""
    assert found([], {}, next_hop=NextHop(literal, 25, mx=True)) == [f"{address} [{address}]"]


@pytest.mark.parametrize(
    ("literal", "status"), [("[127.0.0.1]", "5.4.4"), ("[203.0.113.5]", "5.4.6"), ("[x-tag:y]", "5.1.2")]
)
def test_address_literals_that_lead_nowhere(literal: str, status: str) -> None:
    """The rules for addresses hold for literals too."""
    refusal(PermanentError, status, [], {}, next_hop=NextHop(literal, 25, mx=True))


def test_explicit_hosts_may_be_anywhere() -> None:
    """The site file's own routes are exempt from every rule for strangers' records."""
    assert found([], {}, next_hop=NextHop("127.0.0.1", 26)) == ["127.0.0.1 [127.0.0.1]"]
    assert found([], {}, next_hop=NextHop("::1", 26)) == ["::1 [::1]"]
    assert found([], {"relay": ["127.0.0.1"]}, next_hop=NextHop("relay", 26)) == ["relay [127.0.0.1]"]


@pytest.mark.parametrize(("answer", "status"), [("missing", "4.4.4"), ("empty", "4.4.4"), (DNS_DOWN, "4.4.3")])
def test_explicit_host_without_address(answer: Any, status: str) -> None:
    """A mistake in the site file or its DNS bounces nothing."""
    refusal(TemporaryError, status, [], {"relay": answer}, next_hop=NextHop("relay", 25))


def test_many_hosts() -> None:
    """A domain with a thousand hosts costs a bounded number of questions."""
    records = [(10, f"h{number}.example") for number in range(1000)]
    asked: list[str] = []

    class Counting(Tables):
        async def addresses(self, host: str, family: str) -> Any:
            asked.append(host)
            return await super().addresses(host, family)

    hosts = Hosts(Counting({"example.net": records}, {}), US, Random(1))
    Deferred.fromCoroutine(hosts.targets(DOMAIN)).addErrback(lambda failure: failure.trap(TemporaryError))

    assert len(asked) == 40


@pytest.mark.parametrize(("prefers", "first"), [(4, {False}), (6, {True}), (None, {False, True})])
def test_preferred_family(prefers: Any, first: set[bool]) -> None:
    """The preferred family goes first at each host, and the other still has its turn."""
    seen = set()
    for seed in range(20):
        tables = Tables(
            {"example.net": [(10, "a.example")]},
            {"a.example": [f"192.0.2.{n}" for n in range(1, 7)] + [f"2001:db8:1::{n}" for n in range(1, 7)]},
        )
        results: list[Any] = []
        hosts = Hosts(tables, US, Random(seed), prefers)
        Deferred.fromCoroutine(hosts.targets(DOMAIN)).addCallback(results.append)
        families = [":" in target.address for target in results[0]]
        assert families[:2] in ([True, False], [False, True])
        seen.add(families[0])

    assert seen == first
