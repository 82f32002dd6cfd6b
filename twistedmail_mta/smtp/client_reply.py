"""A server's replies, read from a stream cut anywhere (RFC 5321 section 4.2)."""

from __future__ import annotations

import re
from typing import Final

from twistedmail_mta.model import Reply

MAX_LINE: Final = 4096
"""Octets of one reply line; RFC 5321 section 4.5.3.1.5 allows 512."""
MAX_LINES: Final = 256
MAX_UNREAD: Final = 131_072
"""Octets kept that nobody asked for yet."""
MAX_TEXT: Final = 1000
"""Characters of a peer's text that go into an outcome."""

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_STATUS = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: +|$)")


class BadReply(Exception):
    """The server sent what is no reply, or one past every limit; nothing after it can be understood."""


class ReplyReader:
    """Turns octets into replies.

    A bare LF ends a line too.  Where the codes of a multi-line reply differ,
    which RFC 5321 section 4.2.1 forbids, the last line decides.
    """

    __slots__ = ("_buffer", "_lines", "_searched", "flooded")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[bytes] = []
        self._searched = 0
        self.flooded = False

    @property
    def pending(self) -> bool:
        """Whether octets wait that belong to no reply taken so far."""
        return bool(self._buffer or self._lines)

    def receive(self, data: bytes) -> None:
        """Take octets from the wire; past the limit they are dropped and `next_reply` raises."""
        if len(self._buffer) + len(data) > MAX_UNREAD:
            self.flooded = True
        else:
            self._buffer += data

    def next_reply(self) -> Reply | None:
        """Return the next complete reply, or None until more octets are here.

        Raises:
            BadReply: what came is no reply, or too long for one.
        """
        if self.flooded:
            raise BadReply("too many octets at once")
        while (line := self._next_line()) is not None:
            parts = _LINE.fullmatch(line)
            if parts is None:
                raise BadReply(f"not a reply: {printable(line[:80])}")
            code, separator, text = parts.groups()
            self._lines.append(text or b"")
            if separator != b"-":
                return self._finished(int(code))
            if len(self._lines) >= MAX_LINES:
                raise BadReply("a reply of too many lines")
        return None

    def _next_line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._searched)
        if end > MAX_LINE or (end < 0 and len(self._buffer) > MAX_LINE):
            raise BadReply("a reply line is too long")
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line.removesuffix(b"\r")

    def _finished(self, code: int) -> Reply:
        lines, self._lines = [printable(line) for line in self._lines], []
        status = ""
        for place, line in enumerate(lines):
            match = _STATUS.match(line)
            if match is not None and int(line[0]) == code // 100:
                status, lines[place] = match[1], line[match.end() :]
        return Reply(code, status, "\n".join(lines))


def printable(octets: bytes) -> str:
    """Return a peer's text with everything that could disturb a reader's screen or log replaced."""
    text = octets.decode("utf-8", "replace")
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " if letter == "\t" else "?" for letter in text)


def clipped(reply: Reply) -> Reply:
    """Return the reply with no more text than a report or a row should hold."""
    if len(reply.text) <= MAX_TEXT:
        return reply
    return Reply(reply.code, reply.status, reply.text[:MAX_TEXT] + "...")
