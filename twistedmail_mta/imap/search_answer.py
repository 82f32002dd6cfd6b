"""What a search found, in pieces that are sent one after the other (RFC 9051 section 7.3.4, RFC 3501 section 7.2.5)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, islice
from typing import Final

from twistedmail_mta.imap.masks import indices_of, runs_of
from twistedmail_mta.imap.search import Result
from twistedmail_mta.imap.sequences import Range, format_ranges, runs

AT_ONCE: Final = 4000
"""Numbers in a piece: about a millisecond of work."""

_SHOWN: Final = frozenset({Result.MIN, Result.MAX, Result.ALL, Result.COUNT})


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        mask: which messages, by number less one.
        uids: of all messages.
        by_uid: UIDs are told, not numbers.
        modseqs: of all messages, if the client asked for MODSEQ and is told the highest; else None.
    """

    mask: bytes
    uids: Sequence[int]
    by_uid: bool
    modseqs: Sequence[int] | None = None

    @property
    def count(self) -> int:
        """How many messages."""
        return self.mask.count(1)

    @property
    def first(self) -> int:
        """The index of the first; -1 if there is none."""
        return self.mask.find(1)

    @property
    def last(self) -> int:
        """The index of the last; -1 if there is none."""
        return self.mask.rfind(1)

    def number(self, index: int) -> int:
        """Return what the client calls a message."""
        return self.uids[index] if self.by_uid else index + 1

    def numbers(self) -> Iterable[int]:
        """Return what the client calls them, ascending."""
        if not self.by_uid:
            return indices_of(self.mask, 1)
        uids = self.uids
        if uids and uids[-1] - uids[0] == len(uids) - 1:  # none is missing
            return indices_of(self.mask, uids[0])
        return map(uids.__getitem__, indices_of(self.mask))

    def ranges(self) -> Iterator[Range]:
        """Yield the same as ranges in which there is no other number."""
        for run in runs_of(self.mask):
            if not self.by_uid:
                yield run.start + 1, run.stop
            elif self.uids[run.stop - 1] - self.uids[run.start] == len(run) - 1:
                yield self.uids[run.start], self.uids[run.stop - 1]
            else:
                for begin in range(run.start, run.stop, AT_ONCE):
                    yield from runs(self.uids[begin : min(begin + AT_ONCE, run.stop)])

    def highest(self, indices: Iterable[int] | None = None) -> int | None:
        """Return the highest mod-sequence of some, or all, of the messages found; None if it isn't told."""
        if self.modseqs is None or self.first < 0:
            return None
        if indices is None:
            return max(compress(self.modseqs, self.mask))
        return max(self.modseqs[index] for index in indices)


def search_line(found: Found) -> Iterator[bytes]:
    """Yield the SEARCH response of IMAP4rev1."""
    yield b"* SEARCH"
    yield from numbers_line(found.numbers(), found.highest())


def numbers_line(numbers: Iterable[int], highest: int | None) -> Iterator[bytes]:
    """Yield numbers, the highest mod-sequence (RFC 7162 section 3.1.6), and the end of the line."""
    following = iter(numbers)
    while some := list(islice(following, AT_ONCE)):
        yield b" %d" * len(some) % tuple(some)
    yield b"\r\n" if highest is None else b" (MODSEQ %d)\r\n" % highest


def esearch_line(found: Found, tag: bytes, results: frozenset[Result]) -> Iterator[bytes]:
    """Yield the ESEARCH response; nothing where all that was wanted is that the result be kept.

    Args:
        found: what was found.
        tag: of the command; no octet of it has to be quoted.
        results: what was asked for.
    """
    if not results & _SHOWN:
        return
    yield b'* ESEARCH (TAG "%b")%b' % (tag, b" UID" * found.by_uid)
    if found.first >= 0:
        if Result.MIN in results:
            yield b" MIN %d" % found.number(found.first)
        if Result.MAX in results:
            yield b" MAX %d" % found.number(found.last)
    if Result.COUNT in results:
        yield b" COUNT %d" % found.count
    if Result.ALL in results and found.first >= 0:
        yield b" ALL "
        yield from _set(found.ranges())
    highest = found.highest(ends(found, results))
    yield b"\r\n" if highest is None else b" MODSEQ %d\r\n" % highest


def _set(ranges: Iterator[Range]) -> Iterator[bytes]:
    comma = b""
    while some := list(islice(ranges, AT_ONCE // 2)):
        yield comma + format_ranges(some)
        comma = b","


def ends(found: Found, results: frozenset[Result]) -> Sequence[int] | None:
    """Return the indices of the ends that were asked for; None where that is all (RFC 4731 section 3.2)."""
    if found.first < 0 or results & {Result.ALL, Result.COUNT} or not results & {Result.MIN, Result.MAX}:
        return None
    first = [found.first] if Result.MIN in results else []
    last = [found.last] if Result.MAX in results else []
    return first if first == last else first + last


def kept(found: Found, results: frozenset[Result]) -> array[int]:
    """Return the UIDs that "$" stands for afterwards (RFC 5182 section 2.4), ascending."""
    indices = ends(found, results)
    return array("I", compress(found.uids, found.mask) if indices is None else map(found.uids.__getitem__, indices))
