"""Finds the language in which an author reads and writes, from the header of a message."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from twistedmail_mta.mail.header import Header

_FIELDS = (b"accept-language", b"x-accept-language", b"content-language")
"""What the author wants to read goes before what it wrote (RFC 3282 section 3)."""

_MAX_VALUE = 500
_COMMENT = re.compile(r"\([^()]*\)")
_RANGE = re.compile(r"([A-Za-z]{2,8})(?:-[A-Za-z0-9]{1,8})*(?:\s*;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?))?")


def language_of(header: Header, known: Collection[str]) -> str | None:
    """Return the first of the author's languages that is known, as its primary tag; None when none is."""
    return next((tag for tag in _tags(header) if tag in known), None)


def _tags(header: Header) -> Iterator[str]:
    for name in _FIELDS:
        value = header.get(name)
        if value:
            yield from _ranked(value[:_MAX_VALUE].decode("latin-1"))


def _ranked(value: str) -> list[str]:
    """Return the languages of a field, the most wanted first."""
    ranges = [_RANGE.fullmatch(item.strip()) for item in _COMMENT.sub("", value).split(",")]
    found = [(float(each[2] or 1), each[1].lower()) for each in ranges if each is not None]
    return [tag for weight, tag in sorted(found, key=lambda pair: -pair[0]) if weight > 0]
