"""The frames of the protocol: a length of four octets, a letter that says what it is, and what belongs to it."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from twistedmail_mta.milter.errors import MilterError

MOST: Final = 128 * 1024
"""Octets of a packet that are taken: libmilter sends no more than 64 KiB."""

_LENGTH: Final = struct.Struct("!I")


class Packet(NamedTuple):
    """One packet; `letter` is one octet."""

    letter: bytes
    content: bytes


def encode(letter: bytes, *parts: bytes) -> bytes:
    """Return a packet as it is sent."""
    return b"".join((_LENGTH.pack(1 + sum(map(len, parts))), letter, *parts))


class PacketReader:
    """Makes packets of octets that arrive, cut anywhere."""

    __slots__ = ("_octets", "_place")

    def __init__(self) -> None:
        self._octets = bytearray()
        self._place = 0

    def receive(self, octets: bytes) -> None:
        """Take octets from the wire."""
        if self._place:
            del self._octets[: self._place]
            self._place = 0
        self._octets += octets

    def next_packet(self) -> Packet | None:
        """Return the next packet; None when it isn't complete.

        Raises:
            MilterError: it has no content, or is too large.
        """
        place = self._place
        if len(self._octets) - place < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._octets, place)
        if not 0 < length <= MOST:
            raise MilterError(f"a packet of {length} octets")
        begin = place + _LENGTH.size
        if len(self._octets) - begin < length:
            return None
        self._place = begin + length
        return Packet(bytes(self._octets[begin : begin + 1]), bytes(self._octets[begin + 1 : self._place]))

    def __len__(self) -> int:
        """Return the number of octets that wait."""
        return len(self._octets) - self._place
