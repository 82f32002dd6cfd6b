"""The retry schedule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.model import Reply
from twistedmail_mta.queue.schedule import RetrySchedule, expired
from twistedmail_mta.smtp.meaning import Meaning
from twistedmail_mta.smtp.reply_patterns import Kind

SCHEDULE = RetrySchedule()


def test_waits_are_those_of_the_site_file() -> None:
    """The list first, then half as much again each time, up to the cap."""
    waits = [SCHEDULE.after(attempts, 0, 0.5, is_report=False) for attempts in range(1, 12)]

    assert waits == [300, 600, 1200, 2400, 3600, 5400, 8100, 12_150, 14_400, 14_400, 14_400]


@pytest.mark.parametrize(("spread", "wait"), [(0.0, 270.0), (0.5, 300.0), (1.0, 330.0)])
def test_jitter_is_a_tenth(spread: float, wait: float) -> None:
    """What was deferred together is not retried together."""
    assert SCHEDULE.after(1, 0, spread, is_report=False) == pytest.approx(wait)


@pytest.mark.parametrize(
    ("age", "is_report", "expires"),
    [(431_999, False, False), (432_000, False, True), (86_399, True, False), (86_400, True, True)],
)
def test_lifetimes(age: float, is_report: bool, expires: bool) -> None:
    """Five days for mail, one for reports."""
    assert (SCHEDULE.after(9, age, 0.5, is_report=is_report) is None) == expires


def test_a_list_above_the_cap_never_shrinks() -> None:
    """Waits grow or stay, whatever the site file says."""
    schedule = RetrySchedule(retry=(20_000.0,), cap=100.0)

    assert [schedule.after(n, 0, 0.5, is_report=False) for n in (1, 2, 50)] == [20_000.0] * 3


@settings(derandomize=True, max_examples=200)
@given(st.integers(1, 10**9), st.floats(0, 431_000), st.floats(0, 1))
def test_every_wait_is_sane(attempts: int, age: float, spread: float) -> None:
    """No number of attempts overflows."""
    wait = SCHEDULE.after(attempts, age, spread, is_report=False)

    assert wait is not None
    assert 270 <= wait <= 14_400 * 1.1


@pytest.mark.parametrize(("age", "due"), [(0, 0), (14_399, 0), (14_400, 1), (86_399, 1), (86_400, 2), (10**6, 2)])
def test_warnings_due(age: float, due: int) -> None:
    """One warning after four hours, one more after a day."""
    assert SCHEDULE.warnings_due(age) == due


def test_expiry_tells_the_last_answer() -> None:
    """The sender learns why it went on for so long."""
    assert str(expired(Reply(450, "4.2.0", "busy"))) == (
        "554 5.4.7 Delivery time expired; the last attempt met: 450 4.2.0 busy"
    )


def wait(meaning: Meaning, attempts: int = 1, spread: float = 0.5) -> float:
    seconds = SCHEDULE.after(attempts, 0, spread, is_report=False, meaning=meaning)
    assert seconds is not None
    return seconds


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("attempts", "hint"), [(1, 60.0), (1, 299.0), (1, 3600.0), (5, 300.0), (9, 14_400.0)])
def test_greylisted_mail_goes_at_the_time_named(attempts: int, hint: float, spread: float) -> None:
    """Not before the host's own time, at most a tenth later, however long the usual wait is."""
    assert hint <= wait(Meaning("greylisted", hint), attempts, spread) <= hint * 1.1


@pytest.mark.parametrize(
    ("attempts", "hint", "seconds"),
    [(1, 1.0, 25.0), (9, 1.0, 1200.0), (1, 86_400.0, 3600.0), (4, 86_400.0, 14_400.0)],
)
def test_hints_have_bounds(attempts: int, hint: float, seconds: float) -> None:
    """A host can't make us come every second for days, nor put its mail off for a day."""
    assert wait(Meaning("greylisted", hint), attempts, 0.0) == seconds
    assert wait(Meaning("throttled", hint), attempts, 0.0) >= seconds


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_greylisting_without_a_time(spread: float) -> None:
    """The usual wait, never less: most hosts want their five minutes in full."""
    assert wait(Meaning("greylisted"), 1, spread) == pytest.approx(300 * (1 + spread / 10))


@pytest.mark.parametrize(("hint", "least"), [(10.0, 270.0), (1800.0, 1800.0)])
def test_other_hints_only_lengthen_the_wait(hint: float, least: float) -> None:
    """Who is busy is not tried before the time named, nor sooner than usual."""
    assert wait(Meaning("throttled", hint), 1, 0.0) == least


@given(st.integers(1, 50), st.floats(1, 86_400), st.floats(0, 1), st.sampled_from(["greylisted", "throttled", "full"]))
@settings(derandomize=True, max_examples=200)
def test_no_hint_leaves_the_bounds(attempts: int, hint: float, spread: float, kind: Kind) -> None:
    """Whatever a host says, the wait stays within a twelfth and twelve times the usual one, and the jitter."""
    usual = wait(Meaning("other"), attempts)

    assert usual / 12 <= wait(Meaning(kind, hint), attempts, spread) <= usual * 12 * 1.1
