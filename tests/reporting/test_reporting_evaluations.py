"""What DMARC finds, counted: in batches, bounded, and never lost but by a crash."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from reporting_kit import BANK, CASE, DAY, Counting
from reports_made import cases, published

from twistedmail_mta.dmarc.report import Case, Published
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Reply
from twistedmail_mta.reporting import dmarc_rows, evaluations
from twistedmail_mta.reporting.dmarc_form import case_of, case_text, published_of, published_text
from twistedmail_mta.reporting.dmarc_rows import FORGET_CASES, forget_some
from twistedmail_mta.reporting.evaluations import Evaluations
from twistedmail_mta.reporting.waiting import WRITE_AFTER
from twistedmail_mta.tasks import Promise, Task

FULL = TemporaryError(Reply(452, "4.3.1", "disk full"))


def run(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run what never waits."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


def test_counted_and_written_in_a_batch() -> None:
    """Nothing is written at once; what is alike is one row, also across batches."""
    counting = Counting()
    for _ in range(3):
        counting.note()
    counting.note("192.0.2.2")
    counting.note(domain="other.test")
    assert counting.counts() == {}

    counting.clock.advance(WRITE_AFTER)
    assert counting.counts() == {"bank.test": {"192.0.2.1": 3, "192.0.2.2": 1}, "other.test": {"192.0.2.1": 1}}

    counting.note()
    counting.clock.advance(WRITE_AFTER)
    assert counting.counts()["bank.test"]["192.0.2.1"] == 4


def test_a_stop_writes() -> None:
    """A restart loses nothing."""
    counting = Counting()
    counting.note()
    run(counting.evaluations.stop())
    counting.clock.advance(3600)

    after = Counting(counting.around)
    after.note()
    run(after.evaluations.stop())
    assert counting.counts() == {"bank.test": {"192.0.2.1": 2}}


def test_days_are_those_of_utc() -> None:
    """A message counts for the day that it came on, though it is written later."""
    counting = Counting()
    counting.clock.advance((DAY + 1) * 86400 - counting.around.now() - 1)
    counting.note()
    counting.clock.advance(2)
    counting.note("192.0.2.2")
    counting.clock.advance(WRITE_AFTER)

    assert counting.counts(DAY) == {"bank.test": {"192.0.2.1": 1}}
    assert counting.counts(DAY + 1) == {"bank.test": {"192.0.2.2": 1}}


def test_the_last_policy_counts() -> None:
    """A report is about the policy that was seen last (RFC 9990 section 3.1.1)."""
    counting = Counting()
    counting.note()
    counting.clock.advance(WRITE_AFTER)
    changed = Published("bank.test", "none")
    counting.evaluations.note(changed, CASE, False)
    counting.clock.advance(WRITE_AFTER)

    assert published_of(counting.kept().published) == changed


def test_reports_alone_are_no_reason_to_report() -> None:
    """Else two hosts would tell each other of their reports for ever; beside other mail they are counted."""
    counting = Counting()
    counting.note(is_report=True)
    counting.clock.advance(WRITE_AFTER)
    assert counting.due() == []

    counting.note("192.0.2.2")
    counting.clock.advance(WRITE_AFTER)
    assert counting.counts() == {"bank.test": {"192.0.2.1": 1, "192.0.2.2": 1}}


def test_what_cannot_be_written_is_kept() -> None:
    """It is tried again, and counted once."""
    counting = Counting()
    counting.note()
    counting.around.database.failure = FULL
    counting.clock.advance(WRITE_AFTER)
    counting.note()
    counting.clock.advance(WRITE_AFTER)
    counting.around.database.failure = None
    counting.clock.advance(WRITE_AFTER)

    assert counting.counts() == {"bank.test": {"192.0.2.1": 2}}


class Slow:
    """A database whose writes end when a test says so."""

    def __init__(self) -> None:
        self.writes: list[Promise[None]] = []

    async def write(self, function: Any, urgent: bool = False, size: int = 0) -> None:
        self.writes.append(Promise())
        await self.writes[-1]


def test_what_is_on_its_way_is_waited_for() -> None:
    """Whoever lays a day out has to find all of it in the database, also what another coroutine writes just then."""
    counting, database = Counting(), Slow()
    waiting: Any = database
    evaluations = Evaluations(waiting, counting.clock, counting.around.now)
    evaluations.note(BANK, CASE, False)
    counting.clock.advance(WRITE_AFTER)
    kept = Task("test", evaluations.keep())

    assert len(database.writes) == 1
    assert not kept.done
    database.writes[0].resolve(None)
    assert kept.done


def test_a_stop_while_nothing_can_be_written() -> None:
    """The server ends all the same, and leaves no timer."""
    counting = Counting()
    counting.note()
    counting.around.database.failure = FULL
    run(counting.evaluations.stop())

    assert counting.clock.getDelayedCalls() == []


def test_many_cases_are_written_in_pieces() -> None:
    """No write is so large that the reactor has to put much into words; nothing gets lost between them."""
    counting = Counting()
    for number in range(230):
        counting.note(f"192.0.2.{number}")
        counting.note(domain=f"d{number}.test")
    counting.clock.advance(WRITE_AFTER)

    counts = counting.counts()
    assert sum(counts["bank.test"].values()) == 230
    assert counting.due(most=1) == ["bank.test"]
    assert (
        sum(number for each in counting.around.database.rows("SELECT mails FROM dmarc_day") for number in each) == 460
    )


def test_bounded_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What there is no room for is counted as left out; what is known goes on being counted."""
    monkeypatch.setattr(evaluations, "MOST_WAITING", 3)
    counting = Counting()
    for number in range(5):
        counting.note(f"192.0.2.{number}")
    counting.note("192.0.2.0")
    counting.note(domain="late.test")
    counting.clock.advance(WRITE_AFTER)

    assert counting.counts() == {"bank.test": {"192.0.2.0": 2, "192.0.2.1": 1, "192.0.2.2": 1}}
    assert counting.kept().left_out == 2
    counting.note("192.0.2.9")
    counting.clock.advance(WRITE_AFTER)
    assert counting.counts()["bank.test"]["192.0.2.9"] == 1


