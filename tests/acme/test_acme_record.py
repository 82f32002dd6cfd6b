"""When an authority may be asked again: growing pauses, limits that no operator gets past, renewal in time."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from twistedmail_mta.acme.record import (
    LEAST_PAUSE,
    MOST_FAILED,
    MOST_ISSUED,
    PAUSES,
    UNFINISHED,
    Record,
    as_object,
    begun,
    believable,
    from_object,
    issued,
    opens_at,
    refused,
    renews_at,
)

DAY = 86400.0
URL = "https://ca.test/dir"


def failing(until: float, spread: float = 0.0) -> list[float]:
    """Return the times of all attempts of a server that fails each time, and asks as soon as it may."""
    record, now, times = Record(), 0.0, []
    while now <= until:
        times.append(now)
        record = refused(begun(record, now, spread), "no")
        now = opens_at(record, asked=False)
    return times


def test_pauses_grow_up_to_a_day() -> None:
    """From a minute on; never longer than a day, but for the jitter."""
    gaps = [later - earlier for earlier, later in pairwise(failing(30 * DAY))]

    assert gaps[: len(PAUSES)] == list(PAUSES)
    assert set(gaps[len(PAUSES) :]) == {DAY}
    assert all(a <= b for a, b in pairwise(gaps))


def test_jitter_only_lengthens() -> None:
    """Hosts that failed together come back apart, none sooner."""
    for even, odd in zip(failing(10 * DAY), failing(10 * DAY, spread=1.0), strict=False):
        assert even <= odd <= 1.1 * even + 1


def test_never_five_failures_in_an_hour() -> None:
    """Whatever an operator does: after five, Let's Encrypt doesn't listen for an hour."""
    record, now, times = Record(), 0.0, []
    while now <= DAY:
        times.append(now)
        record = refused(begun(record, now, 0.0), "no")
        now = opens_at(record, asked=True)

    assert all(sum(at - 3600 < other <= at for other in times) <= MOST_FAILED for at in times)
    assert times[1] == LEAST_PAUSE


def test_never_five_certificates_in_a_week() -> None:
    """Nor more equal certificates than that authority gives."""
    record, now, times = Record(), 0.0, []
    while now <= 30 * DAY:
        times.append(now)
        record = issued(record, URL, now)
        now = max(now + 1, opens_at(record, asked=True))

    assert all(sum(at - 7 * DAY < other <= at for other in times) <= MOST_ISSUED for at in times)


def test_an_attempt_has_failed_until_it_succeeds() -> None:
    """So that a server that dies in the middle, and is started again and again, asks no more often."""
    record = begun(Record(URL, (5.0,)), 100.0, 0.0)

    assert (record.error, record.failed, opens_at(record, asked=False)) == (UNFINISHED, (100.0,), 100.0 + PAUSES[0])
    assert issued(record, URL, 101.0) == Record(URL, (5.0, 101.0))


@pytest.mark.parametrize("days", [6, 47, 90, 398])
@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
def test_renewal_before_a_third_is_left(days: float, spread: float) -> None:
    """A little sooner for each certificate, never later, and never right after it was issued."""
    due = renews_at(0.0, days * DAY, spread)

    assert 0.6 * days * DAY < due <= days * DAY * 2 / 3 + 1


def test_what_is_remembered_is_bounded() -> None:
    """However often it fails."""
    record = Record()
    for at in range(1000):
        record = begun(issued(record, URL, at), at, 0.0)
    for at in range(1000):
        record = begun(record, at, 0.0)

    assert max(len(record.issued), len(record.failed)) == 20


def test_clocks_that_are_set_back_a_little() -> None:
    """Change nothing: attempts go on being counted."""
    record = begun(Record(), 1000.0, 0.0)

    assert believable(record, 990.0) == record
    assert believable(record, -1000.0) == Record(error=UNFINISHED)


def test_there_and_back() -> None:
    """What is written is what is read."""
    record = Record(URL, (1.5, 2.0), (3.0,), "why", 4.0)

    assert from_object(json.loads(json.dumps(as_object(record)))) == record


@pytest.mark.parametrize("value", [None, [], {}, {"directory": URL}, {**as_object(Record()), "failed": ["x"]}])
def test_what_is_no_record(value: object) -> None:
    """A file that somebody else wrote is none."""
    assert from_object(value) == Record()
