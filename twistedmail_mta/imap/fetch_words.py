"""Words of FETCH responses (RFC 9051 section 7.5.2)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from twistedmail_mta.imap.fetch import Binary, BinarySize, Item, Section, Text, Wanted
from twistedmail_mta.mail.imap_string import string

_MONTHS: Final = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = 24 * 60 * 60
_FIRST: Final = -62_135_596_800
_LAST: Final = 253_402_300_799
"""The last second of the year 9999; the first of the year 1 is `_FIRST`."""
_ATOM: Final = re.compile(rb"[!#$&'+-\[\]^-z|}~]+")


def label(wanted: Wanted) -> bytes:
    """Return what an item is called before its value."""
    match wanted:
        case Item():
            return wanted.value.encode()
        case Section():
            return b"BODY[%b]%b" % (_section(wanted), _origin(wanted))
        case Binary():
            return b"BINARY[%b]%b" % (wanted.part.encode(), _origin(wanted))
        case BinarySize():
            return b"BINARY.SIZE[%b]" % wanted.part.encode()


def _section(section: Section) -> bytes:
    place = ".".join(filter(None, (section.part, section.text.value))).encode()
    if section.text not in {Text.FIELDS, Text.FIELDS_NOT}:
        return place
    return b"%b (%b)" % (place, b" ".join(map(_astring, section.fields)))


def _astring(name: bytes) -> bytes:
    return name if _ATOM.fullmatch(name) else string(name)


def _origin(wanted: Section | Binary) -> bytes:
    return b"" if wanted.partial is None else b"<%d>" % wanted.partial.offset


def literal(octets: bytes) -> bytes:
    """Return octets as a literal; NUL, which none may hold (RFC 9051 section 9, literal), becomes 0x80.

    So every count stays as RFC822.SIZE and BODYSTRUCTURE say it.
    """
    return b"{%d}\r\n%b" % (len(octets), without_nul(octets))


def without_nul(octets: bytes) -> bytes:
    """Return octets of a literal as they are sent."""
    return octets.replace(b"\0", b"\x80")


def date_time(seconds: int) -> bytes:
    """Return a date-time in UTC, its quotes and all (RFC 9051 section 9).

    Args:
        seconds: since the epoch; what is outside of the years 1 to 9999 is told as their first or last.
    """
    day, second = divmod(min(max(seconds, _FIRST), _LAST), _DAY)
    minute, second = divmod(second, 60)
    return b'"%b %02d:%02d:%02d +0000"' % (_date(day), minute // 60, minute % 60, second)


@lru_cache(1000)
def _date(day: int) -> bytes:
    date = _EPOCH + timedelta(days=day)
    return b"%2d-%b-%04d" % (date.day, _MONTHS[date.month - 1], date.year)
