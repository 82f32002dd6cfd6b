"""How a client sends a message's octets: with dots doubled after DATA, or in chunks with BDAT (RFC 3030)."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.smtp.dotstuff import DotStuffer

CHUNK: Final = 262_144
"""Octets after which a chunk is sent; it is as much larger as its last block makes it."""


class Dotted:
    """The message after DATA."""

    __slots__ = ("_stuffer",)

    def __init__(self) -> None:
        self._stuffer = DotStuffer()

    def add(self, block: bytes) -> list[bytes]:
        """Return what goes on the wire for the next octets of the message."""
        return [self._stuffer.stuff(block)]

    def end(self) -> list[bytes]:
        """Return what ends the message."""
        return [self._stuffer.end()]


class Chunked:
    """The message as chunks, each counted before it is sent, its octets as they are.

    A full chunk waits for the octets that follow it, so that there are always
    some for the last one: not every server has met "BDAT 0 LAST".
    """

    __slots__ = ("_blocks", "_size")

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._size = 0

    def add(self, block: bytes) -> list[bytes]:
        """Return what goes on the wire now: a whole chunk, or nothing yet."""
        chunk = self._take(b"") if self._size >= CHUNK else []
        if block:
            self._blocks.append(block)
            self._size += len(block)
        return chunk

    def end(self) -> list[bytes]:
        """Return the last chunk."""
        return self._take(b" LAST")

    def _take(self, mark: bytes) -> list[bytes]:
        chunk = [b"BDAT %d%s\r\n" % (self._size, mark), *self._blocks]
        self._blocks, self._size = [], 0
        return chunk
