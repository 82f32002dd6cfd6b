"""Finds the parts of a message while its body streams by, keeping nearly nothing of it."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from twistedmail_mta.mail.boundaries import STRIDE, Boundaries, Boundary
from twistedmail_mta.mail.content import MAX_BOUNDARY, OPAQUE, PLAIN, Content, content_of, default_in
from twistedmail_mta.mail.envelope import counted_envelope
from twistedmail_mta.mail.parts import Nesting
from twistedmail_mta.mail.scanned_body import Node, ScannedBody
from twistedmail_mta.model import CRLF

MAX_DEPTH: Final = 100
"""Parts inside one another; a deeper one is opaque if anything could be in it."""
MAX_BOUNDARIES: Final = 30
"""Multiparts inside one another; a deeper one is opaque."""
MAX_PARTS: Final = 1000
"""Parts of a message; the last one is opaque and runs to the message's end."""
MAX_PART_HEADER: Final = 64 * 1024
"""Octets of a part's header; a part with a longer one is opaque and has none."""
MAX_PART_HEADERS: Final = 1024 * 1024
"""Octets of all of them; parts behind that are opaque."""
MAX_WORDS: Final = 10_000
"""What may be read of the parts' headers, in fields, parameters and addresses; parts behind that are opaque."""
BATCH: Final = 8 * 1024
"""Octets that are gathered before they are looked at."""

_CR: Final = ord("\r")
_HEADER_END = re.compile(rb"\n\r?\n")
_AHEAD: Final = len(b"\n--" + b"--") + MAX_BOUNDARY


class _State(Enum):
    BODY = auto()
    """In a body, or what is before and behind the parts of a multipart."""
    BOUNDARY = auto()
    """In the rest of the line of a boundary."""
    HEADER = auto()


