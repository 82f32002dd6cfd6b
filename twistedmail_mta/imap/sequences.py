"""Sets of message numbers and UIDs: read, found among a mailbox's messages, written (RFC 9051 section 9)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

LARGEST: Final = 0xFFFFFFFF
"""The largest number of a message, and UID."""
STAR: Final = LARGEST + 1
""""*": the last message, whichever that is.  Greater than every number, so ranges with it are in order too."""
LONGEST_SET: Final = 64 * 1024
"""Octets of a set that is read."""

Range = tuple[int, int]
"""The first and the last number."""

_TERM: Final = re.compile(rb"([1-9][0-9]{0,9}|\*)(?::([1-9][0-9]{0,9}|\*))?")
_UIDS: Final = re.compile(rb"[0-9:,]*")


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """A set as a client wrote it, in order and without overlaps.

    Attributes:
        ranges: ascending, with gaps between them; `STAR` may end the last.
        saved: "$" is in it, the result of a search that was saved (RFC 5182 section 2.1).
    """

    ranges: tuple[Range, ...]
    saved: bool = False

    def encode(self) -> bytes:
        """Return it as a client may write it."""
        return format_ranges(self.ranges) + (b"," if self.ranges and self.saved else b"") + b"$" * self.saved

    def exceeds(self, count: int) -> bool:
        """Return whether it names a message that a mailbox of `count` doesn't have (RFC 9051 section 9, seq-number).

        Where there are messages, a range to "*" never does: clients ask so for what may be new.
        "$" never does.
        """
        return (bool(self.ranges) and not count) or any(count < end != STAR for _, end in self.ranges[-2:])

    def uid_positions(self, uids: Sequence[int], saved: Sequence[int] = ()) -> list[range]:
        """Return where among a mailbox's UIDs those are that the set names; unknown ones count for nothing.

        Args:
            uids: of all its messages, ascending.
            saved: what "$" stands for: UIDs, ascending.

        Returns:
            Ranges of indices, ascending, with gaps between them.
        """
        named = self._clamped(uids[-1]) if uids else []
        found = [(bisect_left(uids, first), bisect_right(uids, last) - 1) for first, last in named]
        return self._positions(found, uids, saved)

    def number_positions(self, uids: Sequence[int], saved: Sequence[int] = ()) -> list[range]:
        """Return the same for a set of message numbers, clamped to those there are; "$" still stands for UIDs."""
        found = [(first - 1, last - 1) for first, last in self._clamped(len(uids))]
        return self._positions(found, uids, saved)

    def _clamped(self, last: int) -> list[Range]:
        """Return the ranges between 1 and `last`; "5:*" reaches back to `last` (RFC 9051 section 9, seq-range)."""
        return [
            (min(begin, last), min(end, last)) for begin, end in self.ranges if last and (begin <= last or end == STAR)
        ]

    def _positions(self, found: list[Range], uids: Sequence[int], saved: Sequence[int]) -> list[range]:
        if self.saved:
            ranges = [(bisect_left(uids, first), bisect_right(uids, last) - 1) for first, last in runs(saved)]
            found = found + ranges
        return [range(first, last + 1) for first, last in _united(pair for pair in found if pair[0] <= pair[1])]


def parse_set(text: bytes) -> SequenceSet:
    """Read a sequence-set, with "*" and "$".

    Raises:
        ValueError: it is none.
    """
    if len(text) > LONGEST_SET:
        raise ValueError("the set is too long")
    terms = text.split(b",")
    ranges = [_range(term) for term in terms if term != b"$"]
    return SequenceSet(tuple(_united(ranges)), saved=len(ranges) < len(terms))


def parse_uid_set(text: bytes) -> SequenceSet:
    """Read a set in which "*" isn't allowed, such as known-uids (RFC 7162 section 7).

    Raises:
        ValueError: it is none.
    """
    if not _UIDS.fullmatch(text):
        raise ValueError("only numbers can be in this set")
    return parse_set(text)


def runs(numbers: Iterable[int]) -> list[Range]:
    """Return ascending numbers as ranges."""
    found: list[Range] = []
    begin = last = -1
    for number in numbers:
        if number != last + 1 or last < 0:
            if last >= 0:
                found.append((begin, last))
            begin = number
        last = number
    return [*found, (begin, last)] if last >= 0 else found


def format_ranges(ranges: Iterable[Range]) -> bytes:
    """Return ranges as a set; empty for none, which no response may hold."""
    return b",".join(
        [_number(first) if first == last else _number(first) + b":" + _number(last) for first, last in ranges]
    )


def format_set(numbers: Iterable[int]) -> bytes:
    """Return ascending numbers as the shortest set (RFC 4315 section 3, RFC 4731 section 3.1)."""
    return format_ranges(runs(numbers))


def _range(term: bytes) -> Range:
    match = _TERM.fullmatch(term)
    if match is None:
        raise ValueError("a set has a number or a range between its commas")
    begin = _value(match[1])
    end = begin if match[2] is None else _value(match[2])
    return (begin, end) if begin <= end else (end, begin)


def _value(text: bytes) -> int:
    value = STAR if text == b"*" else int(text)
    if value > LARGEST and text != b"*":
        raise ValueError("a number in the set is too large")
    return value


def _number(value: int) -> bytes:
    return b"*" if value == STAR else b"%d" % value


def _united(ranges: Iterable[Range]) -> list[Range]:
    """Return them in order, with those as one that overlap or touch."""
    united: list[Range] = []
    for begin, end in sorted(ranges):
        if united and begin <= united[-1][1] + 1:
            united[-1] = (united[-1][0], max(united[-1][1], end))
        else:
            united.append((begin, end))
    return united
