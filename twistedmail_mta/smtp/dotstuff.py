"""Dot-stuffing: a message as it is sent after DATA (RFC 5321 section 4.5.2)."""

from __future__ import annotations

import re
from typing import Final

from twistedmail_mta.model import CRLF

_DOT: Final = re.compile(rb"\r\n\.")  # found twice as fast as by `replace`

END_OF_LINES: Final = b".\r\n"


class DotStuffer:
    """Doubles the dots that begin lines, in blocks cut anywhere.

    Lines end with CRLF alone, as every stored message's do.  A block without
    such a dot is handed through uncopied.
    """

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = CRLF  # the data begins as if after a line end

    def stuff(self, block: bytes) -> bytes:
        """Return the next octets of the message as they go on the wire."""
        if not block:
            return block
        tail = self._tail
        self._tail = block[-2:] if len(block) > 1 else (tail + block)[-2:]
        stuffed = block.replace(b"\r\n.", b"\r\n..") if _DOT.search(block) else block
        if tail == CRLF and block.startswith(b"."):
            return b"." + stuffed
        if tail.endswith(b"\r") and block.startswith(b"\n."):
            return b"\n." + stuffed[1:]
        return stuffed

    def end(self) -> bytes:
        """Return what ends the data; a last line without CRLF gets one first."""
        return END_OF_LINES if self._tail == CRLF else CRLF + END_OF_LINES
