"""What is said of TLS on the way out."""

from __future__ import annotations

import pytest

from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.deliver.demand import Demand
from twistedmail_mta.deliver.target import Target
from twistedmail_mta.explain.ways import _host, _level
from twistedmail_mta.model import NextHop

RECORD = TLSA(3, 1, 1, bytes(32))
BY_MX = NextHop("else.test", 25, mx=True)


def target(demand: Demand | None) -> Target:
    return Target("mx.else.test", "192.0.2.7", 25, demand=demand)


@pytest.mark.parametrize(
    ("demand", "words", "level"),
    [
        (None, None, "opportunistic"),
        (Demand("MTA-STS"), "MTA-STS: a certificate of its name", "MTA-STS"),
        (
            Demand("MTA-STS", is_strict=False),
            "MTA-STS: a certificate of its name, which is only tested",
            "MTA-STS (testing)",
        ),
        (Demand("DANE", (RECORD,)), "DANE: a certificate that its 1 TLSA record means", "DANE"),
        (Demand("DANE", (RECORD, RECORD)), "DANE: a certificate that one of its 2 TLSA records means", "DANE"),
        (Demand("DANE"), "DANE: TLS with anybody, for its records are of no use", "DANE"),
    ],
)
def test_what_a_host_has_to_show(demand: Demand | None, words: str | None, level: str) -> None:
    """In a sentence for people, in a word for tests."""
    assert _host(target(demand))["demands"] == words
    assert _level(BY_MX, [target(demand)]) == level


def test_hosts_that_differ() -> None:
    """Both are said where some hosts have records, and a policy names the others."""
    assert _level(BY_MX, [target(Demand("MTA-STS")), target(Demand("DANE", (RECORD,)))]) == "DANE and MTA-STS"


def test_what_the_route_says() -> None:
    """Where nobody else demands anything."""
    assert _level(NextHop("a.test", 465, implicit_tls=True), []) == "implicit"
    assert _level(NextHop("a.test", 25, tls="required"), []) == "required"
