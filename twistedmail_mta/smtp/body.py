"""Receives one message's body by DATA or BDAT, and remembers the first thing wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from twistedmail_mta.model import Reply
from twistedmail_mta.smtp.data import LONE_DOT, DataReader, LineEnds

TOO_LARGE: Final = Reply(552, "5.3.4", "Message size exceeds fixed limit")


@dataclass(slots=True)
class BodyReader:
    """Turns the octets of a body into those of the message.

    After a fault it takes the rest and keeps nothing of it: an answer before
    the end would make commands of the rest.

    Attributes:
        max_size: the most octets of the message (RFC 1870 section 6.3).
        line_ends: repairs or refuses bare CR and LF.
        fault: the refusal to give at the end; None while nothing is wrong.
        received: octets that came, dots and dropped ones included.
    """

    max_size: int
    line_ends: LineEnds
    fault: Reply | None = None
    received: int = 0
    _size: int = 0
    _data: DataReader = field(default_factory=DataReader)

    @property
    def is_hopeless(self) -> bool:
        """Whether so much has come that reading on isn't worth it: twice what is allowed."""
        return self.received > 2 * self.max_size and self.fault is not None

    @property
    def finished(self) -> bool:
        """Whether the end of DATA has come."""
        return self._data.finished

    @property
    def lone_dot(self) -> bool:
        """Whether a dot stood alone on a line that a bare CR or LF begins or ends."""
        return self._data.lone_dot

    @property
    def unread(self) -> bytes:
        """What came after the end of DATA."""
        return self._data.unread

    def announce(self, size: int, refusal: Reply | None) -> None:
        """Take notice that a chunk of `size` octets comes, and what is wrong with that already."""
        if refusal is not None:
            self._fail(refusal)
        elif self._size + size > self.max_size:
            self._fail(TOO_LARGE)

    def receive_data(self, octets: bytes) -> bytes:
        """Take octets that followed DATA and return those of the message that are certain now."""
        text = self._data.receive(octets)
        self.received += len(octets) - len(self._data.unread)
        if self._data.lone_dot:
            self._fail(LONE_DOT)
        return self._repaired(text)

    def receive_chunk(self, octets: bytes) -> bytes:
        """Take octets of a chunk and return those of the message that are certain now."""
        self.received += len(octets)
        return self._repaired(octets)

    def finish(self) -> bytes:
        """Return the last octets, when the message is complete."""
        return self._counted(self.line_ends.finish())

    def _repaired(self, text: bytes) -> bytes:
        return self._counted(self.line_ends.receive(text)) if self.fault is None else b""

    def _counted(self, text: bytes) -> bytes:
        self._size += len(text)
        if self.line_ends.fault is not None:
            self._fail(self.line_ends.fault)
        elif self._size > self.max_size:
            self._fail(TOO_LARGE)
        return text if self.fault is None else b""

    def _fail(self, fault: Reply) -> None:
        self.fault = self.fault or fault
