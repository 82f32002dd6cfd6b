"""A message on its way to the client: fit for it, cut to what was asked for, and dot-stuffed (RFC 1939 section 3)."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.mail.header import split
from twistedmail_mta.mail.surrogate import surrogate_header
from twistedmail_mta.pop3.top import TopCutter
from twistedmail_mta.smtp.dotstuff import DotStuffer

MAX_HEADER: Final = 1 << 20
"""Octets of a header that wait for its end; it is taken to end there."""

_END_OF_HEADER: Final = b"\r\n\r\n"


class Outgoing:
    """Turns the octets of a message, in blocks cut anywhere, into those of a long answer.

    A client that didn't say UTF8 gets a header in ASCII (RFC 6856 section 2.1).

    Attributes:
        octets: of the message that have passed, dot-stuffing left out.
    """

    __slots__ = ("_cutter", "_header", "_stuffer", "octets")

    def __init__(self, lines: int | None, *, utf8: bool) -> None:
        """Begin an answer.

        Args:
            lines: of the body, for TOP; None for the whole message.
            utf8: the client takes UTF-8 in headers.
        """
        self._cutter = None if lines is None else TopCutter(lines)
        self._stuffer = DotStuffer()
        self._header: bytes | None = None if utf8 else b""
        self.octets = 0

    @property
    def finished(self) -> bool:
        """Whether nothing more is wanted of the message."""
        return self._cutter is not None and self._cutter.finished

    def pass_on(self, block: bytes) -> bytes:
        """Return what goes on the wire for the next octets of the message."""
        if self._header is not None:
            block = self._header + block if self._header else block
            if _END_OF_HEADER not in block and len(block) < MAX_HEADER:
                self._header = block
                return b""
            self._header = None
            block = _in_ascii(block)
        return self._stuffed(block)

    def end(self) -> bytes:
        """Return what ends the answer; a last line without CRLF gets one first."""
        rest, self._header = self._header, None
        return (self._stuffed(_in_ascii(rest)) if rest else b"") + self._stuffer.end()

    def _stuffed(self, block: bytes) -> bytes:
        if self._cutter is not None:
            block = self._cutter.cut(block)
        self.octets += len(block)
        return self._stuffer.stuff(block)


def _in_ascii(block: bytes) -> bytes:
    """Return the begin of a message with its header in ASCII; the body stays as it is."""
    if block.isascii():
        return block
    header, body = split(block)
    return surrogate_header(header) + body
