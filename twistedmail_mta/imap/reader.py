"""Cuts what a client sends into commands with their literals, messages in blocks (RFC 9051 section 4.3, RFC 7888)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.wire import WireBuffer

MAX_COMMAND: Final = 64 * 1024
"""Octets of a command with its literals, messages apart."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A counted string.

    Attributes:
        octets: its octets.
        binary: it was announced as one that may hold NUL (RFC 3516 section 4.4).
    """

    octets: bytes
    binary: bool = False


Part = bytes | Literal
"""Text of a command, without the line end and the announcement of a literal; or a literal."""


@dataclass(frozen=True, slots=True)
class Complete:
    """A command, or after a message in it the rest of one.

    Attributes:
        parts: text and literals by turns, text first and last.
    """

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Announced:
    """A message is to come.  Needs `CommandReader.accept` or `refuse`.

    Attributes:
        parts: of the command since the message before, as in `Complete`.
        size: octets of the message.
        waits: the client sends it after a continuation only.
        binary: as in `Literal`.
    """

    parts: tuple[Part, ...]
    size: int
    waits: bool
    binary: bool


@dataclass(frozen=True, slots=True)
class Octets:
    """The next octets of a message that was accepted."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class MessageEnds:
    """All octets of the message have been told."""


@dataclass(frozen=True, slots=True)
class Continue:
    """The client waits for a continuation before it sends a literal."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A command is over that can't be read, or had a message that was refused.

    Attributes:
        tag: the command's; empty when it has none.
        text: why, in English; empty after `CommandReader.refuse`.
    """

    tag: bytes
    text: str


Event = Complete | Announced | Octets | MessageEnds | Continue | Refused

TOO_LONG: Final = "The command is too long"
NO_TAG: Final = "A command begins with a tag"

_ANNOUNCEMENT: Final = 24
"""Octets of the longest announcement of a literal, and a CR."""
_WHOLE: Final = 1 << 31
"""Octets of a line longer than the buffer ever holds, so that it drops none."""
_LITERAL: Final = re.compile(rb"(~?)\{([0-9]{1,19})(\+?)\}\Z")
_TAG: Final = re.compile(rb"[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]{1,64}+(?= |\Z)")
_APPEND: Final = re.compile(rb"[^ ]++ APPEND (.?)", re.IGNORECASE | re.DOTALL)


def tag_of(text: bytes) -> bytes:
    """Return the tag with which a command begins; empty if it doesn't begin with one, of at most 64 octets."""
    found = _TAG.match(text)
    return found[0] if found else b""


