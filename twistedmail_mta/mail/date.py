"""Dates as header fields write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def date_text(at: float, offset: int) -> str:
    """Return a date and time in the form of RFC 5322 section 3.3.

    Args:
        at: seconds since the epoch, between the years 1 and 9999.
        offset: how far local time is ahead of UTC, in seconds; whole minutes count.
    """
    return _text(int(at), offset // 60)


@lru_cache(16)
def _text(second: int, minutes: int) -> str:
    local = _EPOCH + timedelta(seconds=second + minutes * 60)
    sign, (hour, minute) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    return (
        f"{_DAYS[local.weekday()]}, {local.day} {_MONTHS[local.month - 1]} {local.year:04d} "
        f"{local.hour:02d}:{local.minute:02d}:{local.second:02d} {sign}{hour:02d}{minute:02d}"
    )
