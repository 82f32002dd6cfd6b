"""What a filter answers, as values (SMFIR_*)."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from twistedmail_mta.milter.errors import MilterError
from twistedmail_mta.milter.packets import Packet
from twistedmail_mta.milter.terms import Action, Agreement, Step
from twistedmail_mta.model import Reply


class Verdict(Enum):
    """An answer that is a word alone.

    `CONTINUE` goes on; `ACCEPT` asks nothing more about the message, or the
    client; `DISCARD` takes the message and drops it; `SKIP` wants no more of the
    body; `PROGRESS` asks for patience; `SHUT_DOWN` ends the client's session,
    `FAIL` its connection.
    """

    CONTINUE = auto()
    ACCEPT = auto()
    DISCARD = auto()
    REJECT = auto()
    DELAY = auto()
    SKIP = auto()
    PROGRESS = auto()
    SHUT_DOWN = auto()
    FAIL = auto()


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Hold the message until somebody has looked at it."""

    reason: bytes


@dataclass(frozen=True, slots=True)
class AddHeader:
    """Put a field behind all others; the lines of its value are parted by LF."""

    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class InsertHeader:
    """Put a field at a place; 0 is above all others."""

    index: int
    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class ChangeHeader:
    """Change a field, counted from 1 among those of its name; an empty value removes it."""

    index: int
    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class AddRecipient:
    """Send it to one more; `parameters` are those of RCPT."""

    path: bytes
    parameters: bytes = b""


@dataclass(frozen=True, slots=True)
class DeleteRecipient:
    """Send it to one less."""

    path: bytes


@dataclass(frozen=True, slots=True)
class ChangeSender:
    """Send it with another reverse-path; `parameters` are those of MAIL."""

    path: bytes
    parameters: bytes = b""


@dataclass(frozen=True, slots=True)
class ReplaceBody:
    """The next piece of what stands in the body's place."""

    chunk: bytes


Modification = (
    Quarantine | AddHeader | InsertHeader | ChangeHeader | AddRecipient | DeleteRecipient | ChangeSender | ReplaceBody
)
Answer = Verdict | Reply | Agreement | Modification

NEEDED: Final[dict[type, Action]] = {
    Quarantine: Action.QUARANTINE,
    AddHeader: Action.ADD_HEADER,
    InsertHeader: Action.ADD_HEADER,
    ChangeHeader: Action.CHANGE_HEADER,
    AddRecipient: Action.ADD_RECIPIENT | Action.ADD_RECIPIENT_WITH_PARAMETERS,
    DeleteRecipient: Action.DELETE_RECIPIENT,
    ChangeSender: Action.CHANGE_SENDER,
    ReplaceBody: Action.CHANGE_BODY,
}
"""Of these actions one must have been agreed on."""


def answer_of(packet: Packet) -> Answer:
    """Return what a packet means.

    Raises:
        MilterError: it means nothing.
    """
    read = _READERS.get(packet.letter)
    if read is None:
        raise MilterError(f"an unknown answer {packet.letter!r}")
    return read(packet.content)


_NUMBER: Final = struct.Struct("!I")
_TERMS: Final = struct.Struct("!III")
_LINE: Final = re.compile(rb"([45][0-9][0-9])(?:([ -])(?:([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |\Z))?(.*))?", re.DOTALL)
_MOST_TEXT: Final = 32
"""Lines of a reply that are told."""


def _word(verdict: Verdict) -> Callable[[bytes], Answer]:
    return lambda _: verdict


def _strings(content: bytes, least: int, most: int) -> list[bytes]:
    """Return the strings of a packet, each ended by NUL.

    Raises:
        MilterError: there are more or less than may be, or the last one has no end.
    """
    *strings, rest = content.split(b"\0")
    if rest or not least <= len(strings) <= most:
        raise MilterError(f"{len(strings)} strings and {len(rest)} octets where {least} to {most} strings belong")
    return strings


def _numbered(content: bytes) -> tuple[int, bytes, bytes]:
    """Return a number and the two strings behind it."""
    if len(content) < _NUMBER.size:
        raise MilterError("a header's place is missing")
    name, value = _strings(content[_NUMBER.size :], 2, 2)
    return _NUMBER.unpack_from(content)[0], name, value


def _reply(content: bytes) -> Reply:
    """Return the reply that a filter words itself; libmilter doubles its percent signs."""
    (text,) = _strings(content, 1, 1)
    found = [_LINE.fullmatch(line.rstrip(b"\r")) for line in text.split(b"\n") if line.strip()]
    lines = [line for line in found if line is not None]
    if not lines or len(lines) != len(found) or any(line[1] != lines[0][1] for line in lines):
        raise MilterError(f"no reply: {text[:100]!r}")
    code, status = lines[0][1].decode(), (lines[0][3] or b"").decode()
    if not status.startswith(code[0]):
        status = f"{code[0]}.7.1"
    words = b"\n".join([line[4] or b"" for line in lines[:_MOST_TEXT]]).replace(b"%%", b"%")
    return Reply(int(code), status, _printable(words) or "Refused")


def _printable(text: bytes) -> str:
    """Return text as a reply may hold it."""
    return "".join(letter if " " <= letter <= "~" or letter == "\n" else "?" for letter in text.decode("latin-1"))


def _agreement(content: bytes) -> Agreement:
    if len(content) < _TERMS.size:
        raise MilterError("the filter's terms are too short")
    version, actions, steps = _TERMS.unpack_from(content)
    return Agreement(version, Action(actions), Step(steps), _symbols(content[_TERMS.size :]))


def _symbols(content: bytes) -> dict[int, tuple[bytes, ...]]:
    """Return the names of the macros that a filter wants, by stage (SMFIF_SETSYMLIST)."""
    wanted: dict[int, tuple[bytes, ...]] = {}
    while content:
        names, end, rest = content[_NUMBER.size :].partition(b"\0")
        if len(content) < _NUMBER.size or not end:
            raise MilterError("a list of macros has no end")
        wanted[_NUMBER.unpack_from(content)[0]] = tuple(names.replace(b",", b" ").split())
        content = rest
    return wanted


def _with_parameters(content: bytes) -> tuple[bytes, bytes]:
    path, *parameters = _strings(content, 1, 2)
    return path, b"".join(parameters)


_READERS: Final[dict[bytes, Callable[[bytes], Answer]]] = {
    b"c": _word(Verdict.CONTINUE),
    b"a": _word(Verdict.ACCEPT),
    b"d": _word(Verdict.DISCARD),
    b"r": _word(Verdict.REJECT),
    b"t": _word(Verdict.DELAY),
    b"s": _word(Verdict.SKIP),
    b"p": _word(Verdict.PROGRESS),
    b"4": _word(Verdict.SHUT_DOWN),
    b"f": _word(Verdict.FAIL),
    b"y": _reply,
    b"O": _agreement,
    b"q": lambda content: Quarantine(*_strings(content, 1, 1)),
    b"h": lambda content: AddHeader(*_strings(content, 2, 2)),
    b"i": lambda content: InsertHeader(*_numbered(content)),
    b"m": lambda content: ChangeHeader(*_numbered(content)),
    b"+": lambda content: AddRecipient(*_strings(content, 1, 1)),
    b"2": lambda content: AddRecipient(*_with_parameters(content)),
    b"-": lambda content: DeleteRecipient(*_strings(content, 1, 1)),
    b"e": lambda content: ChangeSender(*_with_parameters(content)),
    b"b": ReplaceBody,
}
