"""Reads Content-Type, Content-Disposition and their like, tolerantly and in linear time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import Final
from urllib.parse import quote_from_bytes

from twistedmail_mta.mail.field_value import behind_comment, unquoted

MAX_COMMENTS: Final = 100
"""Comments and quoted strings that are told apart in a field; comments behind them are left in."""
MAX_PARAMETERS: Final = 100
"""Parameters of a field; those behind are left out."""

Parameter = tuple[bytes, bytes]
"""Name, as it came, and value, without quotes."""

_SUBTYPES: Final = {b"text": b"plain", b"multipart": b"mixed"}
_TOKEN = rb'[^\x00-\x20()<>@,;:\\"/\[\]?=\x7f]++'
_TYPE = re.compile(rb"[ \t]*+(" + _TOKEN + rb")[ \t]*+(?:/[ \t]*+(" + _TOKEN + rb"))?+([ \t]*+(?:;|\Z))?")
_WORD = re.compile(rb"[ \t]*+(" + _TOKEN + rb")")
_PARAMETER = re.compile(
    rb""";[ \t;]*+([^\x00-\x20;="]++)[ \t]*+=[ \t]*+
    (?: "( (?: [^"\\] | \\. )*+ ) | ([^\x00-\x20;]*+) )""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT_OR_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?|(?<![^\x00-\x20;=/])\(', re.DOTALL)
_CONTINUED = re.compile(rb"([^*]++)\*([0-9]{1,4})(\*?)")


@dataclass(frozen=True, slots=True)
class ContentType:
    """A media type (RFC 2045 section 5.1), in the letters it was written in.

    Attributes:
        type: "text" where there is no Content-Type.
        subtype: as the type.
        parameters: in order, continuations joined.
    """

    type: bytes
    subtype: bytes
    parameters: tuple[Parameter, ...] = ()

    def parameter(self, name: bytes) -> bytes | None:
        """Return the value of the first parameter of this name, which is in lower case."""
        return next((value for known, value in self.parameters if known.lower() == name), None)


TEXT_PLAIN: Final = ContentType(b"text", b"plain")
"""What a part is that says nothing (RFC 2045 section 5.2)."""


def content_type(value: bytes) -> ContentType:
    """Return the value of a Content-Type field, unfolded before.

    As much is kept as can be understood; a value without any type is
    `TEXT_PLAIN`.
    """
    value = without_comments(value)
    found = _TYPE.match(value)
    if found is None:
        return TEXT_PLAIN
    kind, subtype, end = found.groups()
    if subtype is None:
        subtype, end = _SUBTYPES.get(kind.lower(), b"x-unknown"), None
    return ContentType(kind, subtype, _parameters(value, found.end(2)) if end is not None else ())


def disposition(value: bytes) -> tuple[bytes, tuple[Parameter, ...]] | None:
    """Return kind and parameters of a Content-Disposition field (RFC 2183 section 2); None if it has neither.

    Parameters alone are those of an attachment, as they are of a kind that
    nobody knows (RFC 2183 section 2.8).
    """
    value = without_comments(value)
    found = _WORD.match(value)
    parameters = _parameters(value, found.end() if found else 0)
    if found is None:
        return (b"attachment", parameters) if parameters else None
    return found[1], parameters


def token(value: bytes) -> bytes | None:
    """Return the first token of a field that holds only one, as Content-Transfer-Encoding does."""
    found = _WORD.match(without_comments(value))
    return None if found is None else found[1]


def languages(value: bytes) -> list[bytes]:
    """Return the tags of a Content-Language field (RFC 3282 section 2)."""
    words = (_WORD.match(word) for word in without_comments(value).split(b",", MAX_PARAMETERS)[:MAX_PARAMETERS])
    return [word[1] for word in words if word is not None]


def without_comments(value: bytes) -> bytes:
    """Return the value without comments; one that never ends is left in.

    Parentheses inside an unquoted word belong to it: they are in file names
    that nobody quoted.
    """
    if b"(" not in value:
        return value
    pieces, done, position = [], 0, 0
    for _ in range(MAX_COMMENTS):
        found = _COMMENT_OR_STRING.search(value, position)
        if found is None:
            break
        position = found.end()
        if found[0] == b"(":
            end = behind_comment(value, found.start())
            if end is None:
                break
            pieces.append(value[done : found.start()])
            done = position = end
    pieces.append(value[done:])
    return b" ".join(pieces)


def _parameters(value: bytes, start: int) -> tuple[Parameter, ...]:
    """Return the parameters that begin at the first semicolon behind `start`."""
    found: list[Parameter] = []
    continued = False
    for match in islice(_PARAMETER.finditer(value, start), MAX_PARAMETERS):
        name, quoted, word = match.groups(b"")
        continued = continued or b"*" in name
        found.append((name, word or unquoted(quoted)))
    return tuple(_joined(found)) if continued else tuple(found)


def _joined(parameters: list[Parameter]) -> list[Parameter]:
    """Join values that were split (RFC 2231 section 3), those in a charset under a name with a star.

    What was percent-encoded stays so: `filename*0*` and `filename*1` become
    `filename*`. A piece that nothing leads up to stays what it is.
    """
    pieces = {
        (found[1].lower(), int(found[2])): (found[1], value, found[3] == b"*")
        for name, value in reversed(parameters)
        if (found := _CONTINUED.fullmatch(name)) is not None
    }
    whole, used = [], set()
    for base, place in sorted(pieces):
        if place:
            continue
        run: list[tuple[bytes, bytes, bool]] = []
        while (base, len(run)) in pieces:
            used.add((base, len(run)))
            run.append(pieces[base, len(run)])
        whole.append(_one_value(run))
    return [
        (name, value)
        for name, value in parameters
        if (found := _CONTINUED.fullmatch(name)) is None or (found[1].lower(), int(found[2])) not in used
    ] + whole


def _one_value(run: list[tuple[bytes, bytes, bool]]) -> Parameter:
    name = run[0][0]
    if not any(encoded for _, _, encoded in run):
        return name, b"".join(value for _, value, _ in run)
    charset = b"" if run[0][2] else b"''"
    return name + b"*", charset + b"".join(
        value if encoded else quote_from_bytes(value, safe="").encode() for _, value, encoded in run
    )
