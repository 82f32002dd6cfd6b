"""Keeps apart what sessions of a large mailbox would all do in the same moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

APART: Final = 0.02
"""Seconds between two sessions that look at all messages: others have more than half of that."""


@dataclass(slots=True)
class Turns:
    """Gives out moments, one after the other.

    Attributes:
        next_at: the first moment that nobody was given, in the clock's seconds.
    """

    next_at: float = 0.0

    def wait(self, now: float) -> float:
        """Return the seconds until a moment that nobody else was given."""
        moment = max(now, self.next_at)
        self.next_at = moment + APART
        return moment - now
