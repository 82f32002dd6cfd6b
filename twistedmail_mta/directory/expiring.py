"""A memory with two bounds: how many things, and for how long."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from twisted.internet.interfaces import IReactorTime

K = TypeVar("K")
V = TypeVar("V")


class ExpiringMap(Generic[K, V]):
    """Remembers values for a while; the oldest go when there are too many."""

    __slots__ = ("_clock", "_entries", "_lifetime", "_size")

    def __init__(self, clock: IReactorTime, lifetime: float, size: int) -> None:
        """Make an empty one.

        Args:
            clock: tells the time.
            lifetime: seconds from `put` on, where that doesn't say otherwise.
            size: how many at most.
        """
        self._clock = clock
        self._lifetime = lifetime
        self._size = size
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return what is remembered under `key`, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        until, value = entry
        if until <= self._clock.seconds():
            del self._entries[key]
            return None
        return value

    def put(self, key: K, value: V, lifetime: float | None = None) -> None:
        """Remember a value, anew if it was remembered already.

        Args:
            key: what it is found by.
            value: what to remember.
            lifetime: seconds; None: as long as all others.
        """
        seconds = self._lifetime if lifetime is None else lifetime
        self._entries[key] = (self._clock.seconds() + seconds, value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def drop(self, key: K) -> None:
        """Forget what is under `key`, if anything."""
        self._entries.pop(key, None)
