"""Reads back what an ENVELOPE says (`envelope.envelope` words it)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final, TypeAlias

Item: TypeAlias = "bytes | list[Item] | None"
"""A string, NIL, or a list."""

_TOKEN: Final = re.compile(rb' ?(?:"((?:[^"\\]|\\.)*+)"|\{([0-9]+)\}\r\n|(NIL)|(\()|(\)))', re.DOTALL)
_PLAIN_BEGIN: Final = re.compile(rb'\("([^"\\]*+)" "([^"\\]*+)" ')
_LIST = rb'(NIL|\((?:\((?:"[^"\\]*+"|NIL| )*+\))++\))'
_PLAIN_LISTS: Final = re.compile(rb'\((NIL|"[^"\\]*+") (NIL|"[^"\\]*+")' + (b" " + _LIST) * 5)
_PLAIN_MAILBOX: Final = re.compile(rb'(?:\(\((?:"[^"]*+"|NIL) (?:"[^"]*+"|NIL) "([^"]*+)")|NIL')
_ESCAPED: Final = re.compile(rb"\\(.)", re.DOTALL)
_OPEN: Final = object()
_CLOSE: Final = object()

AUTHORS: Final = 2
RECIPIENTS: Final = 5
COPIES: Final = 6
"""The places of From, To and Cc, lists of addresses."""


def date(envelope: bytes) -> bytes | None:
    """Return the Date."""
    return _text(envelope, 0)


def subject(envelope: bytes) -> bytes | None:
    """Return the Subject."""
    return _text(envelope, 1)


def _text(envelope: bytes, place: int) -> bytes | None:
    """Return one of the texts it begins with."""
    found = _PLAIN_BEGIN.match(envelope)
    if found is not None:
        return found[place + 1]
    text = next(islice(_tokens(envelope), place + 1, None), None)
    return text if isinstance(text, bytes) else None


def first_mailbox(envelope: bytes, place: int) -> bytes:
    """Return addr-mailbox of the first address of a list (RFC 5256 section 3); empty without any.

    Args:
        envelope: the whole.
        place: `AUTHORS`, `RECIPIENTS` or `COPIES`.
    """
    found = _PLAIN_LISTS.match(envelope)
    first = None if found is None else _PLAIN_MAILBOX.match(found[place + 1])
    return _first_mailbox(items(envelope), place) if first is None else first[1] or b""


def items(envelope: bytes) -> list[Item]:
    """Return all of it; empty for what is no ENVELOPE."""
    waiting: list[list[Item]] = [[]]
    for token in _tokens(envelope):
        if token is _OPEN:
            waiting.append([])
        elif token is _CLOSE:
            if len(waiting) > 1:
                ended = waiting.pop()
                waiting[-1].append(ended)
        else:
            waiting[-1].append(token if isinstance(token, bytes) else None)
    whole = waiting[0][0] if waiting[0] else None
    return whole if isinstance(whole, list) else []


def _first_mailbox(envelope: list[Item], place: int) -> bytes:
    addresses = envelope[place] if place < len(envelope) else None
    first = addresses[0] if addresses and isinstance(addresses, list) else None
    mailbox = first[2] if isinstance(first, list) and len(first) > 2 else None
    return mailbox if isinstance(mailbox, bytes) else b""


def _tokens(envelope: bytes) -> Iterator[object]:
    """Yield strings, None for NIL, and where lists begin and end."""
    at = 0
    while (found := _TOKEN.match(envelope, at)) is not None:
        quoted, size, nil, begin, _ = found.groups()
        at = found.end()
        if quoted is not None:
            yield _ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted
        elif size is not None:
            start, at = at, at + int(size)
            yield envelope[start:at]
        else:
            yield None if nil else _OPEN if begin else _CLOSE
