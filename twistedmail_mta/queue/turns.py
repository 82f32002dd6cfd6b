"""Turns: the senders of a lane go one after the other, however much one of them sends."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twistedmail_mta.queue.lanes import Delivery


class Turns:
    """The deliveries that wait in a lane, a line for each sender: an account, else a sender domain."""

    __slots__ = ("_count", "_lines")

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[Delivery]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def has(self, sender: str) -> bool:
        """Return whether something of a sender waits."""
        return sender in self._lines

    def put(self, sender: str, delivery: Delivery) -> None:
        """Add a delivery at the end of its sender's line."""
        line = self._lines.get(sender)
        if line is None:
            line = self._lines[sender] = deque()
        line.append(delivery)
        self._count += 1

    def take(self) -> Delivery:
        """Return the first delivery of the sender whose turn it is."""
        sender, line = self._lines.popitem(last=False)
        delivery = line.popleft()
        if line:
            self._lines[sender] = line
        self._count -= 1
        return delivery

    def take_all(self) -> list[Delivery]:
        """Return all that waits, and forget it."""
        waiting = [delivery for line in self._lines.values() for delivery in line]
        self._lines.clear()
        self._count = 0
        return waiting
