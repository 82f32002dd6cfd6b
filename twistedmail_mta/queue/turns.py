"""Turns: senders go one after the other, however much one of them sends."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """What waits, in a line for each sender: an account, else a sender domain."""

    __slots__ = ("_count", "_lines")

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[T]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def has(self, sender: str) -> bool:
        """Return whether something of a sender waits."""
        return sender in self._lines

    def put(self, sender: str, waiting: T) -> None:
        """Add something at the end of its sender's line."""
        line = self._lines.get(sender)
        if line is None:
            line = self._lines[sender] = deque()
        line.append(waiting)
        self._count += 1

    def take(self) -> T:
        """Return the first of the sender whose turn it is."""
        sender, line = self._lines.popitem(last=False)
        first = line.popleft()
        if line:
            self._lines[sender] = line
        self._count -= 1
        return first

    def take_all(self) -> list[T]:
        """Return all that waits, and forget it."""
        waiting = [each for line in self._lines.values() for each in line]
        self._lines.clear()
        self._count = 0
        return waiting
