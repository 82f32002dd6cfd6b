"""What a policy has seen lately: kept for a time, bounded in number."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Values that are forgotten after a time; where there are too many, what was noted longest ago goes first.

    All live equally long, so the first is always the next to go: no timer, no sweep.  Where two share what was noted,
    and one of them lets it live longer, some stay a little past their time, but count no more.
    """

    def __init__(self, seconds: Callable[[], float], lifetime: float, most: int) -> None:
        """Remember nothing yet.

        Args:
            seconds: the clock.
            lifetime: how long a value is known after it was noted.
            most: how many are known at once.
        """
        self._seconds = seconds
        self._lifetime = lifetime
        self._most = most
        self._noted: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def inherit(self, old: Recent[K, V]) -> None:
        """Share what another one has noted, and will."""
        self._noted = old._noted

    def __len__(self) -> int:
        return len(self._noted)

    def get(self, key: K) -> V | None:
        """Return what was noted of `key`, or None."""
        self._forget_old()
        noted = self._noted.get(key)
        return None if noted is None or noted[0] <= self._seconds() else noted[1]

    def note(self, key: K, value: V) -> None:
        """Remember `value` from now on."""
        self._forget_old()
        self._noted[key] = (self._seconds() + self._lifetime, value)
        self._noted.move_to_end(key)
        if len(self._noted) > self._most:
            self._noted.popitem(last=False)

    def forget(self, key: K) -> None:
        """Forget what was noted of `key`, if anything was."""
        self._noted.pop(key, None)

    def _forget_old(self) -> None:
        now = self._seconds()
        while self._noted and next(iter(self._noted.values()))[0] <= now:
            self._noted.popitem(last=False)
