"""Answers about many messages at once: one octet for each, 1 for yes and 0 for no.

As octets they are made and picked out, as numbers they are put together: none
of it goes through the messages one by one.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import compress
from typing import Final

_YES: Final = b"\1"
_NO: Final = b"\0"
_FEW: Final = 4
"""One of so many is few: then looking for them costs less than going through all."""
_WIDTH: Final = 8
"""Octets of a number in the columns."""


def number_of(mask: bytes) -> int:
    """Return a mask as a number, for `&`, `|` and `^`."""
    return int.from_bytes(mask, "little")


def mask_of(number: int, count: int) -> bytes:
    """Return a number as the mask of so many messages."""
    return number.to_bytes(count, "little")


@lru_cache(8)
def all_of(count: int) -> int:
    """Return the mask of so many messages that says yes for each, as a number."""
    return number_of(_YES * count)


def negated(mask: bytes) -> bytes:
    """Return the mask that says no where this one says yes."""
    return mask_of(all_of(len(mask)) ^ number_of(mask), len(mask))


def in_ranges(ranges: Iterable[range], count: int) -> bytes:
    """Return which messages are at indices of these ranges."""
    mask = bytearray(count)
    for indices in ranges:
        mask[indices.start : indices.stop] = _YES * len(indices)
    return bytes(mask)


def with_bit(numbers: array[int], bit: int) -> bytes:
    """Return which numbers have a bit set; it is counted from 0, and no number is negative."""
    octet, place = divmod(bit, 8)
    return _plane(numbers.tobytes(), octet).translate(_WITH_BIT[place])


def at_least(numbers: array[int], least: int) -> bytes:
    """Return which numbers, none of them negative, are `least` or greater.

    They are compared octet by octet, the first that differs decides.
    """
    count, octets = len(numbers), numbers.tobytes()
    if least >> (8 * _WIDTH):
        return bytes(count)
    greater, equal = 0, all_of(count)
    for octet in reversed(range(_WIDTH)):
        plane, here = _plane(octets, octet), least >> (8 * octet) & 0xFF
        greater |= equal & number_of(plane.translate(_ABOVE[here]))
        equal &= number_of(plane.translate(_EQUAL[here]))
    return mask_of(greater | equal, count)


def runs_of(mask: bytes) -> Iterator[range]:
    """Yield the indices where it says yes, those next to one another as one range."""
    begin = mask.find(_YES)
    while begin >= 0:
        end = mask.find(_NO, begin)
        end = len(mask) if end < 0 else end
        yield range(begin, end)
        begin = mask.find(_YES, end)


def indices_of(mask: bytes, first: int = 0) -> Iterable[int]:
    """Return the indices where it says yes, counted from `first`; few of many without making a number of each."""
    if mask.count(_YES) * _FEW >= len(mask):
        return compress(range(first, first + len(mask)), mask)
    found, place = [], first - 1
    for nos in mask.split(_YES)[:-1]:
        place += len(nos) + 1
        found.append(place)
    return found


def spread(answers: Iterable[int], where: bytes) -> bytes:
    """Return a mask whose yes and no are put, in their order, where `where` says yes; elsewhere is no."""
    following = iter(answers)
    return bytes([next(following) if one else 0 for one in where])


def _plane(octets: bytes, place: int) -> bytes:
    """Return one octet of each number, counted from the lowest."""
    return octets[place if sys.byteorder == "little" else _WIDTH - 1 - place :: _WIDTH]


_WITH_BIT: Final = [bytes(octet >> bit & 1 for octet in range(256)) for bit in range(8)]
_ABOVE: Final = [bytes(octet > least for octet in range(256)) for least in range(256)]
_EQUAL: Final = [bytes(octet == least for octet in range(256)) for least in range(256)]
