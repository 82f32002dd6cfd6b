"""A header as plugins want it: their changes, made one after another."""

from __future__ import annotations

from twistedmail_mta.mail.header import Header
from twistedmail_mta.stages import AddHeader, HeaderChange, InsertHeader, RemoveHeader, ReplaceHeader


def with_change(header: Header, change: HeaderChange) -> Header:
    """Return the header with one change made; it is sound (see `stages.is_sound`)."""
    match change:
        case AddHeader(name, value, last):
            return (header.append if last else header.prepend)(field_line(name, value))
        case InsertHeader(index, name, value):
            return header.inserted(index, field_line(name, value))
        case RemoveHeader(name, occurrence):
            if occurrence is None:
                return header.without(name.encode())
            return header.changed(name.encode(), occurrence, b"") or header
        case ReplaceHeader(name, value, occurrence):
            return _replaced(header, name.encode(), field_line(name, value), occurrence)


def _replaced(header: Header, name: bytes, line: bytes, occurrence: int | None) -> Header:
    if occurrence is not None:
        return header.changed(name, occurrence, line) or header.append(line)
    return header.replaced(name, line) if header.has(name) else header.prepend(line)


def field_line(name: str, value: str) -> bytes:
    """Return a header field with its CRLF; what isn't UTF-8 stands in the value as surrogates (PEP 383)."""
    return f"{name}: {value}\r\n".encode("utf-8", "surrogateescape")
