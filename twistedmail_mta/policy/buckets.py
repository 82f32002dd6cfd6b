"""Leaky buckets: what is used flows in, time lets it out (PURE)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

Measure = Literal["messages", "recipients", "new_recipients", "octets"]
Period = Literal["hour", "day"]

MEASURES: Final[tuple[Measure, ...]] = ("messages", "recipients", "new_recipients", "octets")
SECONDS: Final[dict[Period, float]] = {"hour": 3600.0, "day": 86400.0}


@dataclass(frozen=True, slots=True)
class Rule:
    """How much of something may be used: as much at once, and as much again in a period.

    Attributes:
        measure: of what.
        period: in how long a full bucket is empty again.
        allowed: how much a bucket holds.
    """

    measure: Measure
    period: Period
    allowed: float

    def leaked(self, seconds: float) -> float:
        """Return how much flows out in a time."""
        return self.allowed * max(0.0, seconds) / SECONDS[self.period]

    def wait(self, excess: float) -> float:
        """Return the seconds until that much has flown out; for ever where nothing is allowed."""
        return excess / self.allowed * SECONDS[self.period] if self.allowed else math.inf


class Buckets:
    """The buckets of one account, domain or network."""

    __slots__ = ("_levels",)

    def __init__(self) -> None:
        self._levels: dict[tuple[Measure, Period], tuple[float, float]] = {}

    def level(self, rule: Rule, now: float) -> float:
        """Return how much is in the bucket of a rule."""
        level, at = self._levels.get((rule.measure, rule.period), (0.0, now))
        return max(0.0, level - rule.leaked(now - at))

    def excess(self, rule: Rule, amount: float, now: float) -> float:
        """Return by how much a bucket would run over; nothing or less when it has room."""
        return self.level(rule, now) + amount - rule.allowed

    def add(self, rule: Rule, amount: float, now: float) -> None:
        """Put something in, or take it back when it is negative."""
        self._levels[rule.measure, rule.period] = (max(0.0, self.level(rule, now) + amount), now)

    def written(self, now: float) -> bytes:
        """Return it as octets, without what has surely leaked; none when that is all."""
        kept = {
            f"{measure} {period}": (round(level, 3), at)
            for (measure, period), (level, at) in self._levels.items()
            if level > 0 and now - at < SECONDS[period]
        }
        return json.dumps(kept).encode() if kept else b""

    @classmethod
    def of(cls, octets: bytes) -> Buckets:
        """Return what `written` wrote."""
        buckets = cls()
        for name, (level, at) in json.loads(octets).items():
            measure, period = name.split()
            buckets._levels[measure, period] = (level, at)
        return buckets


class BucketForm:
    """How a ledger writes buckets."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def new(self) -> Buckets:
        """Return empty buckets."""
        return Buckets()

    def read(self, octets: bytes) -> Buckets:
        """Return what `write` wrote."""
        return Buckets.of(octets)

    def write(self, state: Buckets) -> bytes:
        """Return octets, none of empty ones."""
        return state.written(self._now())
