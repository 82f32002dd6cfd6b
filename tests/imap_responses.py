"""Responses of an IMAP server as values, read by the grammar of RFC 9051 section 9 and of the extensions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from imap_answer import check_body, check_envelope
from imap_words import Ranges, Words


@dataclass(frozen=True)
class Status:
    """OK, NO, BAD, BYE or PREAUTH; `tag` is empty for an untagged one, `code` without brackets, in capitals."""

    tag: str
    condition: str
    code: str
    argument: Any
    text: str


@dataclass(frozen=True)
class Continuation:
    """What follows "+ "."""

    text: bytes


@dataclass(frozen=True)
class Numbered:
    """EXISTS, RECENT or EXPUNGE."""

    kind: str
    number: int


@dataclass(frozen=True)
class Fetch:
    """FETCH; items by their name in capitals with section and origin, such as "BODY[1.MIME]<0>"."""

    number: int
    items: dict[str, Any]


@dataclass(frozen=True)
class Vanished:
    """VANISHED (RFC 7162 section 3.2.10)."""

    earlier: bool
    uids: Ranges


@dataclass(frozen=True)
class Found:
    """ESEARCH: what was found by MIN, MAX, ALL, COUNT and MODSEQ."""

    tag: str | None
    by_uid: bool
    results: dict[str, Any]


@dataclass(frozen=True)
class Listed:
    """LIST or LSUB; the name as it was written, extended items by their name in capitals."""

    kind: str
    attributes: frozenset[str]
    separator: bytes | None
    name: bytes
    extended: dict[str, Any]


@dataclass(frozen=True)
class Told:
    """Any other untagged response."""

    kind: str
    value: Any


Response = Status | Continuation | Numbered | Fetch | Vanished | Found | Listed | Told

_STATUS = re.compile(rb"(\*|[^ ()*%\"\\{\x00-\x1f\x7f-\xff+]+) (OK|NO|BAD|BYE|PREAUTH) ")
_TEXT = re.compile(r"[\x01-\x09\x0b\x0c\x0e-\x7f]+\Z")
_CODE = re.compile(rb"\[([^\]]*)\] ")
_MARKED = re.compile(rb"~?\{([0-9]{1,19})\}\r\n\Z")
_ORIGIN = re.compile(rb"<(0|[1-9][0-9]*)>")
_SECTION = re.compile(
    rb"(?:[1-9][0-9]*(?:\.[1-9][0-9]*)*(?:\.(?:MIME|HEADER|TEXT))?|HEADER|TEXT|)(?=\])"
    rb"|(?:[1-9][0-9]*(?:\.[1-9][0-9]*)*\.)?HEADER\.FIELDS(?:\.NOT)?(?= )",
    re.IGNORECASE,
)
_PARTS = re.compile(rb"(?:[1-9][0-9]*(?:\.[1-9][0-9]*)*|)(?=\])")
_CAPABILITY = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
SYSTEM_FLAGS = {"\\answered", "\\flagged", "\\deleted", "\\seen", "\\draft", "\\recent"}
PLAIN_CODES = frozenset(  # RFC 9051 section 7.1, RFC 7162, RFC 7889, RFC 6154
    [
        "ALERT",
        "PARSE",
        "READ-ONLY",
        "READ-WRITE",
        "TRYCREATE",
        "UIDNOTSTICKY",
        "UNAVAILABLE",
        "AUTHENTICATIONFAILED",
        "AUTHORIZATIONFAILED",
        "EXPIRED",
        "PRIVACYREQUIRED",
        "CONTACTADMIN",
        "NOPERM",
        "INUSE",
        "EXPUNGEISSUED",
        "CORRUPTION",
        "SERVERBUG",
        "CLIENTBUG",
        "CANNOT",
        "LIMIT",
        "OVERQUOTA",
        "ALREADYEXISTS",
        "NONEXISTENT",
        "NOTSAVED",
        "HASCHILDREN",
        "CLOSED",
        "UNKNOWN-CTE",
        "NOMODSEQ",
        "TOOBIG",
        "USEATTR",
    ]
)


def read_octets(read_line: Callable[[], bytes], read: Callable[[int], bytes]) -> bytes:
    """Return the octets of one response with its literals; empty at the end of the connection."""
    octets = line = read_line()
    if _STATUS.match(octets) or octets.startswith(b"+"):
        return octets
    while found := _MARKED.search(line):
        octets += read(int(found[1]))
        line = read_line()
        octets += line
    return octets


def parse_response(octets: bytes, *, utf8: bool = False) -> Response:
    """Return a response; what isn't one by the grammar fails the test."""
    assert octets.endswith(b"\r\n"), octets[-100:]
    line = octets[:-2]
    if line.startswith(b"+"):
        assert line.startswith(b"+ "), line
        return Continuation(line[2:])
    if _STATUS.match(line):
        return _status(line, utf8)
    words = Words(line, utf8=utf8)
    words.expect(b"* ")
    response = _numbered(words) if words.octets[2:3].isdigit() else _data(words)
    words.end()
    return response


