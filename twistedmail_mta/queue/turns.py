"""Turns: the senders of a lane go one after the other, however much one of them sends."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twistedmail_mta.queue.lanes import Transfer


class Turns:
    """The transfers that wait in a lane, a line for each sender: an account, else a sender domain."""

    __slots__ = ("_count", "_lines")

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[Transfer]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def has(self, sender: str) -> bool:
        """Return whether something of a sender waits."""
        return sender in self._lines

    def put(self, sender: str, transfer: Transfer) -> None:
        """Add a transfer at the end of its sender's line."""
        line = self._lines.get(sender)
        if line is None:
            line = self._lines[sender] = deque()
        line.append(transfer)
        self._count += 1

    def take(self) -> Transfer:
        """Return the first transfer of the sender whose turn it is."""
        sender, line = self._lines.popitem(last=False)
        transfer = line.popleft()
        if line:
            self._lines[sender] = line
        self._count -= 1
        return transfer

    def take_all(self) -> list[Transfer]:
        """Return all that waits, and forget it."""
        waiting = [transfer for line in self._lines.values() for transfer in line]
        self._lines.clear()
        self._count = 0
        return waiting
