"""The records of a DNS message, found without building what nobody asked for.

A message of hostile origin can hold hundreds of records with names of 127
labels, which take dnspython most of a second to build as objects.  Here names
are octets, each read once, and only the records asked for become objects.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Section = Literal["answer", "authority", "additional"]

MAX_NAME: Final = 255
_MAX_POINTERS: Final = 32
_SECTIONS: Final[tuple[Section, ...]] = ("answer", "authority", "additional")
_RECORD: Final = struct.Struct("!HHIH")


@dataclass(frozen=True, slots=True)
class Record:
    """One record, its content left where it is.

    Attributes:
        section: where it stands.
        owner: its name, in lower case, as length-prefixed labels.
        rdtype: the type.
        rdclass: the class; of an OPT record the sender's payload size.
        ttl: in seconds; of an OPT record the extended flags.
        start: the offset of its content.
        size: octets of its content.
    """

    section: Section
    owner: bytes
    rdtype: int
    rdclass: int
    ttl: int
    start: int
    size: int


class Names:
    """The names of one message (RFC 1035 section 4.1.4), each read once."""

    def __init__(self, wire: bytes) -> None:
        self._wire = wire
        self._known: dict[int, bytes] = {}

    def at(self, start: int) -> bytes:
        """Return the name that begins at `start`, in lower case, uncompressed.

        Raises:
            ValueError: it is too long, runs out of the message, or its pointers don't lead backwards.
        """
        hops: list[tuple[int, bytes]] = []
        tail = self._known.get(start)
        begin = start
        while tail is None:
            end, target = self._scan(begin)
            if target is None:
                hops.append((begin, self._wire[begin:end]))
                tail = b""
            elif target >= begin or len(hops) >= _MAX_POINTERS:
                raise ValueError("a compressed name that leads nowhere")
            else:
                hops.append((begin, self._wire[begin : end - 2]))
                begin, tail = target, self._known.get(target)
        for begin, labels in reversed(hops):
            tail = self._known[begin] = labels.lower() + tail
        if len(tail) > MAX_NAME:
            raise ValueError("a name that is too long")
        return tail

    def end(self, start: int) -> int:
        """Return where the name that begins at `start` ends, its pointer or final zero included.

        Raises:
            ValueError: it does not end.
        """
        return self._scan(start)[0]

    def _scan(self, start: int) -> tuple[int, int | None]:
        """Return the end, and where the pointer leads if there is one."""
        wire, place = self._wire, start
        while place < len(wire) and place - start < MAX_NAME:
            size = wire[place]
            if size == 0:
                return place + 1, None
            if size >= 0xC0 and place + 1 < len(wire):
                return place + 2, (size & 0x3F) << 8 | wire[place + 1]
            if size >= 0x40:
                break
            place += 1 + size
        raise ValueError("a name that does not end")


def records(wire: bytes, start: int, counts: Sequence[int], names: Names) -> Iterator[Record]:
    """Read the records of a message.

    Args:
        wire: the message.
        start: where its question ends.
        counts: how many records each of the three sections has.
        names: of the same message.

    Raises:
        ValueError: the message ends before its records, or a name makes no sense.
    """
    place = start
    for section, count in zip(_SECTIONS, counts, strict=True):
        for _ in range(count):
            head = names.end(place)
            content = head + _RECORD.size
            if content > len(wire):
                raise ValueError("a record that is cut off")
            rdtype, rdclass, ttl, size = _RECORD.unpack_from(wire, head)
            if content + size > len(wire):
                raise ValueError("a record that is cut off")
            yield Record(section, names.at(place), rdtype, rdclass, ttl, content, size)
            place = content + size