class CommandReader:
    """Turns octets, cut anywhere, into events in their order.

    What is held is bounded: a command of `limit` octets, and what `WireBuffer`
    holds.  Work is linear in the octets.  A literal that isn't wanted is never
    waited for: it is refused before it comes, or dropped as it comes, so the
    stream stays in step (RFC 7888 section 4).

    Attributes:
        limit: as `MAX_COMMAND`, at most that; smaller before a login, but more than a tag has.
    """

    __slots__ = (
        "_asked",
        "_awaited",
        "_buffer",
        "_held",
        "_left",
        "_parts",
        "_refusal",
        "_streams",
        "_tag",
        "_tail",
        "_told",
        "limit",
    )

    def __init__(self, limit: int = MAX_COMMAND) -> None:
        self.limit = limit
        self._buffer = WireBuffer(2 * MAX_COMMAND)
        self._begin()

    def _begin(self) -> None:
        self._tag = b""  # of the command under way, once a line of it was read
        self._parts: list[Part] = []
        self._tail = b""  # of a line that is too long
        self._held = 0  # octets of the parts
        self._asked: Announced | None = None  # neither accepted nor refused yet
        self._awaited: Literal | None = None  # the literal that is awaited, still empty
        self._left = 0  # octets of a literal or a message that are to come
        self._streams = False  # a message is coming
        self._told = False  # a message of the command was announced
        self._refusal: Refused | None = None  # to be told when the command is over

    def __len__(self) -> int:
        """Return the number of octets that have arrived and aren't read."""
        return len(self._buffer)

    def receive(self, data: bytes) -> None:
        """Take octets from the wire.

        Raises:
            Overflow: the client sends on although it isn't read from.
        """
        self._buffer.append(data)

    def clear(self) -> None:
        """Forget all that came: nothing sent before TLS survives (RFC 9051 section 6.2.1)."""
        self._buffer.clear()
        self._begin()

    def take_line(self, limit: int) -> bytes | None:
        """Return a line that is no command, such as DONE or an answer to a challenge; None until it is there.

        Raises:
            LineTooLong: as `WireBuffer.take_line` does.
        """
        return self._buffer.take_line(limit)

    def next_event(self) -> Event | None:
        """Return what comes next; None until more octets come, or what was announced is answered."""
        while self._asked is None:
            if self._left or self._streams or self._awaited is not None:
                event, waits = self._read_counted()
            else:
                event, waits = self._read_text()
            if event is not None or waits:
                return event
        return None

    def accept(self) -> None:
        """Let the announced message come; a client that waits is told so by the caller."""
        asked = self._demand()
        self._left, self._streams = asked.size, True

    def refuse(self) -> None:
        """Don't take the announced message; `Refused` comes when the command is over."""
        asked = self._demand()
        self._refuse("", asked.size, waits=asked.waits)

    def _demand(self) -> Announced:
        asked, self._asked = self._asked, None
        if asked is None:
            raise RuntimeError("no message is announced")
        return asked

    def _refuse(self, text: str, size: int, *, waits: bool) -> None:
        """Drop what the client sends of this command: the literal, if it doesn't wait with it, and all behind."""
        self._refusal = self._refusal or Refused(self._tag, text)
        self._parts, self._held, self._streams = [], 0, False
        self._left = -1 if waits else size

    def _read_counted(self) -> tuple[Event | None, bool]:
        """Read of a literal or message what is there; return an event, and whether more octets are needed."""
        if self._left < 0:  # it never comes, nor does the rest of the command
            return self._end_refused(), False
        if self._awaited is not None:
            return None, not self._read_literal(self._awaited)
        if not self._left:
            self._streams = False
            return MessageEnds(), False
        octets = self._buffer.take(self._left)
        self._left -= len(octets)
        if self._streams and octets:
            return Octets(octets), False
        return None, not octets

    def _read_literal(self, literal: Literal) -> bool:
        if len(self._buffer) < self._left:
            return False
        self._parts.append(Literal(self._buffer.take(self._left), literal.binary))
        self._left, self._awaited = 0, None
        return True

    def _read_text(self) -> tuple[Event | None, bool]:
        """Read a line, if it is there; return an event, and whether more octets are needed."""
        line = self._take_line()
        if line is None:
            return None, True
        literal = _LITERAL.search(line, max(len(line) - _ANNOUNCEMENT, 0)) if line.endswith(b"}") else None
        if self._refusal is None:
            self._keep(line if literal is None else line[: literal.start()])
        if literal is not None:
            return self._announce(int(literal[2]), waits=not literal[3], binary=bool(literal[1])), False
        return self._end_refused() if self._refusal else self._end(), False

    def _take_line(self) -> bytes | None:
        """Return a line, or None; of one that is too long only the end, which may announce a literal."""
        line = self._buffer.take_line(_WHOLE)
        if line is None:
            if self._tail or self._held + len(self._buffer) > self.limit + 1:  # a CR may be the last
                self._skip(self._buffer.take(len(self._buffer)))
            return None
        if self._tail or self._held + len(line) > self.limit:
            self._skip(line)
            line, self._tail = self._tail.rstrip(b"\r"), b""
        return line

    def _skip(self, octets: bytes) -> None:
        self._tag = self._tag or tag_of(octets)
        self._refuse(TOO_LONG, 0, waits=False)
        self._tail = (self._tail + octets)[-_ANNOUNCEMENT:]

    def _keep(self, text: bytes) -> None:
        self._tag = self._tag or tag_of(text)
        self._held += len(text)
        self._parts.append(text)

    def _announce(self, size: int, *, waits: bool, binary: bool) -> Event | None:
        """Decide what becomes of a literal that is to come."""
        if self._refusal is not None:
            self._refuse("", size, waits=waits)
        elif not self._tag:
            self._refuse(NO_TAG, size, waits=waits)
        elif self._is_message():
            self._asked = Announced(self._take_parts(), size, waits, binary)
            return self._asked
        elif size > self.limit - self._held:
            self._refuse(TOO_LONG, size, waits=waits)
        else:
            self._left, self._awaited = size, Literal(b"", binary)
            self._held += size
            return Continue() if waits else None
        return None

    def _is_message(self) -> bool:
        """Return whether the literal behind the parts is a message: in APPEND all are but the name of the mailbox."""
        if self._told:
            return True
        first = self._parts[0]
        append = _APPEND.match(first) if isinstance(first, bytes) else None
        return append is not None and (bool(append[1]) or len(self._parts) > 1)

    def _take_parts(self) -> tuple[Part, ...]:
        parts = tuple(self._parts)
        self._parts, self._held, self._told = [], 0, True
        return parts

    def _end(self) -> Event:
        parts = tuple(self._parts)
        self._begin()
        return Complete(parts)

    def _end_refused(self) -> Event:
        refusal = self._refusal or Refused(self._tag, "")
        self._begin()
        return refusal
