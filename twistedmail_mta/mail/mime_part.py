"""MIME parts in the transfer encoding that their content and their way need."""

from __future__ import annotations

import re
from binascii import b2a_qp

from twistedmail_mta.model import CRLF

MAX_LINE = 998
"""Octets of a line that need no encoding (RFC 5322 section 2.1.1)."""

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\x00")


def part(kind: str, content: bytes, *, eight_bit: bool, fields: str = "") -> bytes:
    """Return a part: as it stands where it can be, else in quoted-printable (RFC 2045 section 6).

    Args:
        kind: the value of Content-Type.
        content: the octets; lines end in CRLF.
        eight_bit: the part may hold octets above 127.
        fields: further fields of the part, each ended by CRLF.
    """
    encoding = b"7bit" if content.isascii() else b"8bit"
    if not is_plain(content) or (encoding == b"8bit" and not eight_bit):
        encoding, content = b"quoted-printable", b2a_qp(content, istext=True)
    return (
        f"Content-Type: {kind}\r\n{fields}".encode() + b"Content-Transfer-Encoding: " + encoding + CRLF + CRLF + content
    )


def is_plain(content: bytes) -> bool:
    """Return whether 8bit does for the content: lines, no NUL (RFC 2045 section 2.8)."""
    return _BARE.search(content) is None and max(map(len, content.split(CRLF))) <= MAX_LINE


def mended(content: bytes) -> bytes:
    """Return the content with what no line may hold replaced: NUL, CR and LF on their own."""
    return _BARE.sub(b" ", content)
