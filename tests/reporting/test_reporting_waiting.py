"""What waits to be written: one write at a time, also where whoever asked for it has gone."""

from __future__ import annotations

import pytest
from reporting_lab import DOWN
from twisted.internet.task import Clock

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.reporting.waiting import WRITE_AFTER, Waiting
from twistedmail_mta.tasks import Promise, Task


class Numbers:
    """Numbers that are counted, and a place for them where each write ends when a test says so."""

    def __init__(self) -> None:
        self.waiting: list[int] = []
        self.writes: list[tuple[int, Promise[None]]] = []

    def take(self) -> int | None:
        return self.waiting.pop(0) if self.waiting else None

    def put_back(self, piece: int) -> None:
        self.waiting.append(piece)

    async def write(self, piece: int) -> None:
        ended: Promise[None] = Promise()
        self.writes.append((piece, ended))
        await ended


def test_one_write_at_a_time() -> None:
    """Who asks while something is written is told when that is over, and what came since, too."""
    numbers, clock = Numbers(), Clock()
    rows = Waiting("test", clock, numbers)
    numbers.waiting = [1, 2]
    rows.note()
    clock.advance(WRITE_AFTER)
    kept = Task("test", rows.keep())

    assert [piece for piece, _ in numbers.writes] == [1]
    numbers.writes[0][1].resolve(None)
    assert [piece for piece, _ in numbers.writes] == [1, 2]
    assert not kept.done
    numbers.writes[1][1].resolve(None)
    assert kept.done


def test_who_goes_away_leaves_the_write() -> None:
    """A look that is cancelled doesn't end the write, and no other begins beside it."""
    numbers = Numbers()
    rows = Waiting("test", Clock(), numbers)
    numbers.waiting = [1, 2]
    Task("test", rows.keep()).cancel()
    kept = Task("test", rows.keep())

    assert [piece for piece, _ in numbers.writes] == [1]
    assert not kept.done


async def test_put_back() -> None:
    """What can't be written waits again, and whoever asked hears of it."""
    numbers = Numbers()
    rows = Waiting("test", Clock(), numbers)
    numbers.waiting = [1]
    kept = Task("test", rows.keep())
    numbers.writes[0][1].fail(DOWN)

    with pytest.raises(TemporaryError):
        await kept
    assert numbers.waiting == [1]
