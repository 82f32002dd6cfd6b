"""What DANE and MTA-STS cost a delivery: finding a domain's hosts from a warm cache, and judging a certificate.

PYTHONPATH=.:tests python tests/bench/demand_costs.py
"""

# ruff: noqa: T201 - it prints

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import dns.rdata
from chain_made import made
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from twisted.internet.task import Clock

from twistedmail_mta.cli.offline import ImmediateDatabase, finished
from twistedmail_mta.deliver.dane import DANE
from twistedmail_mta.deliver.demands import Demands
from twistedmail_mta.deliver.mx import Hosts
from twistedmail_mta.deliver.networks import Reach
from twistedmail_mta.deliver.sts import STS
from twistedmail_mta.dns.cache import Cache
from twistedmail_mta.dns.codec import Question, Response
from twistedmail_mta.dns.resolver import Resolver
from twistedmail_mta.model import NextHop
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.tasks import TaskGroup
from twistedmail_mta.tls.by_records import problem_of

ROUNDS = 3000
LEAF = made("mx.example.net")
RECORD = LEAF.record(3)
ANSWERS = {
    ("example.net", "MX"): "10 mx.example.net.",
    ("mx.example.net", "A"): "192.0.2.1",
    ("_25._tcp.mx.example.net", "TLSA"): f"3 1 1 {RECORD.data.hex()}",
}


class Upstream:
    """Knows one domain."""

    def __init__(self, *, signed: bool, has_records: bool = True) -> None:
        self._signed = signed
        self._has_records = has_records

    async def ask(self, question: Question) -> Response:
        text = ANSWERS.get((question.name, question.rdtype.name))
        if text is None or (question.rdtype == RdataType.TLSA and not self._has_records):
            return Response("empty", ttl=900, authentic=self._signed, size=100)
        record = dns.rdata.from_text(IN, question.rdtype, text)
        return Response("found", (record,), ttl=900, authentic=self._signed, size=100)


class Validates:
    """A resolver that does."""

    async def holds(self) -> bool:
        return True

    def look(self) -> None:
        """It is known."""


def hosts(folder: Path, *, signed: bool, dane: bool, sts: bool, has_records: bool = True) -> Hosts:
    """Return what finds the hosts of a domain."""
    clock = Clock()
    resolver = Resolver(Upstream(signed=signed, has_records=has_records), Cache(clock.seconds))
    database: Any = ImmediateDatabase(SyncDatabase(folder / "mta.db"))
    web: Any = None
    policies = STS(resolver, web, database, clock, time.time, TaskGroup()) if sts else None
    demands = Demands(DANE(resolver, Validates()) if dane else None, policies)
    return Hosts(resolver, Reach(), Random(1), demands=demands)


def microseconds(call: Callable[[], object]) -> float:
    """Return the CPU time of a call, the best of five series."""
    call()
    best = 1e9
    for _ in range(5):
        begun = time.process_time()
        for _ in range(ROUNDS):
            call()
        best = min(best, time.process_time() - begun)
    return best / ROUNDS * 1e6


def main() -> None:
    next_hop = NextHop("example.net", 25, mx=True)
    cases: dict[str, dict[str, bool]] = {
        "neither": {"signed": False, "dane": False, "sts": False},
        "DANE on, domain not signed": {"signed": False, "dane": True, "sts": False},
        "DANE on, signed, no TLSA": {"signed": True, "dane": True, "sts": False, "has_records": False},
        "DANE on, TLSA": {"signed": True, "dane": True, "sts": False},
        "both on, not signed, no policy": {"signed": False, "dane": True, "sts": True},
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, options in cases.items():
            made_hosts = hosts(Path(folder), **options)
            cost = microseconds(lambda: finished(made_hosts.targets(next_hop)))  # noqa: B023 - called at once
            print(f"{name:32} {cost:7.1f} us")
    authority = made("authority", is_authority=True)
    leaf = made("mx", authority, names=["mx.example.net"])
    names = ["mx.example.net"]
    own = microseconds(lambda: problem_of(LEAF.der, [], [RECORD], names))
    above = microseconds(lambda: problem_of(leaf.der, [authority.der], [authority.record(2)], names))
    print(f"{'certificate, DANE-EE':32} {own:7.1f} us\n{'certificate, DANE-TA':32} {above:7.1f} us")


if __name__ == "__main__":
    main()
