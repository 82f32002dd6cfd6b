"""The turn to write, shared by all processes that write to one database."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from twistedmail_mta.store.sqlite import BUSY_POLL, PATIENCE

_PAUSE: Final = 0.001
_LOOK_FOR_OTHERS: Final = 0.005


class LockTimeout(Exception):
    """Another process has kept the lock for too long; it may have been stopped."""


class WriteLock:
    """A lock between processes that none of them can keep for itself.

    SQLite's own lock is what keeps the data right.  It is not fair: of several
    writers that are always busy one may wait for seconds.  So whoever finds
    this lock taken holds a second one, the turn, until it has the first, and
    the others see by the turn that somebody waits.
    """

    def __init__(self, database: Path) -> None:
        """Open the two files beside `database`."""
        self._lock = _open(database.with_name(database.name + "-lock"))
        self._turn = _open(database.with_name(database.name + "-turn"))
        self._looked_at = 0.0
        self._others = False

    def close(self) -> None:
        """Give up the lock and its files."""
        os.close(self._lock)
        os.close(self._turn)

    def __enter__(self) -> None:
        """Wait for the lock.

        Raises:
            LockTimeout: another process has kept it for too long.
        """
        if not _taken(self._lock):
            self._others = True
            self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        _poll(self._turn, deadline)
        try:
            _poll(self._lock, deadline)
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def let_others(self) -> None:
        """Pause for a moment if another process waits; to be called when more work waits here too.

        Looks at most every few milliseconds while nobody else writes.
        """
        now = time.monotonic()
        if not self._others and now - self._looked_at < _LOOK_FOR_OTHERS:
            return
        self._looked_at = now
        self._others = not _taken(self._turn)
        if self._others:
            time.sleep(_PAUSE)
        else:
            fcntl.flock(self._turn, fcntl.LOCK_UN)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _taken(descriptor: int) -> bool:
    """Take the lock if it is free; whether it was."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _poll(descriptor: int, deadline: float) -> None:
    # A blocking flock has no time limit: an operator's command that is stopped
    # with ^Z would stop the server.
    while not _taken(descriptor):
        if time.monotonic() > deadline:
            raise LockTimeout
        time.sleep(BUSY_POLL)
