"""The pace of a lane: how much runs at once, adapted to what its next hop bears, and when it rests (PURE)."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.model import Deferred, LaneTerms, Reply

FIRST_CONCURRENCY: Final = 2
FIRST_PAUSE: Final = 1.0
"""Seconds of rest after the first failure, unless the site file says otherwise."""
PAUSE_GROWTH: Final = 2.0
LONGEST_PAUSE: Final = 300.0
DEAD_AFTER: Final = 3
"""Failures to reach a next hop, one after the other, after which mail isn't kept waiting for it in memory."""


class Pace:
    """How fast one lane goes.

    One more transfer at a time may run after a cohort of successes, as many
    as may run at present.  When the next hop can't be reached, or says that
    it gets too much, the lane goes back to one and rests, longer each time.
    What had begun before a setback counts neither for nor against it.

    Attributes:
        terms: what the site file says of the lane.
        concurrency: how many may run now.
        obstacle: the outcome that mail for a dead next hop gets; None while
            it isn't thought dead.
        said: the last answer of the next hop, or why it wasn't reached; None while nothing is known.
    """

    __slots__ = ("_era", "_most", "_next_at", "_setbacks", "_won", "concurrency", "obstacle", "said", "terms")

    def __init__(self, terms: LaneTerms, most: int) -> None:
        """Begin a lane.

        Args:
            terms: its name, and what the site file says of it.
            most: transfers that may run at once, unless the terms say otherwise.
        """
        self.terms = terms
        self.obstacle: Deferred | None = None
        self.said: Reply | None = None
        self._most = terms.concurrency or most
        self.concurrency = min(FIRST_CONCURRENCY, self._most)
        self._won = 0
        self._setbacks = 0
        self._era = 0
        self._next_at = 0.0

    def rest(self, now: float) -> float:
        """Return the seconds until the next transfer may begin; 0 or less: at once."""
        return self._next_at - now

    def is_dead(self, now: float) -> bool:
        """Return whether the next hop is out of reach, and isn't to be tried yet."""
        return self.obstacle is not None and now < self._next_at

    def begin(self, now: float) -> int:
        """Note that a transfer begins; return the era it belongs to."""
        if self.terms.interval:
            self._next_at = now + self.terms.interval
        return self._era

    def succeed(self, era: int) -> None:
        """Note that a transfer was answered by the next hop, whatever it said of the mail."""
        self.obstacle = None
        if era != self._era:
            return
        self._setbacks = 0
        self._won += 1
        if self._won >= self.concurrency:
            self._won = 0
            self.concurrency = min(self.concurrency + 1, self._most)

    def fail(self, era: int, now: float, outcome: Deferred | None = None, pause: float = 0.0) -> None:
        """Note a setback.

        Args:
            era: what `begin` said.
            now: the time.
            outcome: why the next hop wasn't reached; None when it was, and wants less.
            pause: the seconds of rest it asked for; it gets them within our limits.
        """
        if era != self._era:
            return
        self._era += 1
        self._won = 0
        self.concurrency = 1
        first = self.terms.pause or FIRST_PAUSE
        grown = max(pause, first * PAUSE_GROWTH**self._setbacks)
        self._next_at = now + min(grown, max(LONGEST_PAUSE, first))
        self._setbacks = min(self._setbacks + 1, 60)
        self.obstacle = outcome if self._setbacks >= DEAD_AFTER else None
