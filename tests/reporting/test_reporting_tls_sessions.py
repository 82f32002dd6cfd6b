"""TLS sessions on their way into the database: in time, within bounds, none lost to trouble that passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from reporting_lab import DAY, DOWN, TODAY
from twisted.internet.task import Clock

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.reporting import tls_rows
from twistedmail_mta.reporting.tls_rows import Entry
from twistedmail_mta.reporting.tls_sessions import AT_ONCE, MOST_WAITING, TLSSessions
from twistedmail_mta.reporting.waiting import WRITE_AFTER
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.tasks import Promise, Task
from twistedmail_mta.tls_report.report import Failure, Failures, Policy, Results

NONE = Policy("no-policy-found", "example.net")
EXPIRED = Failure("certificate-expired", "192.0.2.1", "mx.example.net", "192.0.2.2")
NO_TLS = Failure("starttls-not-supported", "192.0.2.1", "mx.example.net", "192.0.2.2")


class Database:
    """A real one, which can be down, and be slow."""

    def __init__(self, path: Path) -> None:
        self.rows = SyncDatabase(path)
        self.is_down = False
        self.slow: Promise[None] | None = None
        self.writes = 0
        self.largest = 0

    async def write(self, function: Callable[[Transaction], Any], urgent: bool = False, size: int = 0) -> Any:
        if self.is_down:
            raise DOWN
        self.writes += 1
        self.largest = max(self.largest, _size(function.keywords["entries"]))  # type: ignore[attr-defined]
        if self.slow is not None:
            await self.slow
        return self.rows.write(function)


def _size(entries: Sequence[Entry]) -> int:
    return sum(len(entry.policy) + sum(len(text) for text, _ in entry.failures) for entry in entries)


class Lab:
    """A counter with a clock that begins at midnight, UTC."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.database = Database(folder / "mta.db")
        self.sessions = TLSSessions(self.database, self.clock, self.now)  # type: ignore[arg-type]

    def now(self) -> float:
        return TODAY * DAY + self.clock.seconds()

    def results(self, day: int = TODAY, domain: str = "example.net") -> tuple[Results, ...]:
        return self.database.rows.read(lambda tx: tls_rows.results_of(tx, day, domain))

    def domains(self) -> list[str]:
        return self.database.rows.read(lambda tx: tls_rows.domains_of(tx, TODAY, 10_000))


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.database.rows.close()


def test_written_soon(lab: Lab) -> None:
    """Sessions are in the database within half a minute, all of a time in one write."""
    for failure in (None, EXPIRED, None, EXPIRED, NO_TLS):
        lab.sessions.note("example.net", NONE, failure)
    lab.clock.advance(WRITE_AFTER - 1)
    early = lab.results()
    lab.clock.advance(1)

    assert early == ()
    assert lab.results() == (Results(NONE, 2, 3, (Failures(EXPIRED, 2), Failures(NO_TLS, 1))),)
    assert lab.database.writes == 1
    assert not lab.clock.getDelayedCalls()


def test_added_up(lab: Lab) -> None:
    """What comes later is added to what is there."""
    for _ in range(3):
        lab.sessions.note("example.net", NONE, EXPIRED)
        lab.sessions.note("example.net", NONE, None)
        lab.clock.advance(WRITE_AFTER)

    assert lab.results() == (Results(NONE, 3, 3, (Failures(EXPIRED, 3),)),)


def test_days_and_policies_apart(lab: Lab) -> None:
    """A session belongs to the day it was on, though it is written on the next."""
    sts = Policy("sts", "example.net", ("version: STSv1",), ("mx.example.net",))
    lab.clock.advance(DAY - 1)
    lab.sessions.note("example.net", NONE, None)
    lab.sessions.note("example.net", sts, None)
    lab.clock.advance(1)
    lab.sessions.note("example.net", NONE, None)
    lab.clock.advance(WRITE_AFTER)

    assert lab.results() == (Results(NONE, 1), Results(sts, 1))
    assert lab.results(TODAY + 1) == (Results(NONE, 1),)


def test_database_down(lab: Lab) -> None:
    """What can't be written is tried again, and nothing is lost or counted twice."""
    lab.database.is_down = True
    lab.sessions.note("example.net", NONE, EXPIRED)
    lab.clock.advance(WRITE_AFTER)
    lab.sessions.note("example.net", NONE, None)
    lab.clock.advance(WRITE_AFTER)
    lab.database.is_down = False
    lab.clock.advance(WRITE_AFTER)

    assert lab.results() == (Results(NONE, 1, 1, (Failures(EXPIRED, 1),)),)
    assert not lab.clock.getDelayedCalls()


def test_stop(lab: Lab) -> None:
    """Nothing is lost when the server stops, and no timer is left."""
    lab.sessions.note("example.net", NONE, None)

    assert Task("test", lab.sessions.stop()).done
    assert lab.results() == (Results(NONE, 1),)
    assert not lab.clock.getDelayedCalls()


