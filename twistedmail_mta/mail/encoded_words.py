"""Text in header fields that hold ASCII alone (RFC 2047)."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

_MAX_ENCODED: Final = 45
"""Octets in an encoded word, which has 75 at most (RFC 2047 section 2)."""

_UNPRINTABLE = re.compile(r"[^ -~]")


def encoded_words(text: str) -> str:
    """Return text as a header field may hold it, in encoded words where needed, folded between them."""
    if text.isascii():
        return _UNPRINTABLE.sub("?", text)
    words, piece = [], b""
    for letter in text:
        octets = letter.encode("utf-8", "replace")
        if len(piece) + len(octets) > _MAX_ENCODED:
            words.append(piece)
            piece = b""
        piece += octets
    return "\r\n ".join(f"=?utf-8?b?{b64encode(word).decode()}?=" for word in [*words, piece])
