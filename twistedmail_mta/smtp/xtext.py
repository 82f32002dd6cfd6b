r"""The two encodings of text in ESMTP parameters.

xtext (RFC 3461 section 4) writes an octet as `+3D`; unitext (RFC 6533
section 3) writes a code point as `\x{E9}`, for the address type `utf-8`.
"""

from __future__ import annotations

import re

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HEXCHAR = re.compile(rb"\+([0-9A-F]{2})")

_UNITEXT = re.compile(r"(?:[!-*,-<>-\[\]-~\u00a0-\U0010ffff]|\\x\{[0-9A-F]{2,6}\})+")
_EMBEDDED = re.compile(r"\\x\{([0-9A-F]{2,6})\}")


def is_xtext(text: str) -> bool:
    """Whether `text` is well-formed xtext, empty included."""
    return _XTEXT.fullmatch(text) is not None


def decode_xtext(text: str) -> str:
    """Return what `text` stands for.

    Raises:
        ValueError: it isn't xtext, or its octets aren't UTF-8.
    """
    if not is_xtext(text):
        raise ValueError("not xtext")
    return _HEXCHAR.sub(lambda char: bytes([int(char[1], 16)]), text.encode("ascii")).decode()


def is_unitext(text: str) -> bool:
    """Whether `text` is a `utf-8-enc-addr` of RFC 6533 section 3.

    The forms are checked alike; whether characters outside ASCII may stand
    for themselves depends on SMTPUTF8, which the caller knows.
    """
    return _UNITEXT.fullmatch(text) is not None and all(
        _is_scalar(int(embedded, 16)) for embedded in _EMBEDDED.findall(text)
    )


def decode_unitext(text: str) -> str:
    """Return what `text` stands for.

    Raises:
        ValueError: it isn't unitext.
    """
    if not is_unitext(text):
        raise ValueError("not a utf-8 address")
    return _EMBEDDED.sub(lambda char: chr(int(char[1], 16)), text)


def _is_scalar(point: int) -> bool:
    return point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF
