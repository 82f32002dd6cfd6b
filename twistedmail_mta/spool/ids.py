"""Message ids: time-ordered, unique among the processes of a host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

EPOCH: Final = 1_577_836_800
"""2020-01-01T00:00:00Z: ids count milliseconds from here, for 139 years."""

PROCESSES: Final = 512
"""How many processes can make ids beside one another."""

_SEQUENCE_BITS: Final = 12
_PROCESS_BITS: Final = 9
_TIME_SHIFT: Final = _SEQUENCE_BITS + _PROCESS_BITS
_LAST_SEQUENCE: Final = (1 << _SEQUENCE_BITS) - 1


class MessageIds:
    """Makes 63-bit ids: 42 bits of milliseconds, 9 of process, 12 of sequence.

    Each is greater than the one before, even when the clock steps back or
    more than 4,096 are made in a millisecond: then they run ahead of it.
    """

    __slots__ = ("_moment", "_now", "_process", "_sequence")

    def __init__(self, now: Callable[[], float], process: int, last: int = 0) -> None:
        """Go on after `last`.

        Args:
            now: the time, in seconds since the epoch.
            process: this process's number, below `PROCESSES`; unique on the host.
            last: the greatest id in store, whichever process made it.
        """
        if not 0 <= process < PROCESSES:
            raise ValueError(f"process number out of range: {process}")
        self._now = now
        self._process = process << _SEQUENCE_BITS
        self._moment = last >> _TIME_SHIFT
        self._sequence = _LAST_SEQUENCE

    def new(self) -> int:
        """Return an id greater than every earlier one of this process."""
        moment = int((self._now() - EPOCH) * 1000)
        if moment > self._moment:
            self._moment, self._sequence = moment, 0
        elif self._sequence < _LAST_SEQUENCE:
            self._sequence += 1
        else:
            self._moment, self._sequence = self._moment + 1, 0
        return self._moment << _TIME_SHIFT | self._process | self._sequence


def made_at(message_id: int) -> float:
    """Return when an id was made, in seconds since the epoch."""
    return (message_id >> _TIME_SHIFT) / 1000 + EPOCH