def _status(line: bytes, utf8: bool) -> Status:
    found = _STATUS.match(line)
    assert found is not None
    rest = line[found.end() :]
    code, argument = "", None
    if rest.startswith(b"["):
        bracket = _CODE.match(rest)
        assert bracket is not None, line
        words = Words(bracket[1], utf8=utf8)
        code, argument = _code(words)
        words.end()
        rest = rest[bracket.end() :]
    text = rest.decode() if utf8 else rest.decode("ascii")
    assert utf8 or _TEXT.match(text), line
    tag = "" if found[1] == b"*" else found[1].decode()
    assert not tag or found[2] in (b"OK", b"NO", b"BAD"), line
    return Status(tag, found[2].decode(), code, argument, text)


def _code(words: Words) -> tuple[str, Any]:
    name = words.keyword()
    if name in PLAIN_CODES:
        return name, None
    if name == "CAPABILITY":
        return name, _capabilities(words)
    if name == "BADCHARSET":
        return name, words.items(words.astring, least=1) if words.skip(b" ") else None
    words.space()
    return name, _ARGUMENTS[name](words)


def _flags(words: Words) -> list[str]:
    flags = words.items(words.flag)
    lowered = [flag.lower() for flag in flags]
    assert len(set(lowered)) == len(flags), flags
    assert all(not flag.startswith("\\") or flag in SYSTEM_FLAGS for flag in lowered), flags
    return flags


def _permanent(words: Words) -> list[str]:
    def one() -> str:
        return "\\*" if words.skip(b"\\*") else words.flag()

    flags = words.items(one)
    assert len({flag.lower() for flag in flags}) == len(flags), flags
    assert "\\recent" not in {flag.lower() for flag in flags}
    return flags


def _copied(words: Words) -> tuple[int, Ranges, Ranges]:
    validity = words.number(least=1)
    words.space()
    source = words.set()
    words.space()
    return validity, source, words.set()


def _appended(words: Words) -> tuple[int, Ranges]:
    validity = words.number(least=1)
    words.space()
    return validity, words.set()


_ARGUMENTS: dict[str, Callable[[Words], Any]] = {
    "PERMANENTFLAGS": _permanent,
    **dict.fromkeys(("UIDNEXT", "UIDVALIDITY", "UNSEEN"), partial(Words.number, least=1)),
    "HIGHESTMODSEQ": partial(Words.number64, least=1),
    "MODIFIED": Words.set,
    "APPENDUID": _appended,
    "COPYUID": _copied,
}


def _numbered(words: Words) -> Response:
    number = words.number()
    words.space()
    kind = words.keyword()
    if kind == "FETCH":
        assert number
        words.space()
        return Fetch(number, _fetched(words))
    assert kind in ("EXISTS", "RECENT", "EXPUNGE"), kind
    assert number or kind != "EXPUNGE"
    return Numbered(kind, number)


