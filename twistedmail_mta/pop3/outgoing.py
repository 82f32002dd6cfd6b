"""A message on its way to the client: cut to what was asked for, and dot-stuffed (RFC 1939 section 3)."""

from __future__ import annotations

from twistedmail_mta.pop3.top import TopCutter
from twistedmail_mta.smtp.dotstuff import DotStuffer


class Outgoing:
    """Turns the octets of a message, in blocks cut anywhere, into those of a long answer.

    Attributes:
        octets: of the message that have passed, dot-stuffing left out.
    """

    __slots__ = ("_cutter", "_stuffer", "octets")

    def __init__(self, lines: int | None) -> None:
        """Begin an answer.

        Args:
            lines: of the body, for TOP; None for the whole message.
        """
        self._cutter = None if lines is None else TopCutter(lines)
        self._stuffer = DotStuffer()
        self.octets = 0

    @property
    def finished(self) -> bool:
        """Whether nothing more is wanted of the message."""
        return self._cutter is not None and self._cutter.finished

    def pass_on(self, block: bytes) -> bytes:
        """Return what goes on the wire for the next octets of the message."""
        if self._cutter is not None:
            block = self._cutter.cut(block)
        self.octets += len(block)
        return self._stuffer.stuff(block)

    def end(self) -> bytes:
        """Return what ends the answer; a last line without CRLF gets one first."""
        return self._stuffer.end()
