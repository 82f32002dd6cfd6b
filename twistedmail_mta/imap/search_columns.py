"""Search keys that what is kept in memory of a mailbox answers, all messages at once."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.imap.masks import all_of, at_least, in_ranges, mask_of, number_of, with_bit
from twistedmail_mta.imap.search_key import ChangedSince, Fixed, Flagged, Key, Larger, Messages, Smaller
from twistedmail_mta.imap.sequences import SequenceSet

SYSTEM_FLAGS: Final = {"\\seen": 0, "\\answered": 1, "\\flagged": 2, "\\deleted": 3, "\\draft": 4}
"""The bits of the flags that every mailbox has, as `mailbox.flags` has them."""


@dataclass(frozen=True, slots=True)
class SearchColumns:
    """Columns of a mailbox, each message at the index of its number less one.

    Attributes:
        modseqs: of each message's last change; of 8 octets, as the next two.
        flags: as bits.
        sizes: in octets.
        keywords: the bits of keywords, by their names in lower case.
        first_recent: the index of the first message that is recent; their count if there is none.
        positions: returns where messages of a set are, by UID or number.
    """

    modseqs: array[int]
    flags: array[int]
    sizes: array[int]
    keywords: Mapping[str, int]
    first_recent: int
    positions: Callable[[SequenceSet, bool], Sequence[range]]


def first_recent(uids: Sequence[int], recent_from: int) -> int:
    """Return the index of the first message that is recent, if messages are from a UID on."""
    return bisect_left(uids, recent_from)


def answer(key: Key, columns: SearchColumns) -> bytes | None:
    """Return the mask of the messages that a key finds; None if it asks for what isn't kept in memory."""
    match key:
        case Fixed():
            return _fixed(key, columns)
        case Flagged(flag):
            return _flagged(flag.lower(), columns)
        case Messages(numbers, by_uid):
            return in_ranges(columns.positions(numbers, by_uid), len(columns.flags))
        case Larger() | Smaller():
            larger = at_least(columns.sizes, key.size + isinstance(key, Larger))
            return larger if isinstance(key, Larger) else _negated(larger)
        case ChangedSince(mod_sequence):
            return at_least(columns.modseqs, mod_sequence)
        case _:
            return None


def _flagged(name: str, columns: SearchColumns) -> bytes:
    bit = SYSTEM_FLAGS.get(name, columns.keywords.get(name))
    return bytes(len(columns.flags)) if bit is None else with_bit(columns.flags, bit)


def _fixed(key: Fixed, columns: SearchColumns) -> bytes:
    count = len(columns.flags)
    everything = range(count)
    recent = everything[columns.first_recent :]
    match key:
        case Fixed.ALL:
            return in_ranges([everything], count)
        case Fixed.OLD:
            return in_ranges([everything[: columns.first_recent]], count)
        case Fixed.RECENT:
            return in_ranges([recent], count)
        case Fixed.NEW:
            unseen = _negated(with_bit(columns.flags, SYSTEM_FLAGS["\\seen"]))
            return mask_of(number_of(unseen) & number_of(in_ranges([recent], count)), count)


def _negated(mask: bytes) -> bytes:
    return mask_of(all_of(len(mask)) ^ number_of(mask), len(mask))
