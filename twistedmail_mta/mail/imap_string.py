"""Strings in the form in which every IMAP client reads them."""

from __future__ import annotations

import re

NIL = b"NIL"

_REPLACEMENT = "\ufffd".encode()

_PLAIN = re.compile(rb'[^\x00\r\n"\\\x80-\xff]*+')


def string(value: bytes) -> bytes:
    """Return the value quoted, or as a literal where it can't be (RFC 3501 section 4.3).

    Octets above 127 are sent as they came, in a literal: a quoted string may
    hold them only after UTF8=ACCEPT or IMAP4rev2 was enabled (RFC 6855 section 3).
    NUL can be in neither and becomes U+FFFD.
    """
    if _PLAIN.fullmatch(value):
        return b'"' + value + b'"'
    if b"\0" in value:
        value = value.replace(b"\0", _REPLACEMENT)
    if not value.isascii() or b"\n" in value or b"\r" in value:
        return b"{%d}\r\n%b" % (len(value), value)
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def nstring(value: bytes | None) -> bytes:
    """Return the value as `string` does, NIL for None."""
    return NIL if value is None else string(value)
