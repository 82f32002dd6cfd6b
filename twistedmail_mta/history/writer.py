"""The thread that writes the history, and forgets the oldest of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, ClassVar, Final

from twisted.logger import Logger

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.history import tables
from twistedmail_mta.history.clearing import clear_some
from twistedmail_mta.history.keys import span_of
from twistedmail_mta.history.story import Row
from twistedmail_mta.history.terms import story_keys
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.aside import AsideDatabase
from twistedmail_mta.store.schema import SchemaError, UnusableDatabase

if TYPE_CHECKING:
    from twistedmail_mta.history.recorder import Keep

TELL_EVERY: Final = 60.0
"""Seconds between two log lines about a file that can't be written."""
END_WITHIN: Final = 5.0
"""Seconds for what waits when the server stops."""
CLEAR_FOR: Final = 0.25
"""Seconds of a turn in which old rows are deleted."""
PAUSE: Final = 0.002
"""Seconds between two slices, for other processes that want to write."""
BROKEN_NAME: Final = tables.NAME + ".broken"

Open = Callable[[], AsideDatabase]


@dataclass(slots=True)
class Batch:
    """What is written in one transaction.

    Attributes:
        stories: rows of `tables.STORY_COLUMNS`.
        steps: rows of `tables.STEP_COLUMNS`.
        terms: more by which stories are found.
        weight: how many events it counts as.
        keep: how much of the past is kept; None: this says nothing of it.
        now: seconds since the epoch.
        written: called on the thread when it is written, or lost.
    """

    stories: list[Row] = field(default_factory=list)
    steps: list[Row] = field(default_factory=list)
    terms: list[tuple[int, int]] = field(default_factory=list)
    weight: int = 0
    keep: Keep | None = None
    now: float = 0.0
    written: Callable[[], object] | None = None


def write_batch(tx: Transaction, batch: Batch) -> None:
    """Add what a batch holds."""
    terms = {(span_of(story), key, story) for story, key in batch.terms}
    for row in batch.stories:
        story = row[0]
        span = span_of(story)
        terms.update([(span, key, story) for key in story_keys(row)])
    tables.add(tx, "story", batch.stories)
    tables.add(tx, "step", batch.steps)
    tables.add(tx, "term", sorted(terms))


class HistoryWriter:
    """Writes batches in turn; one that can't be written is lost, and the next is tried.

    Attributes:
        taken: the weight of all batches that don't wait any more.
        lost: the same of those that couldn't be written.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, open_file: Open, path: Path) -> None:
        """Begin.

        Args:
            open_file: opens the file; called on the thread.
            path: where it is.
        """
        self.taken = self.lost = 0
        self._open = open_file
        self._path = path
        self._database: AsideDatabase | None = None
        self._told_at = 0.0
        self._batches: SimpleQueue[Batch | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="history", daemon=True)
        self._thread.start()

    def put(self, batch: Batch) -> None:
        """Write a batch, and delete what is too old then."""
        self._batches.put(batch)

    def stop(self) -> None:
        """End when everything is written, or after a while; blocks."""
        self._batches.put(None)
        self._thread.join(END_WITHIN)

    def _work(self) -> None:
        while (batch := self._batches.get()) is not None:
            self._take(batch)
        if self._database is not None:
            self._database.close()

    def _take(self, batch: Batch) -> None:
        try:
            if batch.weight or self._path.exists():
                database = self._opened()
                _write(database, batch)
                self._clear(database, batch)
        except UnusableDatabase as error:
            self._lose(batch, error)
            self._begin_anew()
        except (TemporaryError, SchemaError, OSError) as error:
            self._lose(batch, error)
            self._close()
        except Exception:  # noqa: BLE001 - the thread must not end, whatever happens
            self.lost += batch.weight
            self.log.failure("the history can't be written", event="history.failed")
            self._close()
        finally:
            self.taken += batch.weight
            if batch.written is not None:
                batch.written()

    def _opened(self) -> AsideDatabase:
        if self._database is None:
            self._database = self._open()
        return self._database

    def _close(self) -> None:
        """Open the file anew for the next batch: what a failing disk left behind is not to be trusted."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _begin_anew(self) -> None:
        """Put a broken file aside, where somebody may look at it, and begin another."""
        self._close()
        aside = self._path.with_name(BROKEN_NAME)
        try:
            self._path.replace(aside)
            for tail in ("-wal", "-shm"):
                self._path.with_name(self._path.name + tail).unlink(missing_ok=True)
        except OSError:
            return
        self.log.warn("the history begins anew; the broken file is {path}", event="history.anew", path=str(aside))

    def _lose(self, batch: Batch, error: Exception) -> None:
        self.lost += batch.weight
        now = time.monotonic()
        if batch.weight and now - self._told_at >= TELL_EVERY:
            self._told_at = now
            self.log.warn(
                "the history can't be written, {lost} events are lost: {reason}",
                event="history.failed",
                lost=self.lost,
                reason=str(error),
            )

    def _clear(self, database: AsideDatabase, batch: Batch) -> None:
        keep = batch.keep
        if keep is None:
            return
        deadline = time.monotonic() + CLEAR_FOR
        while clear_some(database, keep.age, keep.size, batch.now) and time.monotonic() < deadline:
            time.sleep(PAUSE)


def _write(database: AsideDatabase, batch: Batch) -> None:
    if not batch.weight:
        return
    try:
        database.write(lambda tx: write_batch(tx, batch))
    except UnicodeError:
        batch.stories, batch.steps = [*_clean(batch.stories)], [*_clean(batch.steps)]
        database.write(lambda tx: write_batch(tx, batch))


def _clean(rows: Iterable[Row]) -> Iterator[Row]:
    """Return rows whose texts can be written whatever a peer said: what isn't Unicode becomes "?"."""
    for row in rows:
        yield tuple(each.encode("utf-8", "replace").decode() if isinstance(each, str) else each for each in row)
