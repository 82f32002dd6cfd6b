"""New mail comes first: how much of what waits is taken up while new mail keeps the server busy."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

PERIOD: Final = 0.25
"""Seconds for which a measure holds."""

BUSY: Final = 0.9
"""The part of a period above which the reactor's thread counts as fully used."""

LEAST: Final = 5
"""Claims of a period that are always made: old mail must not wait for a quiet hour."""

MOST: Final = 1000


class Precedence:
    """How many claims may be made, by how busy the reactor's thread is.

    While mail comes in and the thread has no time left, claims become four
    times fewer with each period; else twice as many.  So acceptance keeps
    nearly all of its speed however much is due, and whatever it doesn't use
    goes to what waits.
    """

    def __init__(self, now: Callable[[], float], burden: Callable[[], float]) -> None:
        """Begin without restraint.

        Args:
            now: seconds.
            burden: for how many seconds the reactor's thread has worked or
                waited for a processor, since whenever.
        """
        self._now = now
        self._burden = burden
        self._began = now()
        self._burden_then = burden()
        self._most = MOST
        self._left = MOST
        self._has_arrivals = False

    def note_arrival(self) -> None:
        """A new message has come."""
        self._has_arrivals = True

    def note_claims(self, count: int) -> None:
        """Claims were made."""
        self._left -= count

    @property
    def left(self) -> int:
        """How many claims may be made now."""
        now = self._now()
        if now - self._began >= PERIOD:
            self._begin(now)
        return max(0, self._left)

    @property
    def rest(self) -> float:
        """Seconds until more may be made."""
        return max(0.0, self._began + PERIOD - self._now())

    def _begin(self, now: float) -> None:
        burden = self._burden()
        busy = burden - self._burden_then > BUSY * (now - self._began)
        self._most = max(LEAST, self._most // 4) if busy and self._has_arrivals else min(MOST, self._most * 2)
        self._left, self._has_arrivals = self._most, False
        self._began, self._burden_then = now, burden


def burden_of_this_thread() -> Callable[[], float]:
    """Return what tells for how many seconds this thread has worked or waited for a processor.

    Where the system doesn't say how long it waited, that counts as idle.
    """
    try:
        descriptor = os.open(Path("/proc/thread-self/schedstat"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return time.thread_time

    def burden() -> float:
        worked, waited, _ = os.pread(descriptor, 100, 0).split()
        return (int(worked) + int(waited)) / 1e9

    return burden
