"""Where the parts of a message lie: packed to be stored, read back, found by number."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Nesting(IntEnum):
    """What a part is made of."""

    LEAF = 0
    MULTIPART = 1
    MESSAGE = 2
    """Of type message/rfc822: one child, the message in it."""


class Encoding(IntEnum):
    """A content transfer encoding (RFC 2045 section 6.1)."""

    IDENTITY = 0
    """7bit, 8bit or binary: nothing to decode."""
    QUOTED_PRINTABLE = 1
    BASE64 = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a message; all places count octets from the begin of the message's body.

    The whole message is a part too. Its header isn't in the body: its
    `header` and `begin` are both 0.

    Attributes:
        nesting: what it is made of.
        encoding: how its body is encoded; always IDENTITY where parts are inside.
        header: where its header begins.
        begin: where its header, with the empty line, ends and its body begins.
        end: where its body ends.
        lines: line ends in its body.
        children: the parts in it, the one message in it for a message/rfc822.
    """

    nesting: Nesting
    encoding: Encoding
    header: int
    begin: int
    end: int
    lines: int
    children: tuple[Part, ...] = ()

    @property
    def message(self) -> Part | None:
        """The message in it, whose HEADER and TEXT can be asked for; None if there is none."""
        return self.children[0] if self.nesting is Nesting.MESSAGE else None


PartTree = Part
"""The part that is the whole message."""

_NUMBER: Final = re.compile("[1-9][0-9]{0,9}")
_NARROW: Final = struct.Struct("<BBHIIII")
_WIDE: Final = struct.Struct("<BBHQQQQ")
_RECORDS: Final = {1: _NARROW, 2: _WIDE}  # by the first octet of what is packed


def pack(tree: PartTree) -> bytes:
    """Return the tree as octets: a version, then a record for each part, parents first."""
    version = 1 if tree.end < 1 << 32 else 2
    record = _RECORDS[version]
    return bytes([version]) + b"".join(
        record.pack(part.nesting, part.encoding, len(part.children), part.header, part.begin, part.end, part.lines)
        for part in _every(tree)
    )


def read_parts(packed: bytes) -> PartTree:
    """Return the tree that `pack` has packed.

    Raises:
        ValueError: these octets are something else.
    """
    try:
        records = _RECORDS[packed[0]].iter_unpack(packed[1:])
        tree = _read(records)
    except (LookupError, struct.error, StopIteration) as error:
        raise ValueError("these octets are no packed parts") from error
    if next(records, None) is not None:
        raise ValueError("octets follow the packed parts")
    return tree


def find(tree: PartTree, number: str) -> Part | None:
    """Return the part with this number, as in "3.1.2" (RFC 9051 section 6.4.5.1).

    A message that isn't multipart is its own part 1; the parts of a
    message/rfc822 are those of the message in it.

    Returns:
        The part, the whole message for an empty number; None when there is
        no such part, or this is no number.
    """
    if not number:
        return tree
    found, inside = tree, _parts_of_message(tree)
    for digits in number.split("."):
        if not _NUMBER.fullmatch(digits) or int(digits) > len(inside):
            return None
        found = inside[int(digits) - 1]
        inside = _parts_inside(found)
    return found


def _every(part: Part) -> Iterator[Part]:
    """Yield the part and all in it, parents first."""
    waiting = [part]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(reversed(part.children))


def _read(records: Iterator[tuple[int, ...]]) -> Part:
    nesting, encoding, children, *places = next(records)
    header, begin, end, lines = places
    inside = tuple(_read(records) for _ in range(children))
    return Part(Nesting(nesting), Encoding(encoding), header, begin, end, lines, inside)


def _parts_of_message(message: Part) -> Sequence[Part]:
    return message.children if message.nesting is Nesting.MULTIPART else (message,)


def _parts_inside(part: Part) -> Sequence[Part]:
    return part.children if part.message is None else _parts_of_message(part.message)