def test_keep_waits_for_what_is_on_its_way(lab: Lab) -> None:
    """Who asks for all of a day gets what another write has taken already, too."""
    lab.database.slow = Promise()
    lab.sessions.note("example.net", NONE, None)
    lab.clock.advance(WRITE_AFTER)
    keeping = Task("test", lab.sessions.keep())
    waited = not keeping.done
    lab.database.slow.resolve(None)

    assert waited
    assert keeping.done
    assert lab.results() == (Results(NONE, 1),)


def test_bounded_in_memory(lab: Lab) -> None:
    """What is in memory has a bound, however many domains there are; when it is written, counting goes on."""
    lab.database.is_down = True
    many = 3 * MOST_WAITING // 600
    for number in range(many):
        lab.sessions.note(f"d{number}.example", NONE, None)
    lab.database.is_down = False
    lab.clock.advance(WRITE_AFTER)
    written = len(lab.domains())
    lab.sessions.note("example.net", NONE, None)
    lab.clock.advance(WRITE_AFTER)

    assert 0 < written < many / 2
    assert lab.results() == (Results(NONE, 1),)


def test_written_in_pieces(lab: Lab) -> None:
    """A write has little that the reactor's thread has to put into words, whatever others publish; none is lost."""
    hosts = tuple(f"{number:03}.{'a' * 60}.{'b' * 60}.example" for number in range(256))
    long = Policy("sts", "example.net", tuple(f"mx: {host}" for host in hosts), hosts)
    for number in range(30):
        lab.sessions.note(f"d{number}.example", long, None)
    for number in range(3000):
        lab.sessions.note("example.net", NONE, Failure("validation-failure", receiving_ip=str(number), reason="r" * 99))
        lab.sessions.note("example.org", long, Failure("validation-failure", receiving_ip=str(number % 120)))
    lab.sessions.note("example.net", NONE, None)
    lab.clock.advance(WRITE_AFTER)
    (results,), (others,) = lab.results(), lab.results(domain="example.org")

    assert lab.database.largest < 2 * AT_ONCE
    assert len(lab.domains()) == 32
    assert (results.successful, results.failed) == (1, 3000)
    assert (others.failed, len(others.failures)) == (3000, 120)
    lab.clock.advance(WRITE_AFTER)
    assert lab.results() == (results,)


def test_bounded_in_the_database(lab: Lab) -> None:
    """One domain takes few rows: further policies are counted as one, further failures in the sum alone."""
    for number in range(1000):
        lab.sessions.note("example.net", Policy("tlsa", "mx.example.net", (f"3 1 1 {number}",)), None)
        lab.sessions.note("example.net", NONE, Failure("validation-failure", receiving_ip=str(number)))
    lab.clock.advance(WRITE_AFTER)
    results = lab.results()
    details = next(each for each in results if each.policy == NONE)

    assert len(results) <= tls_rows.MOST_POLICIES + 2
    assert sum(each.successful for each in results) == 1000
    assert details.failed == 1000
    assert len(details.failures) == tls_rows.MOST_DETAILS


def test_bounded_in_a_day(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day takes so many domains; those that are there go on being counted, and the next day begins anew."""
    monkeypatch.setattr(tls_rows, "MOST_A_DAY", 3)
    for _ in range(2):
        for number in range(5):
            lab.sessions.note(f"d{number}.example", NONE, EXPIRED)
        lab.clock.advance(WRITE_AFTER)
    lab.clock.advance(DAY)
    lab.sessions.note("d4.example", NONE, None)
    lab.clock.advance(WRITE_AFTER)

    assert lab.domains() == ["d0.example", "d1.example", "d2.example"]
    assert lab.results(domain="d2.example") == (Results(NONE, 0, 2, (Failures(EXPIRED, 2),)),)
    assert lab.results(TODAY + 1, "d4.example") == (Results(NONE, 1),)


def test_most_used_first(lab: Lab) -> None:
    """If there are too many domains, those with most sessions are told."""
    for domain, sessions in (("a.example", 1), ("b.example", 3), ("c.example", 2)):
        for _ in range(sessions):
            lab.sessions.note(domain, NONE, None)
    lab.clock.advance(WRITE_AFTER)

    assert lab.database.rows.read(lambda tx: tls_rows.domains_of(tx, TODAY, 2)) == ["b.example", "c.example"]


def test_forgotten(lab: Lab) -> None:
    """Old days go, some rows at a time, with their failures; new ones stay."""
    for number in range(1200):
        lab.sessions.note(f"d{number}.example", NONE, EXPIRED)
    lab.clock.advance(DAY)
    lab.sessions.note("example.net", NONE, None)
    lab.clock.advance(WRITE_AFTER)
    rounds = 1
    while lab.database.rows.write(lambda tx: tls_rows.forget(tx, TODAY + 1)):
        rounds += 1

    assert rounds == 3
    assert lab.domains() == []
    assert lab.results(TODAY + 1) == (Results(NONE, 1),)
    assert lab.database.rows.read(lambda tx: list(tx.execute("SELECT count(*) FROM tls_failure"))) == [(0,)]
