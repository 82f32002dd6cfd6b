"""Search keys that what is kept in memory of a mailbox answers, all messages at once."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from twistedmail_mta.imap.masks import all_of, at_least, in_ranges, mask_of, negated, number_of, with_bit
from twistedmail_mta.imap.search_key import ChangedSince, Fixed, Flagged, Key, Larger, Messages, Smaller
from twistedmail_mta.imap.sieve import Plan

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
        positions: returns where the messages of a set are: ranges of indices, ascending.
    """

    modseqs: array[int]
    flags: array[int]
    sizes: array[int]
    keywords: Mapping[str, int]
    first_recent: int
    positions: Callable[[Messages], Sequence[range]]


class ColumnKeys:
    """The keys of a search that columns answer."""

    __slots__ = ("_columns", "_positions", "plan")

    def __init__(self, plan: Plan, columns: SearchColumns) -> None:
        """Take a search, and a copy of the columns that nobody changes meanwhile."""
        self.plan = plan
        self._columns = columns
        self._positions = {
            leaf: columns.positions(key) for leaf, key in enumerate(plan.leaves) if isinstance(key, Messages)
        }

    @property
    def modseqs(self) -> Sequence[int]:
        """Of each message's last change, when the columns were copied."""
        return self._columns.modseqs

    def masks(self, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield for each of these keys, by its place in the plan, which messages between two indices it finds."""
        columns = self._columns
        cut = slice(begin, end)
        here = _Here(columns.modseqs[cut], columns.flags[cut], columns.sizes[cut], columns.first_recent - begin)
        for leaf, key in enumerate(self.plan.leaves):
            positions = self._positions.get(leaf)
            mask = here.answer(key, columns.keywords) if positions is None else _in_some(positions, begin, end)
            if mask is not None:
                yield leaf, mask


@dataclass(frozen=True, slots=True)
class _Here:
    """A piece of the columns."""

    modseqs: array[int]
    flags: array[int]
    sizes: array[int]
    first_recent: int

    def answer(self, key: Key, keywords: Mapping[str, int]) -> bytes | None:
        match key:
            case Fixed():
                return self._fixed(key)
            case Flagged(flag):
                name = flag.lower()
                bit = SYSTEM_FLAGS.get(name, keywords.get(name))
                return bytes(len(self.flags)) if bit is None else with_bit(self.flags, bit)
            case Larger(size):
                return at_least(self.sizes, size + 1)
            case Smaller(size):
                return negated(at_least(self.sizes, size))
            case ChangedSince(mod_sequence):
                return at_least(self.modseqs, mod_sequence)
            case _:
                return None

    def _fixed(self, key: Fixed) -> bytes:
        count = len(self.flags)
        recent = in_ranges([range(max(0, self.first_recent), count)], count)
        match key:
            case Fixed.ALL:
                return mask_of(all_of(count), count)
            case Fixed.OLD:
                return negated(recent)
            case Fixed.RECENT:
                return recent
            case Fixed.NEW:
                seen = with_bit(self.flags, SYSTEM_FLAGS["\\seen"])
                return mask_of(number_of(negated(seen)) & number_of(recent), count)


def _in_some(positions: Sequence[range], begin: int, end: int) -> bytes:
    """Return which messages between two indices are at these positions."""
    first = bisect_right(positions, begin, key=_stop)
    last = bisect_left(positions, end, key=_start)
    clipped = [range(max(one.start, begin) - begin, min(one.stop, end) - begin) for one in positions[first:last]]
    return in_ranges(clipped, end - begin)


_start: Final = attrgetter("start")
_stop: Final = attrgetter("stop")
