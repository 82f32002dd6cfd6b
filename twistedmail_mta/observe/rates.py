"""How fast numbers grow that only grow: over the last seconds, and over the last minutes."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SPANS: Final = {"10s": 10.0, "1m": 60.0, "5m": 300.0}
"""The times over which rates are told, by their names, in seconds."""
_SLACK: Final = 0.5
"""Seconds by which a sample may be later than wanted: they aren't taken at even times."""


@dataclass(frozen=True, slots=True)
class Growth:
    """By how much numbers grew in some time.

    Attributes:
        seconds: how long that is; 0 while there were no two samples.
        numbers: what was added, by name.
    """

    seconds: float
    numbers: Mapping[str, float]

    def per_second(self, name: str) -> float | None:
        """Return by how much a number grew in a second; None while that isn't known."""
        return self.numbers.get(name, 0) / self.seconds if self.seconds else None

    def ratio(self, sum_name: str, count_name: str) -> float | None:
        """Return what one number grew by for each of another; None where that one didn't grow."""
        count = self.numbers.get(count_name, 0)
        return self.numbers.get(sum_name, 0) / count if count else None


class Rates:
    """Samples of numbers, one a second; those of the longest span are kept, and one more."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Mapping[str, float]]] = deque()

    def note(self, now: float, totals: Mapping[str, float]) -> None:
        """Take a sample.

        Args:
            now: the time; never less than before.
            totals: the numbers by name.
        """
        self._samples.append((now, totals))
        oldest = now - max(SPANS.values()) - _SLACK
        while self._samples[0][0] < oldest:
            self._samples.popleft()

    def grown(self, span: float) -> Growth:
        """Return what was added between a sample about `span` seconds before the last one and that.

        While the server is younger, it is since its first sample.
        """
        if not self._samples:
            return Growth(0.0, {})
        now, last = self._samples[-1]
        times = [at for at, _ in self._samples]
        began, first = self._samples[min(bisect_left(times, now - span - _SLACK), len(times) - 1)]
        return Growth(now - began, {name: value - first.get(name, 0) for name, value in last.items()})

    def last(self) -> Mapping[str, float]:
        """Return the last sample; empty while there is none."""
        return self._samples[-1][1] if self._samples else {}
