"""Naming the lanes of domains for an operator, in a bounded time."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from twistedmail_mta.deliver.lane_names import WITHIN, lane_names
from twistedmail_mta.deliver.router import Router, RouteRule
from twistedmail_mta.interfaces import ILanePlan
from twistedmail_mta.model import Discard, LaneTerms, NextHop


@implementer(ILanePlan)
class Plan:
    """Knows a domain once it was asked about; some answers never come."""

    def __init__(self, slow: set[str]) -> None:
        self.slow = slow
        self.names: dict[str, LaneTerms] = {}

    def known(self, next_hop: NextHop) -> LaneTerms | None:
        return self.names.get(next_hop.host)

    async def find(self, next_hop: NextHop) -> LaneTerms:
        if next_hop.host in self.slow:
            await Deferred()
        return self.names.setdefault(next_hop.host, LaneTerms(f"lane of {next_hop.host}"))


def named(clock: Clock, *domains: str, slow: set[str] | None = None) -> list[Any]:
    rules = [RouteRule(("fixed.test",), NextHop("relay.test", 25)), RouteRule(("void.test",), Discard())]
    router = Router(rules, NextHop("", 25, mx=True))
    results: list[Any] = []
    names = lane_names(domains, router, Plan(slow or set()), clock)
    Deferred.fromCoroutine(names).addBoth(results.append)
    return results


def test_what_goes_by_mx_is_named() -> None:
    """Routes with a host of their own, and those that lead nowhere, have no MX hosts to ask about."""
    assert named(Clock(), "a.test", "fixed.test", "void.test", "b.test") == [
        {"a.test": "lane of a.test", "b.test": "lane of b.test"}
    ]


def test_slow_answers_are_not_waited_for() -> None:
    """After some seconds what is known by then is told, and nothing goes on asking."""
    clock = Clock()
    results = named(clock, "slow.test", "a.test", slow={"slow.test"})
    assert results == []

    clock.advance(WITHIN)

    assert results == [{"a.test": "lane of a.test"}]
    assert clock.getDelayedCalls() == []
