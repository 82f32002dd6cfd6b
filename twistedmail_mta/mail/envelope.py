"""Words ENVELOPE (RFC 9051 section 7.5.2)."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.mail.address_list import Mailbox, address_list
from twistedmail_mta.mail.field_value import unfolded
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.imap_string import NIL, nstring, string

_TEXTS: Final = (b"date", b"subject")
_ADDRESSES: Final = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
_IDS: Final = (b"in-reply-to", b"message-id")
_NAMES: Final = _TEXTS + _ADDRESSES + _IDS

MAX_MAILBOXES: Final = 1000
"""Mailboxes, group marks and fields in an ENVELOPE; those behind are left out."""
_OCTETS: Final = 50
"""Octets that count as one more word."""
NO_ENVELOPE: Final = b"(%b)" % b" ".join([NIL] * len(_NAMES))
"""The ENVELOPE of a message without a header."""


def envelope(header: bytes) -> bytes:
    """Return the ENVELOPE of a message with this header.

    Where a field of addresses is repeated all of them count, so that nobody
    is hidden from one reader who is shown to another; of other fields the
    first does.
    """
    return counted_envelope(header)[0]


def counted_envelope(header: bytes) -> tuple[bytes, int]:
    """Return the ENVELOPE, and what it took to read: fields, mailboxes and octets."""
    fields = Header(header).collect(_NAMES)
    if not fields:
        return NO_ENVELOPE, 0
    count, octets = len(fields), sum(len(value) for values in fields.values() for value in values)
    words = {}
    for name in _ADDRESSES:
        found = _mailboxes(fields.get(name, []), MAX_MAILBOXES - count)
        count += len(found)
        if found:
            words[name] = b"(" + b"".join(map(_address, found)) + b")"
    author = words.get(b"from", NIL)
    items = (
        _text(fields.get(b"date")),
        _text(fields.get(b"subject")),
        author,
        words.get(b"sender", author),
        words.get(b"reply-to", author),
        words.get(b"to", NIL),
        words.get(b"cc", NIL),
        words.get(b"bcc", NIL),
        _text(fields.get(b"in-reply-to")),
        _text(fields.get(b"message-id")),
    )
    return b"(" + b" ".join(items) + b")", count + octets // _OCTETS


def _text(values: list[bytes] | None) -> bytes:
    return NIL if values is None else string(unfolded(values[0]))


def _mailboxes(values: list[bytes], up_to: int) -> list[Mailbox]:
    """Read each field on its own, so that none is hidden by what another doesn't end."""
    found: list[Mailbox] = []
    for value in values:
        found += address_list(unfolded(value), up_to - len(found))
    return found


def _address(mailbox: Mailbox) -> bytes:
    return b"(" + b" ".join(map(nstring, mailbox)) + b")"
