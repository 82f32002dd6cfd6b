"""Messages that FETCH tells of together, as columns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from twistedmail_mta.access.imap.selected import Columns
from twistedmail_mta.mailbox.rows import Row


@dataclass(frozen=True, slots=True)
class Block:
    """Some messages, ascending; the lists go side by side.

    Attributes:
        numbers: their message numbers.
        uids: their UIDs.
        modseqs: of each one's last change.
        flags: bits of `mailbox.flags`.
        sizes: octets as it is sent.
        recent_from: messages from this UID on are recent.
        rows: what was read of each (`mailbox.described`); empty where nothing had to be.
    """

    numbers: Sequence[int]
    uids: Sequence[int]
    modseqs: Sequence[int]
    flags: Sequence[int]
    sizes: Sequence[int]
    recent_from: int
    rows: Sequence[Row] = ()


def index_blocks(positions: Sequence[range], size: int) -> Iterator[Sequence[int]]:
    """Yield the indices of these ranges in pieces of that size, as a range where nothing lies between."""
    if len(positions) == 1:
        yield from (positions[0][start : start + size] for start in range(0, len(positions[0]), size))
        return
    indices = chain.from_iterable(positions)
    while piece := list(islice(indices, size)):
        yield range(piece[0], piece[-1] + 1) if piece[-1] - piece[0] + 1 == len(piece) else piece


def block_of(columns: Columns, indices: Sequence[int], recent_from: int, rows: Sequence[Row] = ()) -> Block:
    """Return the messages at these indices.

    Args:
        columns: of the mailbox.
        indices: which, ascending.
        recent_from: messages from this UID on are recent.
        rows: what was read of each.
    """
    uids, modseqs, flags, sizes = (
        _picked(column, indices) for column in (columns.uids, columns.modseqs, columns.flags, columns.sizes)
    )
    numbers = range(indices[0] + 1, indices[-1] + 2) if isinstance(indices, range) else [index + 1 for index in indices]
    return Block(numbers, uids, modseqs, flags, sizes, recent_from, rows)


def _picked(numbers: Sequence[int], indices: Sequence[int]) -> Sequence[int]:
    if isinstance(indices, range):
        return numbers[indices.start : indices.stop]
    return [numbers[index] for index in indices]


def found_among(uids: Sequence[int], rows: Sequence[Row]) -> tuple[Sequence[int], int]:
    """Match rows to the messages they were asked for.

    Args:
        uids: that were asked for, ascending.
        rows: what was read, at least one, each beginning with its UID, ascending; of those up to the last one's UID
            all that are there.

    Returns:
        Where in `uids` each row's message is, and how many of `uids` have been looked at.
    """
    count = len(rows)
    if rows[-1][0] == uids[count - 1]:
        return range(count), count
    places = {uid: place for place, uid in enumerate(uids)}
    return [places[row[0]] for row in rows], bisect_right(uids, rows[-1][0])
