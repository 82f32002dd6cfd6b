"""A header as plugins want it: their changes, made one after another."""

from __future__ import annotations

from twistedmail_mta.mail.header import Header
from twistedmail_mta.stages import AddHeader, ChangeHeader, HeaderChange, InsertHeader, RemoveHeader, ReplaceHeader


def with_change(header: Header, change: HeaderChange) -> Header:
    """Return the header with one change made; it is sound (see `soundness.is_sound`).

    Where there is nothing to change, it is the same object.
    """
    match change:
        case AddHeader(name, value, last):
            return (header.append if last else header.prepend)(field_line(name, value))
        case InsertHeader(index, name, value):
            return header.inserted(index, field_line(name, value))
        case RemoveHeader(name, occurrence, value):
            return _without(header, name.encode(), occurrence, value)
        case ReplaceHeader(name, value, occurrence):
            return _replaced(header, name.encode(), field_line(name, value), occurrence)
        case ChangeHeader(name, old, new, occurrence):
            return header.with_value(name.encode(), octets_of(old), octets_of(new), occurrence) or header


def _without(header: Header, name: bytes, occurrence: int | None, value: str | None) -> Header:
    if value is not None:
        return header.without_value(name, octets_of(value))
    if occurrence is None:
        return header.without(name)
    return header.changed(name, occurrence, b"") or header


def _replaced(header: Header, name: bytes, line: bytes, occurrence: int | None) -> Header:
    if occurrence is not None:
        return header.changed(name, occurrence, line) or header.append(line)
    return header.replaced(name, line) if header.has(name) else header.prepend(line)


def field_line(name: str, value: str) -> bytes:
    """Return a header field with its CRLF; what isn't UTF-8 stands in the value as surrogates (PEP 383)."""
    return octets_of(f"{name}: {value}\r\n")


def octets_of(value: str) -> bytes:
    """Return the octets of a field's value."""
    return value.encode("utf-8", "surrogateescape")


def value_of(octets: bytes) -> str:
    """Return the octets of a field's value as a plugin names them in a change; `octets_of` undoes it."""
    return octets.decode("utf-8", "surrogateescape")