class BodyScanner:
    """Reads the body of a message, cut anywhere, and finds its parts (RFC 2046 section 5.1).

    A line belongs to the longest boundary it begins with; one of an outer
    multipart ends all that is inside, a header too; lines end in LF, and a CR
    before it belongs to it; the line end before a boundary belongs to the
    boundary, be it the empty line of a header.

    Held are the octets of a batch, at most `MAX_PART_HEADER` of a header, and
    of each of at most `MAX_PARTS` parts what BODYSTRUCTURE says of it. A body
    without parts is only counted. The work is linear in the octets.
    """

    __slots__ = (
        "_batch", "_boundaries", "_closing", "_counted", "_floor", "_fresh", "_held", "_lines", "_octets", "_open",
        "_position", "_room", "_root", "_start", "_state", "_words",
    )  # fmt: skip

    def __init__(self, header: bytes, batch: int = BATCH) -> None:
        """Begin behind the header.

        Args:
            header: the message's, all lines ended by CRLF.
            batch: octets that are gathered before they are looked at.
        """
        self._batch = batch
        self._root = Node()
        self._open = [self._root]  # from the whole message to the innermost part
        self._boundaries = Boundaries()
        self._held = bytearray(CRLF)  # the body begins as if after a line end
        self._start = -len(CRLF)  # the place of the first octet held
        self._position = len(CRLF)  # in what is held: all before is done, and at least a line end of it there
        self._floor = 0  # where the line of the last boundary ended, before a part
        self._lines = 0  # line ends before the position
        self._octets = 0
        self._fresh = 0  # octets not looked at yet
        self._room = MAX_PART_HEADERS
        self._words = MAX_WORDS
        self._closing = False  # the boundary's line ends the multipart
        self._counted = 1
        self._state = _State.BODY
        self._begin_body(self._root, content_of(header))

    @property
    def searches(self) -> bool:
        """Whether the next octets are searched for parts, and not only counted."""
        return bool(self._boundaries) or self._state is not _State.BODY

    def add(self, block: bytes) -> None:
        """Take the next octets of the body."""
        self._octets += len(block)
        if not self.searches:
            self._lines += block.count(b"\n")
            return
        self._held += block
        self._fresh += len(block)
        if self._fresh >= self._batch:
            self._look(final=False)

    def finish(self) -> ScannedBody:
        """Return what was found; nothing can be added any more."""
        self._look(final=True)
        self._close(0, self._octets)
        return ScannedBody(self._root)

    def _look(self, *, final: bool) -> None:
        """Look at what is held, as far as it can be told what it is, and let go of it."""
        limit = len(self._held) if final else len(self._held) - _AHEAD
        while self._step(limit, final=final):
            pass
        done = self._position - len(CRLF)
        del self._held[:done]
        self._start += done
        self._position = len(CRLF)
        self._fresh = 0

    def _step(self, limit: int, *, final: bool) -> bool:
        """Go on to the next change of state that begins up to `limit`; return whether there was one."""
        if self._state is _State.BODY:
            return self._in_body(limit)
        if self._state is _State.BOUNDARY:
            return self._in_boundary()
        return self._in_header(limit, final=final)

    def _in_body(self, limit: int) -> bool:
        found = self._boundaries.find(self._held, self._start, self._position - 1, limit)
        if found is not None:
            self._meet(*found)
            return True
        end = limit if self._boundaries else len(self._held)
        if end > self._position:
            self._advance(end)
        return False

    def _in_boundary(self) -> bool:
        end = self._held.find(b"\n", self._position)
        if end < 0:
            self._advance(max(self._position, len(self._held) - 1))  # the last octet may be a CR
            return False
        if self._closing:
            self._advance(max(self._position, self._line_end(end)))  # it may be that of another boundary
            self._state = _State.BODY
        else:
            self._advance(end + 1)
            self._begin_part()
        return True

    def _in_header(self, limit: int, *, final: bool) -> bool:
        edge = self._position + MAX_PART_HEADER
        boundary, end = self._find_header_end(min(limit, edge))
        if boundary is not None:
            self._meet(*boundary)
        elif end:
            self._end_header(end)
        elif limit >= edge:
            self._begin_body(self._open[-1], OPAQUE)
        elif final:
            self._end_header(len(self._held))
        else:
            return False
        return True

    def _find_header_end(self, stop: int) -> tuple[tuple[int, Boundary] | None, int]:
        """Return the boundary that ends the header, or the place behind its empty line, if it begins up to `stop`."""
        start = self._position - 1
        while start <= stop:
            edge = min(start + STRIDE, stop + 1)
            boundary = self._boundaries.find_before(self._held, self._start, start, edge)
            end = _HEADER_END.search(self._held, start, (boundary[0] if boundary else edge) + 2)
            if end is not None:
                return None, end.end()
            if boundary is not None:
                return boundary, 0
            start = edge
        return None, 0

    def _meet(self, place: int, boundary: Boundary) -> None:
        """End what the boundary ends, whose line follows the LF at `place`."""
        end = max(self._position, self._line_end(place))
        if self._state is _State.HEADER:
            self._end_header(end)
        while self._state is _State.HEADER:  # of a message that isn't there
            self._end_header(end)
        self._advance(end)
        self._close(boundary.depth + 1, self._start + self._line_end(place))
        behind = place + len(boundary.line)
        self._closing = self._held[behind : behind + 2] == b"--"
        self._boundaries.end_at(boundary, closing=self._closing)
        self._advance(place + 1)
        self._state = _State.BOUNDARY

    def _begin_part(self) -> None:
        self._floor = self._start + self._position
        part = Node(header=self._floor)
        self._add(part)
        self._state = _State.HEADER
        if self._counted == MAX_PARTS:
            self._boundaries.clear()
            self._begin_body(part, OPAQUE)

    def _end_header(self, end: int) -> None:
        """Read the header that ends at `end`."""
        header = bytes(self._held[self._position : end])
        self._advance(end)
        self._room -= len(header)
        self._begin_body(self._open[-1], self._content(header))

    def _content(self, header: bytes) -> Content:
        """Return what the innermost part is; read the ENVELOPE of a message."""
        if self._room < 0 or self._words < 0:
            return OPAQUE
        parent, part = self._open[-2].content, self._open[-1]
        if parent.nesting is Nesting.MESSAGE:
            part.envelope, words = counted_envelope(header)
            self._words -= words
            content = content_of(header)
        else:
            content = content_of(header, default_in(parent), mime=True)
        self._words -= content.words
        return OPAQUE if self._is_full(content) else content

    def _is_full(self, content: Content) -> bool:
        """Return whether the limits leave no room for what the innermost part would have inside."""
        if content.nesting is Nesting.LEAF:
            return False
        is_deep = len(self._open) == MAX_DEPTH or (content.boundary and len(self._boundaries) == MAX_BOUNDARIES)
        return bool(is_deep) or self._counted == MAX_PARTS

    def _begin_body(self, part: Node, content: Content) -> None:
        part.content = content
        part.begin, part.lines = self._start + self._position, self._lines
        self._state = _State.BODY
        if content.boundary is not None:
            self._boundaries.open(content.boundary, len(self._open) - 1, part.begin - 1)
        elif content.nesting is Nesting.MESSAGE:
            self._add(Node(header=part.begin))
            self._state = _State.HEADER

    def _add(self, part: Node) -> None:
        self._open[-1].children.append(part)
        self._open.append(part)
        self._counted += 1

    def _line_end(self, place: int) -> int:
        """Return where the line end begins whose LF is at `place`."""
        return place - 1 if self._held[place - 1] == _CR else place

    def _advance(self, position: int) -> None:
        self._lines += self._held.count(b"\n", self._position, position)
        self._position = position

    def _close(self, depth: int, end: int) -> None:
        """End the parts at this depth and deeper.

        Args:
            depth: the place of the outermost among the open parts.
            end: their end; before the position when the line end of the
                boundary is also the empty line of a header.
        """
        end = max(end, self._floor)
        lines = self._lines - (end < self._start + self._position)
        for part in self._open[depth:]:
            part.end, part.lines = end, lines - part.lines
            if part.begin > end:
                part.header, part.begin, part.lines = min(part.header, end), end, 0
            if part.content.nesting is Nesting.MULTIPART and not part.children:
                part.children.append(Node(PLAIN, part.begin, part.begin, end, part.lines))
        del self._open[depth:]
