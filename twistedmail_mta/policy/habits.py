"""What is normal for an account, learnt from what it does; and how far it is from that now.

Normal are the strangers it writes to in a day, all its recipients in an hour
and in a day, and those that fail: for each the most there was, which is
forgotten by half in 45 days, and of the strangers the mean; the hours at which
it sends; the networks it sends from.  What somebody else does with a stolen
password must not become normal: strangers count only where they are written to
from the account's own networks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

DAY: Final = 86400.0
HOUR: Final = 3600.0
FORGETS: Final = 0.9847
"""What a day leaves of a peak: half of it is left after 45."""
MEMORY: Final = 14
"""Days that a mean is taken of."""
LEAST_STRANGERS: Final = 5.0
"""Strangers a day that are nobody's jump."""
LEAST_AWAY: Final = 2.0
STEADY: Final = 6.0
"""Strangers a day that many write to."""
A_SALE: Final = 15.0
"""How many times its mean a day of those may have who write to more."""
MOST_COVER: Final = 15.0
A_DAY_OF_COVER: Final = 8 * MOST_COVER
"""What leaks of that in a day: it lasts three hours."""
GROWTH: Final = 2.0
MORE: Final = 5.0
"""By how much the most strangers of a day grow at once: what a thief did before midnight isn't normal after it."""
RARE: Final = 0.02
EXPERIENCE: Final = 50
"""Messages after which it is known at which hours an account sends."""
MOST_SEEN: Final = 12


@dataclass(slots=True)
class Level:
    """Something that flows in and leaks."""

    level: float = 0.0
    at: float = 0.0

    def now(self, now: float, a_day: float) -> float:
        """Return how much is left, where so much leaks in a day."""
        return max(0.0, self.level - max(0.0, now - self.at) / DAY * a_day)

    def add(self, amount: float, now: float, a_day: float) -> float:
        """Add something, or take it back; return the level."""
        self.level, self.at = max(0.0, self.now(now, a_day) + amount), now
        return self.level


@dataclass(slots=True)
class Count:
    """How much there was in a period, and the most there was in one.

    Attributes:
        period: its number.
        number: so far.
        last: how much there was in the period before.
        peak: the most there was in earlier periods.
    """

    period: int = 0
    number: float = 0.0
    last: float = 0.0
    peak: float = 0.0

    def roll(self, period: int, days: float, most: float = inf) -> None:
        """Go on to a period, where each lasts so many days; a peak becomes no higher than `most`."""
        passed = period - self.period
        if passed:
            self.peak = max(self.peak, min(self.number, most)) * FORGETS ** (passed * days)
            self.last = self.number if passed == 1 else 0.0
            self.period, self.number = period, 0.0

    def most(self, least: float, factor: float) -> float:
        """Return how much is no jump: so many times the peak, and in any case so much."""
        return max(least, factor * self.peak)


@dataclass(slots=True)
class Habits:
    """An account's normal, and its day.

    Attributes:
        strangers: at home, by day.
        mean: of them in a day.
        days: of which that is the mean.
        by_hour: recipients by the hour.
        by_day: likewise by the day.
        failures: recipients that failed, by day.
        hours: messages by the hour of the day, in UTC.
        near: strangers written to lately, from wherever.
        away: likewise from networks that aren't the account's.
        cover: how many strangers more may be written to from there, since so many friends were just now.
        seen: the last strangers: when, from where, who.
    """

    strangers: Count = field(default_factory=Count)
    mean: float = 0.0
    days: int = 0
    by_hour: Count = field(default_factory=Count)
    by_day: Count = field(default_factory=Count)
    failures: Count = field(default_factory=Count)
    hours: list[float] = field(default_factory=lambda: [0.0] * 24)
    near: Level = field(default_factory=Level)
    away: Level = field(default_factory=Level)
    cover: Level = field(default_factory=Level)
    seen: list[tuple[int, str, str]] = field(default_factory=list)

    def roll(self, now: float) -> None:
        """Let the time pass: what a day and an hour had becomes normal."""
        day, hour = int(now // DAY), int(now // HOUR)
        self.by_hour.roll(hour, 1 / 24)
        passed = day - self.strangers.period
        if not passed:
            return
        if self.strangers.period:
            self.days += 1
            self.mean += (self.strangers.number - self.mean) / min(MEMORY, self.days)
            self.mean *= (1 - 1 / MEMORY) ** (passed - 1)
            self.hours = [number * FORGETS**passed for number in self.hours]
        self.strangers.roll(day, 1, most=GROWTH * self.strangers.peak + MORE)
        for count in (self.by_day, self.failures):
            count.roll(day, 1)

    def most_strangers(self, least: float, factor: float) -> float:
        """Return how many strangers at once are no jump.

        Somebody who writes to few gets `least`; one who writes to a crowd now
        and then, about so many times that crowd; and one who does so day by
        day, a shop, some days' worth: it has sales.
        """
        return max(least, factor * self.strangers.peak - 1.5 * least, A_SALE * (self.mean - STEADY))

    @property
    def ease(self) -> float:
        """How many strangers a day may go on."""
        return max(LEAST_STRANGERS, 1.5 * self.mean)

    def is_unusual(self, now: float) -> bool:
        """Whether the account hardly ever sends at this time of day; not known of one that has sent little."""
        total, hour = sum(self.hours), int(now // HOUR) % 24
        around = self.hours[hour - 1] + self.hours[hour] + self.hours[(hour + 1) % 24]
        return total >= EXPERIENCE and around < RARE * total

    def add_cover(self, amount: float, now: float) -> None:
        """Let friends cover for strangers, or strangers use that up."""
        self.cover.add(amount, now, A_DAY_OF_COVER)
        self.cover.level = min(self.cover.level, MOST_COVER)

    def is_covered(self, now: float) -> bool:
        """Return whether a stranger is one of many friends."""
        return self.cover.now(now, A_DAY_OF_COVER) >= 1.0

    def see(self, now: float, host: str, address: str) -> None:
        """Remember a stranger as evidence."""
        self.seen.append((int(now), host, address))
        del self.seen[:-MOST_SEEN]

    def relax(self) -> None:
        """Forget all suspicion."""
        self.near, self.away, self.cover, self.seen = Level(), Level(), Level(), []

    def accept(self) -> None:
        """Take what led here as normal."""
        for count in (self.strangers, self.by_hour, self.by_day, self.failures):
            count.peak = max(count.peak, count.number)
        self.strangers.peak = max(self.strangers.peak, self.near.level)
        self.relax()

    def written(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "counts": [
                (each.period, each.number, each.last, each.peak)
                for each in (self.strangers, self.by_hour, self.by_day, self.failures)
            ],
            "levels": [(each.level, each.at) for each in (self.near, self.away, self.cover)],
            "mean": self.mean,
            "days": self.days,
            "hours": [int(10 * each) for each in self.hours],
            "seen": self.seen,
        }

    @classmethod
    def of(cls, written: dict[str, Any]) -> Habits:
        """Return what `written` returned."""
        strangers, by_hour, by_day, failures = (Count(*each) for each in written["counts"])
        near, away, cover = (Level(*each) for each in written["levels"])
        return cls(
            strangers,
            written["mean"],
            written["days"],
            by_hour,
            by_day,
            failures,
            [each / 10 for each in written["hours"]],
            near,
            away,
            cover,
            [(at, host, address) for at, host, address in written["seen"]],
        )


def to_json(value: dict[str, Any]) -> bytes:
    """Return the octets of what is written down."""
    return json.dumps(value, separators=(",", ":")).encode()
