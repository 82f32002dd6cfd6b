"""Authentication-Results (RFC 8601): written so that nothing a stranger said can break it, and read tolerantly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from twistedmail_mta.mail.field_value import behind_comment, unfolded, unquoted

NAME: Final = "Authentication-Results"

MOST_STATEMENTS: Final = 100
"""Of a field that is read."""
MOST_PROPERTIES: Final = 20
"""Of a statement that is read."""
MOST_VALUE: Final = 320
"""Characters of a value that is written: an address has 254."""

_WIDTH: Final = 78
_FOLD: Final = "\r\n\t"

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+")  # RFC 2045 section 5.1
_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]*@[A-Za-z0-9_.-]+")
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSAFE_COMMENT: Final = re.compile(r"[^ -~]|[()\\]")

_QUOTED: Final = rb'"(?:[^"\\]|\\.)*+"'
_SERVICE: Final = re.compile(rb"(" + _QUOTED + rb"|[^\s;()\"/]++)(?:[\s/]*+([0-9]++))?+")
_PIECE: Final = re.compile(rb"[^;(\"]++|" + _QUOTED + rb"|[;(\"]", re.DOTALL)
_METHOD: Final = re.compile(rb"\s*+([A-Za-z][A-Za-z0-9-]*+)(?:\s*+/\s*+[0-9]++)?+\s*+=\s*+([A-Za-z][A-Za-z0-9-]*+)")
_PROPERTY: Final = re.compile(
    rb"\s*+([A-Za-z][A-Za-z0-9-]*+)(?:\s*+\.\s*+([A-Za-z][A-Za-z0-9_-]*+))?+\s*+=\s*+(" + _QUOTED + rb"|[^\s\";]*+)"
)
_BLANK: Final = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Statement:
    """What one method found.

    Attributes:
        method: such as "spf".
        result: such as "pass".
        reason: why, in plain words; may be empty.
        properties: what it is about: names such as "smtp.mailfrom", and values, not quoted.
        comment: for people, in ASCII; not read.
    """

    method: str
    result: str
    reason: str = ""
    properties: tuple[tuple[str, str], ...] = ()
    comment: str = ""

    def get(self, name: str) -> str:
        """Return the value of a property; empty where there is none."""
        return next((value for key, value in self.properties if key == name), "")


@dataclass(frozen=True, slots=True)
class Results:
    """A field as it was read.

    Attributes:
        service: who says so: the authserv-id, in lower case.
        statements: what is said; none for "none".
    """

    service: str
    statements: tuple[Statement, ...]


def written(service: str, statements: Sequence[Statement]) -> str:
    """Return the value of a field, folded, without the last line end.

    Values that aren't plain are quoted; control characters become "?".  Empty ones are left out.

    Args:
        service: who says so.
        statements: what; nothing was looked at where there are none.
    """
    lines = [_quoted(service) + ";"]
    for number, statement in enumerate(statements, 1):
        end = "" if number == len(statements) else ";"
        lines.append(_folded([*_parts(statement)], end))
    return _FOLD.join(lines) if statements else f"{lines[0]} none"


def line_of(statement: Statement) -> str:
    """Return a statement on one line, for people."""
    return " ".join(_parts(statement))


def _parts(statement: Statement) -> Iterator[str]:
    yield f"{statement.method}={statement.result}"
    if statement.comment:
        yield f"({_UNSAFE_COMMENT.sub('?', statement.comment[:MOST_VALUE])})"
    if statement.reason:
        yield f'reason="{_escaped(statement.reason)}"'
    for name, value in statement.properties:
        if value:
            yield f"{name}={_value(value)}"


def _folded(parts: Sequence[str], end: str) -> str:
    lines, line = [], ""
    for part in parts:
        if line and len(line) + 1 + len(part) > _WIDTH - 8:
            lines.append(line)
            line = part
        else:
            line = f"{line} {part}" if line else part
    return _FOLD.join([*lines, line + end])


def _value(text: str) -> str:
    """Return a property's value (RFC 8601 section 2.2): an address or a domain as it is, if it is plain."""
    return text if len(text) <= MOST_VALUE and _ADDRESS.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    is_plain = len(text) <= MOST_VALUE and _TOKEN.fullmatch(text)
    return text if is_plain else f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return _UNSAFE.sub("?", text[:MOST_VALUE]).replace("\\", "\\\\").replace('"', '\\"')


def service_of(value: bytes) -> str | None:
    """Return who says what a field says, its authserv-id, in lower case; None where that can't be told."""
    return _service(unfolded(value))[0]


def read(value: bytes) -> Results | None:
    """Return what a field says; what can't be understood of it is left out.

    Args:
        value: of Authentication-Results, or what follows `i=N;` in ARC-Authentication-Results.

    Returns:
        None where it doesn't even say who says so.
    """
    line = unfolded(value)
    service, end = _service(line)
    if service is None:
        return None
    said = islice(_segments(line[end:]), MOST_STATEMENTS)
    return Results(service, tuple(found for text in said if (found := _statement(text)) is not None))


def _service(line: bytes) -> tuple[str | None, int]:
    """Return the authserv-id, and where what follows it begins."""
    begin = _behind_space(line, 0)
    found = None if begin is None else _SERVICE.match(line, begin)
    if found is None:
        return None, 0
    return _text(found[1]).lower(), found.end()


def _behind_space(line: bytes, begin: int) -> int | None:
    """Return where white space and comments end; None if a comment doesn't."""
    while True:
        begin += len(line) - begin - len(line[begin:].lstrip(_BLANK))
        if line[begin : begin + 1] != b"(":
            return begin
        end = behind_comment(line, begin)
        if end is None:
            return None
        begin = end


def _segments(text: bytes) -> Iterator[bytes]:
    """Yield what stands between semicolons, without comments; what is before the first is none of it."""
    pieces: list[bytes] = []
    position, is_first = 0, True
    while position < len(text):
        found = _PIECE.match(text, position)
        if found is None:
            return
        position = found.end()
        if found[0] == b"(":
            end = behind_comment(text, found.start())
            if end is None:
                break
            pieces.append(b" ")
            position = end
        elif found[0] == b";":
            if not is_first:
                yield b"".join(pieces)
            pieces, is_first = [], False
        else:
            pieces.append(found[0])
    if not is_first:
        yield b"".join(pieces)


def _statement(text: bytes) -> Statement | None:
    found = _METHOD.match(text)
    if found is None:
        return None
    said = [*islice(_properties(text, found.end()), MOST_PROPERTIES)]
    reason = next((value for name, value in said if name == "reason"), "")
    properties = tuple(each for each in said if "." in each[0])
    return Statement(found[1].decode().lower(), found[2].decode().lower(), reason, properties)


def _properties(text: bytes, position: int) -> Iterable[tuple[str, str]]:
    while (found := _PROPERTY.match(text, position)) is not None:
        position = found.end()
        name = found[1].decode().lower()
        yield (f"{name}.{found[2].decode().lower()}" if found[2] else name), _text(found[3])


def _text(value: bytes) -> str:
    """Return a value, its quotes resolved."""
    if value.startswith(b'"'):
        value = unquoted(value[1:-1])
    return value.decode("utf-8", "replace")
