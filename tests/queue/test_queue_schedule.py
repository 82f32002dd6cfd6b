"""The retry schedule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.model import Reply
from twistedmail_mta.queue.schedule import RetrySchedule, expired

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
