"""What was put off once, remembered for a while: whoever tries again after a time isn't put off again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

_MOST: Final = 20_000


class FirstTries:
    """Remembers when things were first tried; of the oldest it forgets what doesn't fit."""

    def __init__(self, delay: float, lifetime: float, clock: Callable[[], float], most: int = _MOST) -> None:
        """Remember nothing yet.

        Args:
            delay: seconds for which a thing is put off after its first try.
            lifetime: seconds after its first try in which it isn't put off again.
            clock: seconds since any moment.
            most: how many are remembered.
        """
        self._delay = delay
        self._lifetime = lifetime
        self._clock = clock
        self._most = most
        self._firsts: OrderedDict[Hashable, float] = OrderedDict()

    def puts_off(self, thing: Hashable) -> bool:
        """Return whether a thing is to be tried again later."""
        now = self._clock()
        first = self._firsts.get(thing)
        if first is not None and now - first <= self._lifetime:
            return now - first < self._delay
        self._firsts.pop(thing, None)
        self._firsts[thing] = now
        if len(self._firsts) > self._most:
            self._firsts.popitem(last=False)
        return True