def _fetched(words: Words) -> dict[str, Any]:
    pairs = words.items(lambda: _item(words), least=1)
    assert len({name for name, _ in pairs}) == len(pairs), [name for name, _ in pairs]
    return dict(pairs)


def _item(words: Words) -> tuple[str, Any]:
    name = words.keyword()
    if name in ("BODY", "BINARY", "BINARY.SIZE") and words.skip(b"["):
        return _section(words, name)
    words.space()
    return name, _ITEMS[name](words)


def _section(words: Words, name: str) -> tuple[str, Any]:
    section = words.take(_SECTION if name == "BODY" else _PARTS, "section")[0].decode().upper()
    if words.skip(b" "):
        names = words.items(words.astring, least=1)
        section += f" ({b' '.join(names).decode().upper()})"
    words.expect(b"]")
    origin = "" if name == "BINARY.SIZE" or not words.follows(b"<") else words.take(_ORIGIN, "origin")[0].decode()
    words.space()
    value = words.number64() if name == "BINARY.SIZE" else words.nstring(binary=name == "BINARY")
    return f"{name}[{section}]{origin}", value


def _modseq(words: Words) -> int:
    (value,) = words.items(partial(words.number64, least=1), least=1)
    return value


_ITEMS: dict[str, Callable[[Words], Any]] = {
    "FLAGS": _flags,
    "UID": partial(Words.number, least=1),
    "MODSEQ": _modseq,
    "INTERNALDATE": Words.date_time,
    "RFC822.SIZE": Words.number64,
    "ENVELOPE": lambda words: check_envelope(words.value()),
    "BODY": lambda words: check_body(words.value(), extended=False),
    "BODYSTRUCTURE": lambda words: check_body(words.value(), extended=True),
    **dict.fromkeys(("RFC822", "RFC822.HEADER", "RFC822.TEXT"), Words.nstring),
}


def _data(words: Words) -> Response:
    kind = words.keyword()
    if kind in ("LIST", "LSUB"):
        return _listed(words, kind)
    if kind == "VANISHED":
        words.space()
        earlier = words.skip(b"(EARLIER) ")
        return Vanished(earlier, words.set())
    if kind == "ESEARCH":
        return _esearch(words)
    return Told(kind, _DATA[kind](words))


def _capabilities(words: Words) -> list[str]:
    found = []
    while words.skip(b" "):
        found.append(words.take(_CAPABILITY, "capability")[0].decode().upper())
    assert len(set(found)) == len(found), found
    return found


def _searched(words: Words) -> tuple[list[int], int | None]:
    found: list[int] = []
    modseq = None
    while words.skip(b" "):
        if words.skip(b"(MODSEQ "):
            modseq = words.number64(least=1)
            words.expect(b")")
            assert found
            break
        found.append(words.number(least=1))
    assert len(set(found)) == len(found)
    return found, modseq


def _esearch(words: Words) -> Found:
    tag = None
    if words.skip(b" (TAG "):
        tag = words.astring().decode()
        words.expect(b")")
    by_uid = words.skip(b" UID")
    results: dict[str, Any] = {}
    while words.skip(b" "):
        name = words.keyword()
        assert name not in results
        words.space()
        results[name] = words.set() if name == "ALL" else words.number64(least=name != "COUNT")
        assert name in ("MIN", "MAX", "ALL", "COUNT", "MODSEQ"), name
    return Found(tag, by_uid, results)


def _threads(words: Words) -> list[Any]:
    found = []
    if words.skip(b" "):
        found.append(_thread(words))
        while words.place != len(words.octets):
            found.append(_thread(words))
    return found


def _thread(words: Words) -> list[Any]:
    """Read a thread: numbers, each the parent of the next, then the branches below the last."""
    words.expect(b"(")
    members: list[Any] = []
    while words.octets[words.place : words.place + 1].isdigit():
        members.append(words.number(least=1))
        if not words.skip(b" "):
            break
        assert not words.follows(b")")
    branches = []
    while words.follows(b"("):
        branches.append(_thread(words))
    words.expect(b")")
    assert members or branches
    assert len(branches) != 1
    return members + branches


