"""The thread that moves what was committed from the WAL to the database, and watches the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Final

import apsw

from twistedmail_mta.store.space import DiskSpace
from twistedmail_mta.store.sqlite import is_disk_full

CHECKPOINT_EVERY: Final = 0.2
"""Seconds between checkpoints while something is written."""

WAL_LIMIT: Final = 64 * 1024 * 1024
"""Octets of WAL from which writers and readers are made to begin it anew."""

WAL_KEPT_WHEN_LOW: Final = 4 * 1024 * 1024
"""Octets that the WAL's file may keep on a full disk: settles need them, and others would take them."""

FREE_PAGES_KEPT: Final = 16_384
"""Unused pages that the database keeps for what comes, while there is room on the disk."""

FREE_PAGES_KEPT_WHEN_LOW: Final = 256
"""Unused pages that it keeps otherwise."""

LOOK_EVERY: Final = 5.0
"""Seconds between looks at the disk of an idle server."""

LOOK_EVERY_WHEN_LOW: Final = 1.0
"""Seconds between looks while new mail is refused for lack of space."""


class Checkpointer:
    """Checkpoints on a thread of its own, so that no commit waits for one."""

    def __init__(
        self,
        connect: Callable[[], apsw.Connection],
        space: DiskSpace,
        shrink: Callable[[], None],
        report: Callable[[BaseException], None],
    ) -> None:
        """Start the thread.

        Args:
            connect: opens a connection; with little patience, since a restart
                of the WAL holds up the writers while it waits for readers.
            space: looked at from time to time.
            shrink: called when the file should give pages back; to be done by the writer.
            report: told of every failure of the disk.
        """
        self._space = space
        self._shrink = shrink
        self._report = report
        self._written = Event()
        self._written.set()
        self._stop = Event()
        self._failed = False
        self._free_pages = 0
        self._connection = connect()
        self._thread = Thread(target=self._work, name="store-checkpoint", daemon=True)
        self._thread.start()

    def wrote(self) -> None:
        """Something was committed; on any thread."""
        if not self._written.is_set():
            self._written.set()

    def stop(self) -> None:
        """End the thread; on another than the reactor's."""
        self._stop.set()
        self._written.set()
        self._thread.join()

    def _work(self) -> None:
        while True:
            written = self._written.wait(LOOK_EVERY_WHEN_LOW if self._space.low else LOOK_EVERY)
            if self._stop.wait(CHECKPOINT_EVERY if written else 0):
                break
            self._attend(written)
        self._connection.close(force=True)

    def _attend(self, written: bool) -> None:
        try:
            self._space.look()
            if written or self._space.low:
                self._checkpoint()
        except apsw.BusyError:
            self._written.set()
        except Exception as error:  # noqa: BLE001 - the thread must not end, whatever happens
            self._written.set()
            self._report_first(error)
            if is_disk_full(error):
                self._space.release_ballast()
        else:
            self._failed = False

    def _report_first(self, error: Exception) -> None:
        if not self._failed:
            self._report(error)
        self._failed = True

    def _checkpoint(self) -> None:
        self._written.clear()
        if self._gives_pages_back() or not self._move():
            self._written.set()

    def _gives_pages_back(self) -> bool:
        """Ask for a smaller file, if that is due; whether what is in the WAL should wait for that.

        On a full disk the file may not grow any more as the WAL wants it to;
        with its unused pages gone it needn't.  But when giving them back made
        no progress, because there is no room for that either, the WAL has its try.
        """
        free = self._connection.pragma("freelist_count")
        kept = FREE_PAGES_KEPT_WHEN_LOW
        if not self._space.low:
            kept = max(FREE_PAGES_KEPT, self._connection.pragma("page_count") // 2)
        due = bool(free > kept)
        if due:
            self._shrink()
        progress = free != self._free_pages
        self._free_pages = free
        return due and progress and self._space.low

    def _move(self) -> bool:
        """Checkpoint; whether all that was committed is in the database file now."""
        frames, moved = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        # What is left to move while the writers wait is little by now.
        if self._space.low and self._wal_file_size() > WAL_KEPT_WHEN_LOW:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        elif frames * self._connection.pragma("page_size") > WAL_LIMIT:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        return frames == moved

    def _wal_file_size(self) -> int:
        try:
            return Path(self._connection.filename_wal).stat().st_size
        except FileNotFoundError:
            return 0
