"""A clock for very many timers: time stands still until somebody lets it pass."""

# ruff: noqa: N802 - Twisted's names

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer


@implementer(IReactorTime)
class VirtualClock:
    """As Twisted's `Clock`, but it keeps its timers in a heap and goes from one to the next."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._heap: list[tuple[float, int, DelayedCall]] = []
        self._numbers = count()

    def seconds(self) -> float:
        return self._now

    def callLater(self, delay: float, call: Callable[..., Any], *args: Any, **kwargs: Any) -> DelayedCall:
        timer = DelayedCall(self._now + delay, call, args, kwargs, lambda _: None, self._push, self.seconds)
        self._push(timer)
        return timer

    def getDelayedCalls(self) -> list[DelayedCall]:
        return [timer for _, _, timer in self._heap if timer.active()]

    def run_until(self, end: float) -> None:
        """Let time pass, from one timer to the next."""
        while self._heap and self._heap[0][0] <= end:
            at, _, timer = heapq.heappop(self._heap)
            if not timer.active():
                continue
            if timer.getTime() > at:
                self._push(timer)
                continue
            self._now = max(self._now, at)
            timer.called = 1
            timer.func(*timer.args, **timer.kw)
        self._now = max(self._now, end)

    def _push(self, timer: DelayedCall) -> None:
        heapq.heappush(self._heap, (timer.getTime(), next(self._numbers), timer))
