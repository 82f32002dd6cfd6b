"""Answers kept until they expire, bounded in number and in octets."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

SWEEP_INTERVAL: Final = 60.0
ENTRY_OVERHEAD: Final = 512
"""Octets counted for an entry besides what its value takes."""


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    value: V
    expires: float
    size: int


class Cache(Generic[K, V]):
    """Values with an end; what was used longest ago goes first when there is no room.

    What has expired is dropped when it is asked for, and by a sweep at most
    once a minute while values come in: no timer, nothing to stop.
    """

    def __init__(self, now: Callable[[], float], max_size: int = 16 * 1024 * 1024) -> None:
        """Make an empty cache.

        Args:
            now: the clock, in seconds.
            max_size: octets in all; an entry counts as at least 512.
        """
        self._now = now
        self._max_size = max_size
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._size = 0
        self._next_sweep = now() + SWEEP_INTERVAL

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return the value, or None when there is none or it has expired."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires <= self._now():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.value

    def put(self, key: K, value: V, ttl: float, size: int) -> None:
        """Keep `value` for `ttl` seconds; `size` is about what it takes, in octets."""
        now = self._now()
        if key in self._entries:
            self._drop(key)
        if now >= self._next_sweep:
            self._sweep(now)
        self._entries[key] = _Entry(value, now + ttl, size + ENTRY_OVERHEAD)
        self._size += size + ENTRY_OVERHEAD
        while self._size > self._max_size:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: K) -> None:
        self._size -= self._entries.pop(key).size

    def _sweep(self, now: float) -> None:
        for key in [key for key, entry in self._entries.items() if entry.expires <= now]:
            self._drop(key)
        self._next_sweep = now + SWEEP_INTERVAL
