"""Strings in the form in which every IMAP client reads them."""

from __future__ import annotations

import re

NIL = b"NIL"

_REPLACEMENT = "\ufffd".encode()

_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_LINE_END = re.compile(rb"[\r\n]+")
_PLAIN = re.compile(rb'[^\x00\r\n"\\\x80-\xff]*+')
_SPECIAL = re.compile(rb'(["\\])')


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
    if b'"' in value or b"\\" in value:
        value = _SPECIAL.sub(rb"\\\1", value)
    return b'"%b"' % value


def nstring(value: bytes | None) -> bytes:
    """Return the value as `string` does, NIL for None."""
    return NIL if value is None else string(value)


def unfolded(value: bytes) -> bytes:
    """Return a field's value on one line (RFC 5322 section 2.2.3).

    The line breaks that fold are taken out; those that shouldn't be there
    become a space.
    """
    if b"\n" not in value and b"\r" not in value:
        return value
    return _LINE_END.sub(b" ", _FOLD.sub(b"", value))
