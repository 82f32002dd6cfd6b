"""From the octets after DATA to the message: where it ends, its dots, its line ends.

Two readers in a row.  `DataReader` finds the end and takes the stuffing
away, which BDAT doesn't need; `LineEnds` repairs or refuses bare CR and LF.
Both work on blocks cut anywhere, in bulk, in linear time, and hold back a
few octets at most.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.model import CRLF, Reply

END: Final = b"\r\n.\r\n"

BARE_LINE_END: Final = Reply(550, "5.6.11", "Bare CR or LF in message")
LONE_DOT: Final = Reply(550, "5.6.11", "Dot alone on a line with a bare CR or LF")
# RFC 5321 section 4.5.3.1.10 has no code for a line of text; 552 is one that may answer DATA (section 4.3.2).
LINE_TOO_LONG: Final = Reply(552, "5.6.0", "Line too long in message")

# For each of these the fastest way to look was measured: a pattern that begins with
# one certain octet, and `translate`, each beat `find` and `count` of two octets.
_DOT_AFTER_CR = re.compile(rb"\r\.")
_DOT_AFTER_LF = re.compile(rb"\n\.")
_CR_WITHOUT_LF = re.compile(rb"\r(?!\n)")
_NO_LINE_END = bytes(octet for octet in range(256) if octet not in CRLF)

# A line end, which a dot may follow, and what has come of END after it.
_UNDECIDED = re.compile(rb"(?:\r\n|\r|\n)(?:\.\r?)?\Z")
# A bare line end after the dot, or before it.  A CR at the very end may yet be part of END.
_LONE_DOT = re.compile(rb"[\r\n]\.(?:\n|\r(?!\n|\Z))|(?<!\r)\n\.\r|\r\.\r")


def has_bare_line_end(block: bytes) -> bool:
    """Whether `block`, which splits no CRLF, holds a CR or LF outside CRLF."""
    if _CR_WITHOUT_LF.search(block):
        return True
    ends = block.translate(None, _NO_LINE_END)
    return 2 * ends.count(b"\r") != len(ends)


@dataclass(slots=True)
class DataReader:
    """Finds the end of the data and removes the dots that were stuffed.

    Nothing but CRLF "." CRLF ends it, and only the dot after a CRLF was
    stuffed (RFC 5321 section 4.1.1.4, section 4.5.2).  Other servers see an
    end where a lone dot stands between bare line ends: whoever sends that
    may mean to smuggle a second message through one of them.

    Attributes:
        finished: the end has been found.
        unread: what came after the end, the client's next commands (RFC 2920 section 3.1).
        lone_dot: a dot was alone on a line that a bare CR or LF begins or ends.
    """

    finished: bool = False
    unread: bytes = b""
    lone_dot: bool = False
    _held: bytes = CRLF  # the data begins as if after a line end,
    _begun: bool = False  # which is no part of it

    def receive(self, data: bytes) -> bytes:
        """Take octets from the wire and return those of the message that are certain now."""
        block = self._held + data
        dotted = bool(_DOT_AFTER_LF.search(block) or _DOT_AFTER_CR.search(block))
        end = block.find(END) if dotted else -1
        if end >= 0:
            self.finished = True
            self.unread = block[end + len(END) :]
            block = block[: end + len(CRLF)]
            certain = len(block)
        else:
            undecided = _UNDECIDED.search(block, max(0, len(block) - len(END)))
            certain = undecided.start() if undecided else len(block)
            self._held = block[certain:]
        if dotted and has_bare_line_end(block) and _LONE_DOT.search(block):
            self.lone_dot = True
        raw = block[:certain]
        return self._begin(raw.replace(b"\r\n.", CRLF) if dotted else raw)

    def _begin(self, raw: bytes) -> bytes:
        """Return `raw` without the line end that was imagined before the data."""
        if self._begun or not raw:
            return raw
        self._begun = True
        return raw[len(CRLF) :]


@dataclass(slots=True)
class LineEnds:
    """Makes every line end CRLF, or refuses what isn't (RFC 5321 section 2.3.8).

    Attributes:
        strict: a bare CR or LF is a fault instead of being repaired.
        max_line: the most octets in a line, its CRLF aside.
        fault: what is wrong with the text; None while nothing is.
    """

    strict: bool
    max_line: int
    fault: Reply | None = None
    _held: bytes = b""  # a CR whose LF may follow
    _line: int = 0  # octets of the line under way

    def receive(self, data: bytes) -> bytes:
        """Take octets of the text and return them repaired; they are of no use after a fault."""
        block = self._held + data
        self._held = b"\r" if block.endswith(b"\r") else b""
        return self._check(block.removesuffix(self._held))

    def finish(self) -> bytes:
        """Return what was held back, at the end of the text."""
        held, self._held = self._held, b""
        return self._check(held)

    def _check(self, block: bytes) -> bytes:
        if has_bare_line_end(block):
            if self.strict:
                self.fault = self.fault or BARE_LINE_END
            block = block.replace(CRLF, b"\n").replace(b"\r", b"\n").replace(b"\n", CRLF)
        self._measure(block)
        return block

    def _measure(self, block: bytes) -> None:
        """Look at the length of every line, in leaps of the longest that is allowed."""
        start = -self._line  # where the line under way began
        while len(block) - start > self.max_line and self.fault is None:
            end = block.rfind(CRLF, max(start, 0), start + self.max_line + len(CRLF))
            if end < 0:
                self.fault = LINE_TOO_LONG
            start = end + len(CRLF)
        last = block.rfind(b"\n")
        self._line = len(block) - last - 1 if last >= 0 else self._line + len(block)
