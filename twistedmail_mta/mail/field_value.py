"""What values of header fields have in common: folding, quoted pairs, comments."""

from __future__ import annotations

import re
from itertools import islice
from typing import Final

MAX_PARENTHESES: Final = 100
"""Parentheses and quoted pairs in a comment; one with more never ends."""

_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_LINE_END = re.compile(rb"[\r\n]+")
_IN_COMMENT = re.compile(rb"\\.|[()]", re.DOTALL)


def unfolded(value: bytes) -> bytes:
    """Return the value on one line (RFC 5322 section 2.2.3).

    The line breaks that fold are taken out; those that shouldn't be there
    become a space.
    """
    if b"\n" not in value and b"\r" not in value:
        return value
    return _LINE_END.sub(b" ", _FOLD.sub(b"", value))


def unquoted(text: bytes) -> bytes:
    """Return the content of a quoted string, unfolded before, its quoted pairs resolved (RFC 5322 section 3.2.1)."""
    if b"\\" not in text:
        return text
    return text.replace(b"\\\\", b"\r").replace(b"\\", b"").replace(b"\r", b"\\")  # no CR is left in it


def behind_comment(value: bytes, start: int) -> int | None:
    """Return where the comment ends that begins at `start`, those in it included; None when it doesn't."""
    depth = 0
    for found in islice(_IN_COMMENT.finditer(value, start), MAX_PARENTHESES):
        depth += {b"(": 1, b")": -1}.get(found[0], 0)
        if not depth:
            return found.end()
    return None
