"""A recorder driven by hand, and rows of made-up mail."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from twistedmail_mta.history import tables
from twistedmail_mta.history.keys import EPOCH
from twistedmail_mta.history.recorder import Keep, Recorder
from twistedmail_mta.history.searching import read_stories
from twistedmail_mta.history.story import Outcome, Row, Story
from twistedmail_mta.history.writer import HistoryWriter
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.aside import AsideDatabase, look_aside
from twistedmail_mta.store.space import free_octets

T = TypeVar("T")

NOW = 1_800_000_000.0
PATIENCE = 30.0


def id_at(at: float, number: int = 0) -> int:
    """The id of a message that began then."""
    return int((at - EPOCH) * 1000) << 21 | number


def row(story: int, at: float = NOW, **columns: Any) -> Row:
    """A row of a story."""
    said = {"id": story, "at": at, "outcome": Outcome.accepted, **columns}
    return tuple(said.get(name) for name in tables.STORY_COLUMNS)


class Reactor(Clock):
    """A clock whose calls from threads run when a test waits for them."""

    def __init__(self) -> None:
        super().__init__()
        self.advance(NOW)
        self._handed_over: SimpleQueue[Callable[[], Any]] = SimpleQueue()

    def callFromThread(self, call: Callable[..., Any], *args: Any) -> None:  # noqa: N802 - Twisted's name
        self._handed_over.put(lambda: call(*args))

    def wait(self, coroutine: Any) -> None:
        """Run a coroutine to its end."""
        deferred = Deferred.fromCoroutine(coroutine)
        results: list[Any] = []
        deferred.addBoth(results.append)
        while not results:
            self._handed_over.get(timeout=PATIENCE)()
        assert results == [None], results


class Noted:
    """A history in a directory, and what is in its file."""

    def __init__(self, directory: Path, keep: Keep | None = None) -> None:
        self.reactor = Reactor()
        self.free: Callable[[Path], int] = free_octets
        self.path = directory / tables.NAME
        opening = partial(AsideDatabase, self.path, tables.MIGRATIONS, lambda path: self.free(path))  # noqa: PLW0108 - it changes
        self.writer = HistoryWriter(opening, self.path)
        self.recorder = Recorder(self.reactor, self.writer, keep or Keep(), self.reactor.seconds)

    def flush(self) -> None:
        """Wait until everything is in the file, or lost."""
        self.reactor.wait(self.recorder.flushed())

    def read(self, function: Callable[[Transaction], T]) -> T | None:
        return look_aside(self.path, tables.MIGRATIONS, function)

    def stories(self) -> list[Story]:
        """All that is in the file, the newest first."""

        def read(tx: Transaction) -> list[Story]:
            ids = [story for (story,) in tx.execute("SELECT id FROM story UNION SELECT story FROM step")]
            return read_stories(tx, ids)

        return self.read(read) or []

    def count(self, table: str) -> int:
        """How many rows a table has."""
        found = self.read(lambda tx: next(iter(tx.execute(f"SELECT count(*) FROM {table}"))))
        return 0 if found is None else int(found[0])
