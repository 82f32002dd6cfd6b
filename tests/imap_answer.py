"""A strict reader of ENVELOPE and BODYSTRUCTURE, straight from the grammar of RFC 3501 section 9."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_ATOM = re.compile(rb"NIL|[0-9]+")
_QUOTED = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{([0-9]+)\}\r\n")


def parse(answer: bytes) -> Any:
    """Return None for NIL, an int, bytes for a string, or a list; anything that isn't exactly the grammar fails."""
    value, end = _value(answer, 0)
    assert end == len(answer), answer[end : end + 40]
    return value


def _value(answer: bytes, place: int) -> tuple[Any, int]:
    if found := _QUOTED.match(answer, place):
        return re.sub(rb"\\(.)", rb"\1", found[1]), found.end()
    if found := _LITERAL.match(answer, place):
        end = found.end() + int(found[1])
        text = answer[found.end() : end]
        assert len(text) == int(found[1])
        assert b"\0" not in text
        return text, end
    if found := _ATOM.match(answer, place):
        return None if found[0] == b"NIL" else int(found[0]), found.end()
    assert answer[place : place + 1] == b"(", answer[place : place + 40]
    return _list(answer, place + 1)


def _list(answer: bytes, place: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    while answer[place : place + 1] != b")":
        if items and not (isinstance(items[-1], list) and answer[place : place + 1] == b"("):
            assert answer[place : place + 1] == b" ", answer[place : place + 40]
            place += 1
        item, place = _value(answer, place)
        items.append(item)
    return items, place + 1


@dataclass
class Body:
    """A part as BODYSTRUCTURE tells it; `kind` in lower case, of a multipart "multipart/..."."""

    kind: str
    parameters: dict[bytes, bytes]
    extension: list[Any]
    id: bytes | None = None
    description: bytes | None = None
    encoding: bytes = b""
    octets: int = 0
    lines: int | None = None
    envelope: list[Any] | None = None
    children: tuple[Body, ...] = ()


def read_envelope(answer: bytes) -> list[Any]:
    """Return the ten fields; fails where they aren't of the right kinds."""
    return check_envelope(parse(answer))


def check_envelope(fields: Any) -> list[Any]:
    """Fail where these aren't the fields of an ENVELOPE."""
    assert isinstance(fields, list)
    assert len(fields) == 10
    assert all(field is None or isinstance(field, bytes) for field in fields[:2] + fields[8:])
    for addresses in fields[2:8]:
        assert addresses is None or (isinstance(addresses, list) and addresses)
        for address in addresses or ():
            assert len(address) == 4
            assert all(word is None or isinstance(word, bytes) for word in address)
    return fields


def read_body(answer: bytes, *, extended: bool = True) -> Body:
    """Return what a BODYSTRUCTURE, or a BODY, says; fails where it isn't one."""
    return check_body(parse(answer), extended)


def check_body(part: Any, extended: bool) -> Body:
    """Return what a BODYSTRUCTURE, or a BODY, says; fails where these aren't the fields of one."""
    assert isinstance(part, list)
    return _multipart(part, extended) if isinstance(part[0], list) else _leaf(part, extended)


def _multipart(part: list[Any], extended: bool) -> Body:
    count = next(place for place, item in enumerate(part) if not isinstance(item, list))
    subtype, extension = part[count], part[count + 1 :]
    assert isinstance(subtype, bytes)
    assert len(extension) == (4 if extended else 0)
    parameters = _parameters(extension.pop(0)) if extended else {}
    kind = f"multipart/{subtype.decode('latin-1').lower()}"
    children = tuple(check_body(child, extended) for child in part[:count])
    return Body(kind, parameters, _extension(extension) if extended else [], children=children)


def _leaf(part: list[Any], extended: bool) -> Body:
    kind, subtype, parameters, identity, description, encoding, octets, *rest = part
    assert isinstance(octets, int)
    assert isinstance(encoding, bytes)
    assert all(word is None or isinstance(word, bytes) for word in (identity, description))
    media = f"{kind.decode('latin-1')}/{subtype.decode('latin-1')}".lower()
    body = Body(media, _parameters(parameters), [], identity, description, encoding, octets)
    if media == "message/rfc822":
        body.envelope, body.children = check_envelope(rest[0]), (check_body(rest[1], extended),)
        rest = rest[2:]
    if media == "message/rfc822" or media.startswith("text/"):
        body.lines = rest.pop(0)
        assert isinstance(body.lines, int)
    assert len(rest) == (4 if extended else 0)
    if extended:
        assert rest[0] is None or isinstance(rest[0], bytes)
        body.extension = [rest[0], *_extension(rest[1:])]
    return body


def _parameters(words: Any) -> dict[bytes, bytes]:
    assert words is None or (words and len(words) % 2 == 0)
    assert all(isinstance(word, bytes) for word in words or ())
    found: dict[bytes, bytes] = {}
    for name, value in zip((words or [])[::2], (words or [])[1::2], strict=True):
        found.setdefault(name.lower(), value)
    return found


def _extension(words: list[Any]) -> list[Any]:
    """Check disposition, language and location; parameters become a dictionary."""
    disposition, language, location = words
    assert location is None or isinstance(location, bytes)
    assert language is None or isinstance(language, bytes) or all(isinstance(tag, bytes) for tag in language)
    if disposition is not None:
        kind, parameters = disposition
        assert isinstance(kind, bytes)
        disposition = [kind.lower(), _parameters(parameters)]
    return [disposition, [language] if isinstance(language, bytes) else language, location]