_EXTENDED: dict[str, Callable[[Words], Any]] = {
    "CHILDINFO": lambda words: [name.decode().upper() for name in words.items(words.string, least=1)],
    "OLDNAME": lambda words: words.items(words.astring, least=1),
}


def _listed(words: Words, kind: str) -> Listed:
    words.space()
    attributes = words.items(words.flag)
    lowered = frozenset(attribute.lower() for attribute in attributes)
    assert len(lowered) == len(attributes)
    assert all(attribute.startswith("\\") for attribute in attributes)
    assert not {"\\haschildren", "\\hasnochildren"} <= lowered
    words.space()
    separator = words.nstring()
    assert separator is None or len(separator) == 1
    words.space()
    name = words.astring()
    extended: dict[str, Any] = {}
    if kind == "LIST" and words.skip(b" "):
        extended = dict(words.items(lambda: _extension(words)))
    return Listed(kind, lowered, separator, name, extended)


def _extension(words: Words) -> tuple[str, Any]:
    name = words.astring().decode().upper()
    words.space()
    return name, _EXTENDED[name](words)


_STATUS_ITEMS: dict[str, Callable[[Words], Any]] = {
    **dict.fromkeys(("MESSAGES", "RECENT", "UNSEEN", "DELETED"), Words.number),
    **dict.fromkeys(("UIDNEXT", "UIDVALIDITY"), partial(Words.number, least=1)),
    **dict.fromkeys(("SIZE", "HIGHESTMODSEQ", "DELETED-STORAGE"), Words.number64),
    "APPENDLIMIT": lambda words: None if words.skip(b"NIL") else words.number64(),
}


def _status_data(words: Words) -> tuple[bytes, dict[str, Any]]:
    def one() -> tuple[str, Any]:
        name = words.keyword()
        words.space()
        return name, _STATUS_ITEMS[name](words)

    words.space()
    name = words.astring()
    words.space()
    pairs = words.items(one)
    assert len(dict(pairs)) == len(pairs)
    return name, dict(pairs)


def _namespaces(words: Words) -> list[Any]:
    found = []
    for _ in range(3):
        words.space()
        value = words.value()
        assert value is None or all(len(each) == 2 and isinstance(each[0], bytes) for each in value)
        found.append(value)
    return found


def _identity(words: Words) -> dict[bytes, bytes | None] | None:
    def one() -> tuple[bytes, bytes | None]:
        name = words.string()
        words.space()
        return name, words.nstring()

    words.space()
    return None if words.skip(b"NIL") else dict(words.items(one, least=1))


def _quota(words: Words) -> tuple[bytes, dict[str, tuple[int, int]]]:
    def one() -> tuple[str, tuple[int, int]]:
        name = words.keyword()
        words.space()
        usage = words.number64()
        words.space()
        return name, (usage, words.number64())

    words.space()
    root = words.astring()
    words.space()
    return root, dict(words.items(one))


def _quota_roots(words: Words) -> tuple[bytes, list[bytes]]:
    words.space()
    mailbox, roots = words.astring(), []
    while words.skip(b" "):
        roots.append(words.astring())
    return mailbox, roots


def _told_flags(words: Words) -> list[str]:
    words.space()
    flags = _flags(words)
    assert "\\recent" not in {flag.lower() for flag in flags}
    return flags


_DATA: dict[str, Callable[[Words], Any]] = {
    "CAPABILITY": _capabilities,
    "ENABLED": _capabilities,
    "FLAGS": _told_flags,
    "SEARCH": _searched,
    "SORT": _searched,
    "THREAD": _threads,
    "STATUS": _status_data,
    "NAMESPACE": _namespaces,
    "ID": _identity,
    "QUOTA": _quota,
    "QUOTAROOT": _quota_roots,
}
