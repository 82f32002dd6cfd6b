"""Search keys that have to be asked of each message: dates, header fields, subjects (RFC 9051 section 6.4.4)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from enum import IntEnum
from itertools import accumulate
from typing import Any, Final

from twistedmail_mta.imap.search_key import Contains, Dated, Field, Key, Place, When
from twistedmail_mta.mail import stored_envelope
from twistedmail_mta.mail.casemap import casemapped
from twistedmail_mta.mail.decoded_field import decoded_field
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.sent_date import sent_day

_EPOCH: Final = date(1970, 1, 1).toordinal()
_DAY: Final = 86_400
_BLANKS: Final = (b" ", b"\t")
_ESCAPED: Final = (b'"', b"\\", b"\0")
_BETWEEN: Final = b"\0"
"""What no ENVELOPE holds, and no text that is looked for in this way."""
_UPPER: Final = bytes(range(256)).upper().replace(b"\t", b" ")
_IN_TEXT: Final = {Place.BODY, Place.TEXT}


class Need(IntEnum):
    """What has to be read of a message for a key, the cheapest first."""

    INTERNAL_DATE = 0
    ENVELOPE = 1
    HEAD = 2
    """The header block, with the lines of final delivery before it."""
    BODY = 3
    """All of it; the head alone may be enough to say yes to TEXT."""


Ask = Callable[[Sequence[Any]], bytes]
"""Returns the mask of the messages found, of a list of what was read of each."""


def need(key: Key) -> Need:
    """Return what a key that columns don't answer needs."""
    match key:
        case Dated(sent=False):
            return Need.INTERNAL_DATE
        case Dated() | Contains(place=Place.SUBJECT):
            return Need.ENVELOPE
        case Contains(place=place) if place in _IN_TEXT:
            return Need.BODY
        case _:
            return Need.HEAD


def ask(key: Key) -> Ask:
    """Return what asks a key of messages; not BODY and TEXT, whose texts come in pieces (`search_texts`)."""
    match key:
        case Dated(when, day, sent=False):
            return _arrived(when, (day.toordinal() - _EPOCH) * _DAY)
        case Dated(when, day):
            return _sent(when, day.toordinal())
        case Contains(Place.SUBJECT, text):
            return _subject(casemapped(text))
        case Contains(place, text):
            return _field(place.value.encode(), casemapped(text))
        case Field(name, text):
            return _field(name.encode("ascii", "replace"), casemapped(text))
        case _:
            raise ValueError("no row answers this key")


def _arrived(when: When, begin: int) -> Ask:
    """Ask of internal dates: their day is that of UTC, in which they are shown."""
    end = begin + _DAY
    match when:
        case When.BEFORE:
            return lambda dates: bytes([at < begin for at in dates])
        case When.SINCE:
            return lambda dates: bytes([at >= begin for at in dates])
        case When.ON:
            return lambda dates: bytes([begin <= at < end for at in dates])


def _sent(when: When, day: int) -> Ask:
    """Ask of ENVELOPEs when they were sent: the day that the Date field names, without its time and zone.

    A message without a Date that can be read is found by none of these keys:
    there is no such field that could be earlier, or later, than anything.
    """

    def of(envelope: bytes) -> int:
        value = stored_envelope.date(envelope)
        return 0 if value is None else sent_day(value)

    match when:
        case When.BEFORE:
            return lambda envelopes: bytes([0 < of(envelope) < day for envelope in envelopes])
        case When.SINCE:
            return lambda envelopes: bytes([of(envelope) >= day for envelope in envelopes])
        case When.ON:
            return lambda envelopes: bytes([of(envelope) == day for envelope in envelopes])


def _subject(needle: bytes) -> Ask:
    """Ask of ENVELOPEs; an empty text is in every Subject there is.

    Tabs, by which many programs fold, are blanks to people who look for words.
    """
    is_plain = needle.isascii() and not any(octet in needle for octet in _ESCAPED)

    def has(envelope: bytes) -> bool:
        value = stored_envelope.subject(envelope.replace(b"\t", b" "))
        return value is not None and needle in casemapped(decoded_field(value))

    def ask_all(envelopes: Sequence[bytes]) -> bytes:
        return bytes([has(envelope) for envelope in envelopes])

    def ask_some(envelopes: Sequence[bytes]) -> bytes:
        found = bytearray(len(envelopes))
        for index in _candidates(envelopes, needle):
            found[index] = has(envelopes[index])
        return bytes(found)

    return ask_some if is_plain and needle else ask_all


def _candidates(envelopes: Sequence[bytes], needle: bytes) -> set[int]:
    """Return the indices of those that may hold a text somewhere: as it is, in an encoded word, or not in ASCII.

    All are searched at once: most of what one alone would cost is the asking.
    """
    joined = _BETWEEN.join(envelopes)
    starts = list(accumulate(map(len, envelopes), lambda start, size: start + size + 1, initial=0))
    found = set(_holders(joined.translate(_UPPER), needle, starts))
    found.update(_holders(joined, b"=?", starts))
    if not joined.isascii():
        found.update(index for index, envelope in enumerate(envelopes) if not envelope.isascii())
    return found


def _holders(joined: bytes, wanted: bytes, starts: Sequence[int]) -> Iterator[int]:
    """Yield the indices of the texts that hold what is wanted, each once."""
    place = joined.find(wanted)
    while place >= 0:
        index = bisect_right(starts, place) - 1
        yield index
        place = joined.find(wanted, starts[index + 1])


def _field(name: bytes, needle: bytes) -> Ask:
    """Ask of headers; an empty text is in every such field there is."""
    is_plain = needle.isascii() and not any(blank in needle for blank in _BLANKS)

    def has(head: bytes) -> bool:
        if is_plain and needle not in head.upper() and head.isascii() and b"=?" not in head:
            return False
        return any(needle in casemapped(decoded_field(value)) for value in Header(head).get_all(name))

    return lambda heads: bytes([has(head) for head in heads])
