"""Rates of numbers that only grow."""

from __future__ import annotations

import pytest

from twistedmail_mta.observe.rates import SPANS, Growth, Rates


def test_nothing_is_known_at_first() -> None:
    """Before two samples there is no rate, and nothing to divide by."""
    rates = Rates()
    assert rates.grown(10.0) == Growth(0.0, {})
    assert rates.grown(10.0).per_second("accepted") is None
    assert rates.last() == {}

    rates.note(5.0, {"accepted": 3})
    assert rates.grown(10.0) == Growth(0.0, {"accepted": 0})
    assert rates.last() == {"accepted": 3}


@pytest.mark.parametrize("span", SPANS.values())
def test_each_span_has_its_own_growth(span: float) -> None:
    """A number that began to grow faster a short time ago has grown less over the longer spans."""
    rates, total = Rates(), 0
    for second in range(1000):
        total += 1 if second < 950 else 100
        rates.note(float(second), {"accepted": total})

    growth = rates.grown(span)

    quick = min(span, 50)
    assert growth == Growth(span, {"accepted": quick * 100 + (span - quick)})
    assert growth.per_second("accepted") == (quick * 100 + (span - quick)) / span


def test_a_young_server_tells_of_its_whole_life() -> None:
    """The time that is divided by is no longer than what was seen."""
    rates = Rates()
    for second in range(5):
        rates.note(float(second), {"accepted": second * 2})

    assert rates.grown(300.0) == Growth(4.0, {"accepted": 8})


def test_a_number_that_comes_later_began_with_nothing() -> None:
    """Such as that of a listener that had no client yet."""
    rates = Rates()
    rates.note(0.0, {})
    rates.note(1.0, {"late": 4})

    assert rates.grown(10.0) == Growth(1.0, {"late": 4})


def test_uneven_samples() -> None:
    """After a stall of the reactor the time between two samples is the real one."""
    rates = Rates()
    for at in (0.0, 1.0, 2.0, 30.0, 31.0):
        rates.note(at, {"accepted": at})

    assert rates.grown(10.0) == Growth(1.0, {"accepted": 1.0})


def test_ratio() -> None:
    """Such as seconds for each write; where nothing was written there is none."""
    growth = Growth(10.0, {"waited": 3.0, "writes": 6, "idle": 0})

    assert growth.ratio("waited", "writes") == 0.5
    assert growth.ratio("waited", "idle") is None
    assert growth.ratio("waited", "unheard of") is None


def test_samples_are_bounded() -> None:
    """A server that runs for long keeps those of five minutes."""
    rates = Rates()
    for second in range(100_000):
        rates.note(float(second), {})

    assert len(rates._samples) == 301
