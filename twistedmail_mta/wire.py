"""A bounded buffer of octets from the wire, taken as lines or as counted pieces.

Every protocol here reads through it: a line, a literal, a chunk.  Work is
linear in the octets received, however they are cut.
"""

from __future__ import annotations

from typing import Final


class Overflow(Exception):
    """The peer goes on sending although it isn't read from any more."""


class LineTooLong(Exception):
    """A line over the limit has been dropped, its end included; what follows is intact."""


BOUND: Final = 128 * 1024


class WireBuffer:
    """Octets that have arrived and aren't used yet.

    The owner pauses the transport while it can't use what is held.  What was
    under way then still arrives: so each delivery is taken whole while no more
    than `bound` octets are held before it.  The most ever held is `bound` and
    one delivery, which is at most 64 KiB from a Twisted transport.

    Attributes:
        bare_end: the last line taken ended with a bare LF.
    """

    __slots__ = ("_bound", "_dropping", "_octets", "_searched", "bare_end")

    def __init__(self, bound: int = BOUND) -> None:
        self._bound = bound
        self._octets = bytearray()
        self._searched = 0  # no LF before this place
        self._dropping = False  # in a line that is too long
        self.bare_end = False

    def __len__(self) -> int:
        """Return the number of octets held."""
        return len(self._octets)

    def is_just(self, octets: bytes) -> bool:
        """Return whether these octets, and no others, are held."""
        return self._octets == octets

    def append(self, data: bytes) -> None:
        """Take a delivery from the transport.

        Raises:
            Overflow: too much is held already; nothing of `data` is taken.
        """
        if len(self._octets) > self._bound:
            raise Overflow
        self._octets += data

    def take_line(self, limit: int) -> bytes | None:
        """Return the next line without its end, CRLF or a bare LF; None when it isn't complete.

        Where only CRLF may end a line, the caller looks for it in `take`n pieces.

        Args:
            limit: the most octets a line may have, its end included.

        Raises:
            LineTooLong: once for each such line, when its end has come; until
                then its octets are dropped as they arrive.
        """
        end = self._octets.find(b"\n", self._searched)
        if end < 0:
            self._await_line_end(limit)
            return None
        if self._dropping or end >= limit:
            self._drop(end + 1)
            self._dropping = False
            raise LineTooLong
        self.bare_end = not (end and self._octets[end - 1] == 13)
        line = bytes(self._octets[: end if self.bare_end else end - 1])
        self._drop(end + 1)
        return line

    def _await_line_end(self, limit: int) -> None:
        self._searched = len(self._octets)
        if self._dropping or self._searched >= limit:
            self._dropping = True
            self._drop(self._searched)

    def take(self, most: int) -> bytes:
        """Return as many octets as are held, at most `most`."""
        if most >= len(self._octets):
            octets = bytes(self._octets)
            self.clear()
            return octets
        octets = bytes(self._octets[:most])
        self._drop(most)
        return octets

    def put_back(self, octets: bytes) -> None:
        """Return octets that were taken but belong to what follows."""
        self._octets[:0] = octets
        self._searched = 0

    def clear(self) -> None:
        """Forget everything held."""
        self._octets.clear()
        self._searched = 0
        self._dropping = False

    def _drop(self, count: int) -> None:
        del self._octets[:count]
        self._searched = 0
