"""The Date field, read as tolerantly as it is written (RFC 5322 section 3.3, section 4.3)."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

from twistedmail_mta.mail.content_type import without_comments

_MONTHS: Final = {
    name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}
_ZONES: Final = {b"EST": -5, b"EDT": -4, b"CST": -6, b"CDT": -5, b"MST": -7, b"MDT": -6, b"PST": -8, b"PDT": -7}
_DATE: Final = re.compile(
    rb"\s*+(?:[A-Za-z]{2,12}+\s*+[,.]?\s*+)?([0-9]{1,2})[\s-]++([A-Za-z]{3})[A-Za-z]{0,9}+[.,]?[\s-]++([0-9]{2,4})(?![0-9])"
)
_TIME: Final = re.compile(rb"[\s,]*+([0-9]{1,2})\s*+[:.]\s*+([0-9]{2})(?:\s*+[:.]\s*+([0-9]{2}))?(?![0-9])")
_ZONE: Final = re.compile(rb"\s*+(?:(?:GMT|UTC?)?([+-])([0-9]{2}):?([0-9]{2})(?![0-9])|([A-Za-z]{3})(?![A-Za-z]))")
_EPOCH: Final = date(1970, 1, 1).toordinal()
_DAY: Final = 86_400
_LONGEST: Final = 200
"""Octets of a field that are looked at."""


class SentDate(NamedTuple):
    """When a message was sent.

    Attributes:
        day: where it was written, as `date.toordinal` counts, without time and
            zone: what SEARCH asks for (RFC 9051 section 6.4.4, SENTON).
        at: seconds since the epoch: what SORT and THREAD ask for (RFC 5256 section 2.2).
    """

    day: int
    at: int


def sent_date(value: bytes) -> SentDate | None:
    """Return what a Date field says, unfolded before; None if that is no date.

    A time that isn't valid is 00:00:00, a zone that isn't is UTC (RFC 5256 section 2.2).
    """
    found = _found(value)
    day = None if found is None else _day(*found.groups())
    if found is None or day is None:
        return None
    return SentDate(day, (day - _EPOCH) * _DAY + _second(found.string, found.end()))


def sent_day(value: bytes) -> int:
    """Return `SentDate.day` alone, which is sooner known; 0 for what is no date."""
    found = _found(value)
    return 0 if found is None else _day(*found.groups()) or 0


def _found(value: bytes) -> re.Match[bytes] | None:
    found = _DATE.match(value, 0, _LONGEST)
    if found is None and b"(" in value:
        found = _DATE.match(without_comments(value[:_LONGEST]))
    return found


@lru_cache(maxsize=4096)
def _day(day: bytes, month: bytes, year: bytes) -> int | None:
    try:
        return date(_year(year), _MONTHS[month.lower()], int(day)).toordinal()
    except (KeyError, ValueError):
        return None


def _year(digits: bytes) -> int:
    """Return the year; of two or three digits as RFC 5322 section 4.3 reads them."""
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year


def _second(value: bytes, start: int) -> int:
    """Return the second of the day in UTC, which may be of the day before or after."""
    found = _TIME.match(value, start)
    if found is None:
        return 0
    hour, minute, second = (int(digits or 0) for digits in found.groups())
    if hour > 23 or minute > 59 or second > 60:
        return 0
    return (hour * 60 + minute) * 60 + min(second, 59) - _offset(value, found.end())


def _offset(value: bytes, start: int) -> int:
    """Return how many seconds the zone is ahead of UTC."""
    found = _ZONE.match(value, start)
    if found is None:
        return 0
    sign, hours, minutes, name = found.groups()
    if name is not None:
        return _ZONES.get(name.upper(), 0) * 3600
    if int(hours) > 23 or int(minutes) > 59:
        return 0
    seconds = int(hours) * 3600 + int(minutes) * 60
    return -seconds if sign == b"-" else seconds
