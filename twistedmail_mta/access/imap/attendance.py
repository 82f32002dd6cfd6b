"""How many sessions each account has open."""

from __future__ import annotations

from collections import Counter


class Attendance:
    """Counts the sessions of accounts, on all listeners."""

    def __init__(self) -> None:
        self._sessions: Counter[int] = Counter()

    def enter(self, account: int, most: int) -> bool:
        """Count one more session, unless there are `most` already; return whether it was counted."""
        if self._sessions[account] >= most:
            return False
        self._sessions[account] += 1
        return True

    def leave(self, account: int) -> None:
        """Count one less."""
        self._sessions[account] -= 1
        if not self._sessions[account]:
            del self._sessions[account]
