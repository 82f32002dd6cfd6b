"""Trouble that lasts is told now and then, not with every login it keeps out."""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IReactorTime

TOLD_EVERY: Final = 60.0
"""Seconds between two lines in the log about the same trouble."""


class Trouble:
    """Remembers what was told last."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._reason = ""
        self._told_at = float("-inf")

    def is_news(self, reason: str) -> bool:
        """Return whether to tell of it: it is another reason than last, or a minute has passed."""
        now = self._clock.seconds()
        if reason == self._reason and now - self._told_at < TOLD_EVERY:
            return False
        self._reason, self._told_at = reason, now
        return True
