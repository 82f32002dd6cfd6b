"""Items of FETCH whose values are at hand for many messages at once, formatted together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Final

from twistedmail_mta.access.imap.fetch_block import Block
from twistedmail_mta.imap.fetch import Item, Section, Text, Wanted
from twistedmail_mta.imap.fetch_words import date_time, label, literal
from twistedmail_mta.imap.field_subset import FieldSubset
from twistedmail_mta.imap.flag_list import FlagLists
from twistedmail_mta.imap.sections import Span
from twistedmail_mta.mail.body_structure import body
from twistedmail_mta.mailbox.described import Column


@dataclass(frozen=True, slots=True)
class Value:
    """An item.

    Attributes:
        directives: its label, and how its value is put behind it, in the words of `bytes.__mod__`.
        of: returns the values for a block.
    """

    directives: bytes
    of: Callable[[Block], Sequence[int] | Sequence[bytes]]


_HEAD: Final = (Column.PREFIX, Column.HEADER)
_COLUMNS: Final[Mapping[Wanted, tuple[Column, ...]]] = {
    Item.FLAGS: (),
    Item.UID: (),
    Item.MODSEQ: (),
    Item.SIZE: (),
    Item.INTERNALDATE: (Column.INTERNAL_DATE,),
    Item.ENVELOPE: (Column.ENVELOPE,),
    Item.BODYSTRUCTURE: (Column.STRUCTURE,),
    Item.BODY: (Column.STRUCTURE,),
    Item.RFC822_HEADER: _HEAD,
}


_KNOWN: Final[Mapping[Item, tuple[bytes, Callable[[Block], Sequence[int]]]]] = {
    Item.UID: (b"%d", attrgetter("uids")),
    Item.MODSEQ: (b"(%d)", attrgetter("modseqs")),
    Item.SIZE: (b"%d", attrgetter("sizes")),
}
_CHANGED: Final[Mapping[Item, Callable[..., bytes]]] = {Item.INTERNALDATE: date_time, Item.BODY: body}


def value_columns(wanted: Wanted) -> tuple[Column, ...] | None:
    """Return what has to be read for an item; None when it needs more than its message's row and header."""
    if isinstance(wanted, Section):
        return None if wanted.part or wanted.text in {Text.ALL, Text.TEXT} else _HEAD
    return _COLUMNS.get(wanted)


def value(wanted: Wanted, columns: Sequence[Column], flags: FlagLists) -> Value:
    """Return an item that `value_columns` knows.

    Args:
        wanted: which.
        columns: those of the rows.
        flags: of the mailbox, worded.
    """
    name = label(wanted).replace(b"%", b"%%") + b" "
    if not isinstance(wanted, Item) or wanted is Item.RFC822_HEADER:
        return Value(name + b"%b", _headers(columns, _header_of(wanted)))
    if wanted is Item.FLAGS:
        return Value(name + b"%b", partial(_flags, flags))
    if wanted in _KNOWN:
        directive, of = _KNOWN[wanted]
        return Value(name + directive, of)
    place = columns.index(_COLUMNS[wanted][0]) + 1
    change = _CHANGED.get(wanted)
    return Value(name + b"%b", _plain(place) if change is None else _each(place, change))


def _flags(flags: FlagLists, block: Block) -> Sequence[bytes]:
    if block.uids[-1] < block.recent_from:
        return list(map(flags.of, block.flags))
    return [flags.of(bits, recent=uid >= block.recent_from) for uid, bits in zip(block.uids, block.flags, strict=True)]


def _plain(place: int) -> Callable[[Block], Sequence[bytes]]:
    return lambda block: [row[place] for row in block.rows]


def _each(place: int, change: Callable[..., bytes]) -> Callable[[Block], Sequence[bytes]]:
    return lambda block: [change(row[place]) for row in block.rows]


def _headers(columns: Sequence[Column], change: Callable[[bytes], bytes]) -> Callable[[Block], Sequence[bytes]]:
    prefix, header = columns.index(Column.PREFIX) + 1, columns.index(Column.HEADER) + 1
    return lambda block: [literal(change(row[prefix] + row[header])) for row in block.rows]


def _header_of(wanted: Wanted) -> Callable[[bytes], bytes]:
    """Return what makes of a header what is wanted of it."""
    if not isinstance(wanted, Section):
        return bytes
    chosen = header_text(wanted)
    piece = wanted.partial
    if piece is None:
        return chosen

    def cut(header: bytes) -> bytes:
        octets = chosen(header)
        span = Span(0, len(octets)).cut(piece)
        return octets[span.begin : span.end]

    return cut


def header_text(section: Section) -> Callable[[bytes], bytes]:
    """Return what makes of a header block the text that a section means, before it is cut."""
    if section.text not in {Text.FIELDS, Text.FIELDS_NOT}:
        return bytes
    return FieldSubset(section.fields, others=section.text is Text.FIELDS_NOT).of


class Lines:
    """Formats whole responses, a block in one operation: most of what a message would cost alone is saved."""

    def __init__(self, values: Sequence[Value]) -> None:
        items = b" ".join(value.directives for value in values)
        self._line = b"* %d FETCH (" + items + b")\r\n"
        self._values = values
        self._lines = b""
        self._count = 0

    def of(self, block: Block) -> bytes:
        """Return the responses for a block."""
        count = len(block.numbers)
        if count != self._count:
            self._count, self._lines = count, self._line * count
        columns = [value.of(block) for value in self._values]
        return self._lines % tuple(chain.from_iterable(zip(block.numbers, *columns, strict=True)))
