"""What it costs to count a TLS session, and to write the counts of a thousand domains, both threads together.

PYTHONPATH=. python tests/bench/tls_session_costs.py
"""

# ruff: noqa: T201 - it prints

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock

from twistedmail_mta.cli.offline import ImmediateDatabase
from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.deliver.demand import Demand
from twistedmail_mta.deliver.target import Target
from twistedmail_mta.deliver.tls_results import came_to_tls, failure_of, policy_of
from twistedmail_mta.model import NextHop
from twistedmail_mta.reporting.tls_sessions import TLSSessions
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.tasks import Task

ROUNDS = 200_000
RECORDS = tuple(TLSA(3, 1, 1, bytes([each] * 32)) for each in range(2))
DANE = Demand("DANE", RECORDS, ("mx.example.net",), "mx.example.net", published=RECORDS)
HOP = NextHop("example.net", 25, mx=True)


def session(*, encrypted: bool) -> Any:
    """Return what is looked at of a connection that was made."""
    state = SimpleNamespace(encrypted=encrypted, is_unproven=False, lacks_tls=not encrypted, failure=None)
    security = SimpleNamespace(proven=True, fault=None, problem="")
    return SimpleNamespace(session=state, security=security, own_address="192.0.2.1")


def count(sessions: TLSSessions, protocol: Any, target: Target) -> None:
    """Do what a dialer does."""
    if came_to_tls(protocol.session):
        sessions.note(HOP.host, policy_of(HOP, target.demand), failure_of(protocol, target))


def microseconds(call: Callable[[], None], rounds: int = ROUNDS) -> float:
    """Return the CPU time of a call."""
    began = time.process_time()
    for _ in range(rounds):
        call()
    return (time.process_time() - began) / rounds * 1e6


def main() -> None:
    """Measure, and print."""
    with TemporaryDirectory() as folder:
        database: Any = ImmediateDatabase(SyncDatabase(Path(folder) / "mta.db"))
        sessions = TLSSessions(database, Clock(), time.time)
        plain, demanding = (Target("mx.example.net", "192.0.2.2", 25, demand=each) for each in (None, DANE))
        good, clear = session(encrypted=True), session(encrypted=False)
        for name, protocol, target in (
            ("success, no policy", good, plain),
            ("success, DANE", good, demanding),
            ("failure", clear, plain),
        ):
            print(f"{name:20} {microseconds(lambda p=protocol, t=target: count(sessions, p, t)):6.2f} us")
        for number in range(1000):
            sessions.note(f"d{number}.example", policy_of(NextHop(f"d{number}.example", 25, mx=True), None), None)
        began = time.process_time()
        Task("bench", sessions.keep())
        print(f"{'1000 domains written':20} {(time.process_time() - began) * 1e3:6.2f} ms")


if __name__ == "__main__":
    main()
