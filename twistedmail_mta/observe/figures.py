"""Numbers that parts of the server count as they go, read whenever somebody wants to know.

Counting is an addition to a plain number, so it costs a fraction of a
microsecond; whoever reads does all the work.  Each is written by one thread.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

MOST_SERIES: Final = 500
"""Combinations of labels that are counted apart; others are counted together."""
OTHERS: Final = "other"
"""What the labels of those are."""

Labels = tuple[str, ...]


class Counts:
    """How often something happened, by labels."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers: dict[Labels, int] = {}

    def add(self, labels: Labels, number: int = 1) -> None:
        """Count; beyond `MOST_SERIES` combinations whatever is new is counted as one of the others."""
        numbers = self._numbers
        if labels in numbers:
            numbers[labels] += number
        else:
            labels = _bounded(labels, len(numbers))
            numbers[labels] = numbers.get(labels, 0) + number

    def items(self) -> list[tuple[Labels, int]]:
        """Return all numbers; on any thread."""
        return list(self._numbers.items())


class Spread:
    """How values are spread: how many lie up to each bound.

    Attributes:
        bounds: ascending; what is above the last has a place of its own.
        numbers: how many values lie between one bound and the next.
        total: of all values.
    """

    __slots__ = ("bounds", "numbers", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.numbers = [0] * (len(bounds) + 1)
        self.total = 0.0

    def note(self, value: float) -> None:
        """Take a value; one below 0, as when a clock was set back, counts as 0."""
        if value < 0:
            value = 0.0
        self.numbers[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def number(self) -> int:
        """How many values there were."""
        return sum(self.numbers)


class Spreads:
    """Spreads of the same kind, by labels; bounded as `Counts` is."""

    __slots__ = ("_bounds", "_spreads")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._spreads: dict[Labels, Spread] = {}

    def note(self, labels: Labels, value: float) -> None:
        """Take a value."""
        self.of(labels).note(value)

    def of(self, labels: Labels) -> Spread:
        """Return the spread of some labels, for whoever notes much there."""
        found = self._spreads.get(labels)
        if found is None:
            labels = _bounded(labels, len(self._spreads))
            found = self._spreads.setdefault(labels, Spread(self._bounds))
        return found

    def __iter__(self) -> Iterator[tuple[Labels, Spread]]:
        return iter(list(self._spreads.items()))


def _bounded(labels: Labels, known: int) -> Labels:
    return labels if known < MOST_SERIES else (OTHERS,) * len(labels)
