"""Who sends most: accounts, and domains of strangers, counted in bounded room."""

from __future__ import annotations

import heapq
from typing import Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

MOST_NAMES: Final = 2000
"""Names that are counted; when there are more, the less busy half of them is forgotten."""
PERIOD: Final = 300.0
"""Seconds for which is counted; what is told is of this time and the one before."""
ANONYMOUS: Final = "<>"
"""What the null sender is called."""


@implementer(ILogObserver)
class Busiest:
    """Hears from the log whose messages were accepted; nothing on their path knows of it."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._began = clock.seconds()
        self._before_began = self._began
        self._now: dict[str, int] = {}
        self._before: dict[str, int] = {}

    def __call__(self, event: LogEvent) -> None:
        """Hear of an event."""
        if event.get("event") == "smtp.accepted":
            self.count(_whose(event))

    def count(self, name: str) -> None:
        """Count a message of somebody."""
        self._turn()
        counts = self._now
        counts[name] = counts.get(name, 0) + 1
        if len(counts) > MOST_NAMES:
            self._now = dict(heapq.nlargest(MOST_NAMES // 2, counts.items(), key=lambda each: each[1]))

    def most(self, number: int) -> tuple[float, list[tuple[str, int]]]:
        """Return for how many seconds was counted, and who sent most messages in that time, with how many."""
        self._turn()
        both = dict(self._before)
        for name, count in self._now.items():
            both[name] = both.get(name, 0) + count
        most = heapq.nlargest(number, both.items(), key=lambda each: each[1])
        return self._clock.seconds() - self._before_began, most

    def _turn(self) -> None:
        """Begin a new period when one is over."""
        now = self._clock.seconds()
        if now - self._began < PERIOD:
            return
        fresh = now - self._began < 2 * PERIOD
        self._before, self._now = (self._now if fresh else {}), {}
        self._before_began, self._began = (self._began if fresh else now), now


def _whose(event: dict[str, Any]) -> str:
    account = event.get("account")
    if account:
        return str(account)
    sender = str(event.get("sender") or "")
    return sender.rpartition("@")[2] or ANONYMOUS
