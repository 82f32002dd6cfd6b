"""The third part of a report: the message reported on, or its header (RFC 6522 section 3, RFC 6533 section 4)."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.mail.mime_part import is_plain, mended, part
from twistedmail_mta.mail.notification import Original
from twistedmail_mta.model import CRLF

MAX_HEADER: Final = 32 * 1024
"""Octets of a header returned alone; past that it is cut at a line."""


def original_part(original: Original, *, international: bool) -> bytes | None:
    """Return the part, or None when nothing goes back.

    Args:
        original: the message.
        international: the report travels with SMTPUTF8.
    """
    if original.returned == "nothing":
        return None
    if original.returned == "full" and _can_travel(original):
        return _message_part(original, international=international)
    return _header_part(original, international=international)


def _can_travel(original: Original) -> bool:
    """Whether the message can stand in a report as it is, for no encoding is allowed (RFC 2046 section 5.2.1)."""
    return is_plain(original.header) and is_plain(original.body)


def _message_part(original: Original, *, international: bool) -> bytes:
    header = original.header or CRLF  # what has no header must not seem to have one
    if _is_global(original):
        return part("message/global", header + original.body, eight_bit=international)
    return part("message/rfc822", header + original.body, eight_bit=True)


def _header_part(original: Original, *, international: bool) -> bytes:
    header = original.header
    if len(header) > MAX_HEADER:
        header = header[: header.rfind(b"\n", 0, MAX_HEADER) + 1]
    header = mended(header).removesuffix(CRLF + CRLF).removesuffix(CRLF) + CRLF
    if _is_global(original):
        return part("message/global-headers", header, eight_bit=international)
    return part(f"text/rfc822-headers{_charset(header)}", header, eight_bit=False)


def _is_global(original: Original) -> bool:
    return original.smtputf8 and not original.header.isascii() and _is_utf8(original.header)


def _charset(header: bytes) -> str:
    """Return the parameter that makes the header readable; what is no UTF-8 is taken for Latin-1, which has no gaps."""
    if header.isascii():
        return ""
    return f"; charset={'utf-8' if _is_utf8(header) else 'iso-8859-1'}"


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True