def test_bounded_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day has so many domains, and a domain so many rows."""
    monkeypatch.setattr(dmarc_rows, "MOST_CASES", 2)
    monkeypatch.setattr(dmarc_rows, "MOST_DOMAINS", 2)
    counting = Counting()
    for number in range(4):
        counting.note(f"192.0.2.{number}")
    for number in range(3):
        counting.note(domain=f"d{number}.test")
    counting.clock.advance(WRITE_AFTER)

    assert counting.counts() == {"bank.test": {"192.0.2.0": 1, "192.0.2.1": 1}, "d0.test": {"192.0.2.1": 1}}
    assert counting.kept().left_out == 2


def test_old_days_are_forgotten() -> None:
    """Rows and all; those of later days stay."""
    counting = Counting()
    counting.note()
    counting.clock.advance(86400)
    counting.note()
    counting.clock.advance(WRITE_AFTER)
    run(counting.around.database.write(lambda tx: forget_some(tx, DAY + 1)))

    assert counting.counts(DAY) == {}
    assert counting.counts(DAY + 1) == {"bank.test": {"192.0.2.1": 1}}
    assert counting.around.database.rows("SELECT count(*) FROM dmarc_case") == [(1,)]


def test_forgetting_looks_at_what_goes() -> None:
    """It is done each minute, so it must not look through all that stays."""
    counting = Counting()
    plan = [row[3] for row in counting.around.database.rows(f"EXPLAIN QUERY PLAN {FORGET_CASES}", 0, 1)]
    assert any("SEARCH" in step for step in plan)
    assert not [step for step in plan if step.startswith("SCAN")]


@given(cases, published)
def test_texts_of_rows(case: Case, policy: Published) -> None:
    """What is read is what was written, but for the scope of SPF, which is always the same here."""
    if case.sender is not None:
        case = replace(case, sender=replace(case.sender, scope="mfrom"))
    assert case_of(case_text(case)) == case
    assert published_of(published_text(policy)) == policy
    assert case_text(case).isascii()
