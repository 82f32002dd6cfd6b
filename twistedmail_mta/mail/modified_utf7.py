"""Mailbox names as IMAP4rev1 and Maildir++ write them: modified UTF-7 (RFC 3501 section 5.1.3)."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error
from typing import Final

_SHIFTED: Final = re.compile(r"&([A-Za-z0-9+,]*)-")
_UNSAFE: Final = re.compile(r"[^\x20-\x25\x27-\x7e]+")


def decode(text: str) -> str:
    """Return the name that `text` stands for.

    Raises:
        ValueError: it isn't modified UTF-7.
    """
    if not text.isascii():
        raise ValueError("modified UTF-7 is ASCII")
    decoded = _SHIFTED.sub(_decoded, text)
    if "&" in _SHIFTED.sub("", text):
        raise ValueError("a shift is not ended")
    return decoded


def _decoded(shifted: re.Match[str]) -> str:
    letters = shifted[1].replace(",", "/")
    if not letters:
        return "&"
    try:
        return b64decode(letters + "=" * (-len(letters) % 4), validate=True).decode("utf-16-be")
    except (Error, UnicodeDecodeError) as error:
        raise ValueError(f"not modified UTF-7: {shifted[0]}") from error


def encode(name: str, also: str = "") -> str:
    """Return a name in modified UTF-7.

    Args:
        name: in Unicode.
        also: printable characters that are to be shifted too, since they mean something where it is used.
    """
    unsafe = re.compile(f"{_UNSAFE.pattern}|[{re.escape(also)}]+") if also else _UNSAFE
    return unsafe.sub(_encoded, name)


def _encoded(run: re.Match[str]) -> str:
    parts = run[0].split("&")
    return "&-".join(_shifted(part) if part else "" for part in parts)


def _shifted(text: str) -> str:
    letters = b64encode(text.encode("utf-16-be")).decode().rstrip("=").replace("/", ",")
    return f"&{letters}-"
