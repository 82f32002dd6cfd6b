"""Message ids grow, whatever the clock does."""

from __future__ import annotations

from itertools import pairwise

import pytest

from twistedmail_mta.spool.ids import EPOCH, MessageIds

NOW = EPOCH + 200_000_000.5


def test_ids_grow_within_a_millisecond() -> None:
    """More ids than a millisecond has room for still differ and grow."""
    ids = MessageIds(lambda: NOW, process=3)

    made = [ids.new() for _ in range(10_000)]

    assert all(earlier < later for earlier, later in pairwise(made))


def test_ids_grow_when_the_clock_steps_back() -> None:
    """An hour back doesn't bring back ids of an hour ago."""
    times = iter([NOW, NOW - 3600, NOW - 3599, NOW + 1])
    ids = MessageIds(lambda: next(times), process=0)

    made = [ids.new() for _ in range(4)]

    assert made == sorted(set(made))


def test_ids_go_on_after_the_greatest_stored() -> None:
    """A store that comes from the future, of another process, is not written over."""
    stored = MessageIds(lambda: NOW + 86_400, process=511).new()

    ids = MessageIds(lambda: NOW, process=0, last=stored)

    assert ids.new() > stored


def test_ids_of_processes_differ() -> None:
    """In the same millisecond no two processes make the same id."""
    made = {MessageIds(lambda: NOW, process).new() for process in range(512)}

    assert len(made) == 512


def test_ids_are_ordered_by_time_and_fit() -> None:
    """They need 63 bits until the year 2159, and sort by when they were made."""
    last_moment = EPOCH + (1 << 42) / 1000 - 1
    early = MessageIds(lambda: NOW, process=511).new()
    late = MessageIds(lambda: last_moment, process=0).new()

    assert 0 < early < late < 1 << 63


@pytest.mark.parametrize("process", [-1, 512])
def test_ids_need_a_process_number_in_range(process: int) -> None:
    """A number that doesn't fit would make another process's ids."""
    with pytest.raises(ValueError):
        MessageIds(lambda: NOW, process)
