"""Checkpoints: which kind when, and pages that go back to the disk."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Event
from typing import Any

import apsw
import pytest
from hand_reactor import PATIENCE, HandReactor
from words_database import Open, insert, words

from twistedmail_mta.store import checkpoint
from twistedmail_mta.store.ballast import Ballast
from twistedmail_mta.store.checkpoint import WAL_KEPT_WHEN_LOW, WAL_LIMIT, Checkpointer
from twistedmail_mta.store.space import DiskSpace

PAGE = 4096


class FakeConnection:
    """Answers as a database with such a WAL would, and notes what it is asked."""

    def __init__(self, frames: int, moved: int, last: int = 2) -> None:
        self.last = last
        self.answers = [(frames, moved)]
        self.filename_wal = ""
        self.modes: list[int] = []
        self.done = Event()

    def wal_checkpoint(self, mode: int) -> tuple[int, int]:
        self.modes.append(mode)
        if mode != apsw.SQLITE_CHECKPOINT_PASSIVE or len(self.modes) == self.last:
            self.done.set()
        return self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)

    def pragma(self, name: str) -> int:
        return {"page_size": PAGE, "freelist_count": 0, "page_count": 0}[name]

    def close(self, force: bool) -> None:
        pass


def run_once(connection: Any, space: DiskSpace) -> None:
    """Let a checkpointer run until it has done a checkpoint."""
    checkpointer = Checkpointer(lambda: connection, space, lambda: None, lambda _: None)
    assert connection.done.wait(PATIENCE)
    checkpointer.stop()


@pytest.fixture
def space(tmp_path: Path) -> DiskSpace:
    """Return a disk with enough room."""
    return DiskSpace(tmp_path, Ballast(tmp_path / "ballast", 1), 0)


def test_a_small_wal_is_moved_without_stopping_anybody(space: DiskSpace) -> None:
    """The usual checkpoint waits for nobody and nobody waits for it."""
    connection = FakeConnection(100, 100, last=1)
    run_once(connection, space)
    assert connection.modes == [apsw.SQLITE_CHECKPOINT_PASSIVE]


def test_a_large_wal_is_begun_anew(space: DiskSpace) -> None:
    """Past the limit writers and readers are made to leave the WAL, after most of it was moved."""
    connection = FakeConnection(WAL_LIMIT // PAGE + 1, 100)
    connection.answers.append((0, 0))
    run_once(connection, space)
    assert connection.modes[:2] == [apsw.SQLITE_CHECKPOINT_PASSIVE, apsw.SQLITE_CHECKPOINT_RESTART]


@pytest.mark.parametrize("excess", [0, 1])
def test_a_disk_without_room_gets_a_large_wal_back(
    space: DiskSpace, tmp_path: Path, excess: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk the WAL's file is cut off, unless it is only what settles will need."""
    monkeypatch.setattr(checkpoint, "LOOK_EVERY_WHEN_LOW", 0.01)
    space._free, space._margin = (lambda _: 0), 1
    connection = FakeConnection(100, 100)
    connection.filename_wal = str(tmp_path / "x.db-wal")
    with (tmp_path / "x.db-wal").open("wb") as wal:
        wal.truncate(WAL_KEPT_WHEN_LOW + excess)
    run_once(connection, space)
    assert (apsw.SQLITE_CHECKPOINT_TRUNCATE in connection.modes) == bool(excess)


def test_pages_go_back_to_the_disk(
    hand: HandReactor, open_words: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a large backlog has gone the file becomes small again by itself, and what is left stays right."""
    monkeypatch.setattr(checkpoint, "FREE_PAGES_KEPT", 300)
    monkeypatch.setattr(checkpoint, "CHECKPOINT_EVERY", 0.01)
    database = open_words()
    text = "x" * 10 * PAGE
    hand.wait_all(*(database.write(insert(f"{number}{text}")) for number in range(200)))
    hand.wait(database.write(lambda transaction: list(transaction.execute("DELETE FROM word WHERE id > 1"))))

    path = tmp_path / "words.db"
    deadline = time.monotonic() + PATIENCE
    while path.stat().st_size > 400 * PAGE and time.monotonic() < deadline:
        hand.wait(database.read(words))

    assert path.stat().st_size <= 400 * PAGE
    assert hand.wait(database.read(words)) == [f"0{text}"]
