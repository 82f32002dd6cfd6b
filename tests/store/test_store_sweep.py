"""The sweep of orphans: what no row names goes, what may still get a row stays."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest
from hand_reactor import HandReactor

from twistedmail_mta.store import bodies as module
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.disk import OrdinaryDisk
from twistedmail_mta.tasks import WorkerPool

NOW = time.time()  # the files' own times are real
HOUR = 3600.0


@pytest.fixture
def bodies(hand: HandReactor, tmp_path: Path) -> Iterator[BodyStore]:
    """Return a store at a fixed time."""
    pool = WorkerPool(hand, "io", 2, 100)
    yield BodyStore(pool, tmp_path, inline_limit=0, now=lambda: NOW)
    pool.stop()


def put(tmp_path: Path, name: str, age: float) -> None:
    """Make a body file that was last written so long ago."""
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (NOW - age, NOW - age))
    os.utime(path.parent, (NOW - age, NOW - age))


class Rows:
    """The names that rows have, and what was asked for."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)
        self.asked: list[list[str]] = []

    async def __call__(self, names: Sequence[str]) -> Collection[str]:
        self.asked.append(list(names))
        return self.names.intersection(names)


def left(tmp_path: Path) -> list[str]:
    """Return the names of the bodies that are left."""
    return sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())


def test_old_orphans_go(hand: HandReactor, bodies: BodyStore, tmp_path: Path) -> None:
    """A row's file stays, however old; an orphan goes once it is old; a young one isn't even asked for."""
    for name, age in (("a/named", 9 * HOUR), ("a/orphan", 9 * HOUR), ("b/orphan", HOUR + 1), ("b/young", HOUR - 1)):
        put(tmp_path, name, age)
    rows = Rows("a/named")

    assert hand.wait(bodies.sweep(rows, HOUR)) == 2
    assert left(tmp_path) == ["a/named", "b/young"]
    assert rows.asked == [["a/named", "a/orphan"], ["b/orphan"]]


def test_a_file_that_is_being_written_stays(hand: HandReactor, bodies: BodyStore, tmp_path: Path) -> None:
    """A slow client's file is spared although it looks old, as long as its process lives."""
    put(tmp_path, "a/orphan", 9 * HOUR)
    descriptor = OrdinaryDisk().create(tmp_path / "a" / "slow")
    os.utime(tmp_path / "a" / "slow", (NOW - 9 * HOUR, NOW - 9 * HOUR))

    assert hand.wait(bodies.sweep(Rows(), HOUR)) == 1
    assert left(tmp_path) == ["a/slow"]
    os.close(descriptor)
    assert hand.wait(bodies.sweep(Rows(), HOUR)) == 1
    assert left(tmp_path) == []


def test_large_directories_are_asked_for_in_pieces(
    hand: HandReactor, bodies: BodyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No question to the database is longer than a piece."""
    monkeypatch.setattr(module, "_PIECE", 3)
    for number in range(7):
        put(tmp_path, f"a/{number}", 9 * HOUR)
    rows = Rows("a/3", "a/5")
    assert hand.wait(bodies.sweep(rows, HOUR)) == 5
    assert [len(names) for names in rows.asked] == [3, 3, 1]
    assert left(tmp_path) == ["a/3", "a/5"]


def test_empty_directories_go_later(hand: HandReactor, bodies: BodyStore, tmp_path: Path) -> None:
    """A directory that has just been emptied may be in use; the next sweep after the time removes it."""
    put(tmp_path, "a/orphan", 9 * HOUR)
    hand.wait(bodies.sweep(Rows(), HOUR))
    os.utime(tmp_path / "a", (NOW - 2 * HOUR, NOW - 2 * HOUR))
    hand.wait(bodies.sweep(Rows(), HOUR))
    assert list(tmp_path.iterdir()) == []
