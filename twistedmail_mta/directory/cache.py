"""A bounded memory of values that differ in weight."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class WeighedCache(Generic[K, V]):
    """Remembers values up to a weight in all; those not used for longest go first."""

    __slots__ = ("_entries", "_most", "_weight")

    def __init__(self, most: int) -> None:
        """Make an empty one.

        Args:
            most: the weight of all values together; what alone weighs more isn't kept.
        """
        self._most = most
        self._weight = 0
        self._entries: OrderedDict[K, tuple[int, V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return what is remembered under `key`, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: K, value: V, weight: int = 1) -> None:
        """Remember a value in place of what is under `key`."""
        self._drop(key)
        if weight > self._most:
            return
        self._entries[key] = (weight, value)
        self._weight += weight
        while self._weight > self._most:
            self._weight -= self._entries.popitem(last=False)[1][0]

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._weight = 0

    def _drop(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._weight -= entry[0]
