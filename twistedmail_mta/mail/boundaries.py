"""Finds the boundaries of multiparts that are inside one another, in linear time (RFC 2046 section 5.1.1)."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final

STRIDE: Final = 8 * 1024
"""Octets searched for one boundary before the others are searched for there."""


@dataclass(slots=True)
class Boundary:
    """The boundary of a multipart that can still end or go on.

    Attributes:
        line: how its lines begin, the LF before included.
        depth: how many parts the multipart is in.
        clear: no line of it begins before this place.
        all_clear: neither does one of an outer multipart, before this place.
    """

    line: bytes
    depth: int
    clear: int
    all_clear: int


class Boundaries:
    """The boundaries that a line may be of, those of the innermost multipart last.

    Places count octets from the begin of the message's body; what is looked
    at is a piece of it, which begins at `origin`. What was found out about a
    boundary is kept, so that each octet is searched once for each.
    """

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: list[Boundary] = []

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._open)

    def open(self, boundary: bytes, depth: int, place: int) -> None:
        """Add that of a multipart inside all others, whose first line may follow the LF at `place`."""
        self._open.append(Boundary(b"\n--" + boundary, depth, place, place))

    def end_at(self, boundary: Boundary, *, closing: bool) -> None:
        """Forget those inside this one, which was met, and when it is closing this one too."""
        while self._open[-1] is not boundary:
            self._open.pop()
        if closing:
            self._open.pop()

    def clear(self) -> None:
        """Forget them all."""
        self._open.clear()

    def find(self, piece: bytearray, origin: int, start: int, stop: int) -> tuple[int, Boundary] | None:
        """Return the first boundary whose LF is from `start` up to `stop` in the piece, and where that is there."""
        while start <= stop and self._open:
            edge = min(start + STRIDE, stop + 1)
            found = self.find_before(piece, origin, start, edge)
            if found is not None:
                return found
            start = edge
        return None

    def find_before(self, piece: bytearray, origin: int, start: int, edge: int) -> tuple[int, Boundary] | None:
        """Return the first one from `start` on and before `edge`; of several there the longest, then the innermost."""
        found, index = None, len(self._open)
        place = edge + origin - 1  # the last one that is of interest
        for boundary in reversed(self._open):
            if boundary.all_clear > place:
                break
            index -= 1
            _search(boundary, piece, origin, start, edge)
            if boundary.clear < place or (
                boundary.clear == place and (found is None or len(boundary.line) > len(found.line))
            ):
                place, found = boundary.clear, boundary
        self._keep_clear(index)
        return None if found is None else (place - origin, found)

    def _keep_clear(self, index: int) -> None:
        """Work out anew how far all is clear, from the boundary at `index` inwards."""
        clear = self._open[index - 1].all_clear if index else sys.maxsize
        for boundary in self._open[index:]:
            boundary.all_clear = clear = min(clear, boundary.clear)


def _search(boundary: Boundary, piece: bytearray, origin: int, start: int, edge: int) -> None:
    """Find out how far all is clear of this boundary from `start` on; it doesn't matter from `edge` on."""
    start = max(start, boundary.clear - origin)
    if start < edge:
        place = piece.find(boundary.line, start, edge + len(boundary.line) - 1)
        boundary.clear = origin + (edge if place < 0 else place)
