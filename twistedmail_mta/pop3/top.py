"""TOP: the header of a message and the first lines of its body (RFC 1939 section 7)."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.model import CRLF

_END_OF_HEADER: Final = b"\r\n\r\n"


class TopCutter:
    """Lets the header, the empty line and some lines pass, in blocks cut anywhere.

    Attributes:
        finished: nothing more is wanted of the message.
    """

    __slots__ = ("_in_header", "_left", "_tail", "finished")

    def __init__(self, lines: int) -> None:
        """Begin a message.

        Args:
            lines: of the body.
        """
        self.finished = False
        self._left = lines
        self._in_header = True
        self._tail = CRLF  # the header begins as if after a line end, for it may be empty

    def cut(self, block: bytes) -> bytes:
        """Return what of the next octets is wanted."""
        if self.finished:
            return b""
        body = self._header_end(block) if self._in_header else 0
        if self._in_header:
            return block
        return block[: self._line_end(block, body)]

    def _header_end(self, block: bytes) -> int:
        """Return where the body begins in `block`, if it does."""
        joined = self._tail + block
        end = joined.find(_END_OF_HEADER)
        if end < 0:
            self._tail = joined[-3:]
            return 0
        self._in_header = False
        return end + len(_END_OF_HEADER) - len(self._tail)

    def _line_end(self, block: bytes, start: int) -> int:
        """Return where the last wanted line ends in `block`, the end of `block` when it goes on."""
        lines = block.count(b"\n", start) if self._left else 0
        if lines < self._left:
            self._left -= lines
            return len(block)
        self.finished = True
        for _ in range(self._left):
            start = block.index(b"\n", start) + 1
        return start
