"""Words ENVELOPE (RFC 9051 section 7.5.2)."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.mail.address_list import Mailbox, address_list
from twistedmail_mta.mail.header import Header
from twistedmail_mta.mail.imap_string import NIL, nstring, string, unfolded

_TEXTS: Final = (b"date", b"subject")
_ADDRESSES: Final = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
_IDS: Final = (b"in-reply-to", b"message-id")
_NAMES: Final = _TEXTS + _ADDRESSES + _IDS

NO_ENVELOPE: Final = b"(%b)" % b" ".join([NIL] * len(_NAMES))
"""The ENVELOPE of a message without a header."""


def envelope(header: bytes) -> bytes:
    """Return the ENVELOPE of a message with this header.

    Where a field of addresses is repeated all of them count, so that nobody
    is hidden from one reader who is shown to another; of other fields the
    first does.
    """
    fields = Header(header).collect(_NAMES)
    if not fields:
        return NO_ENVELOPE
    author = _addresses(fields.get(b"from"))
    words = {name: _addresses(fields[name]) for name in _ADDRESSES[1:] if name in fields}
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        _text(fields.get(b"date")),
        _text(fields.get(b"subject")),
        author,
        _or(words.get(b"sender"), author),
        _or(words.get(b"reply-to"), author),
        words.get(b"to", NIL),
        words.get(b"cc", NIL),
        words.get(b"bcc", NIL),
        _text(fields.get(b"in-reply-to")),
        _text(fields.get(b"message-id")),
    )


def _or(words: bytes | None, default: bytes) -> bytes:
    return default if words is None or words == NIL else words


def _text(values: list[bytes] | None) -> bytes:
    return NIL if values is None else string(unfolded(values[0]))


def _addresses(values: list[bytes] | None) -> bytes:
    if values is None:
        return NIL
    found = address_list(unfolded(b",".join(values)))
    return b"(%b)" % b"".join([_address(mailbox) for mailbox in found]) if found else NIL


def _address(mailbox: Mailbox) -> bytes:
    return b"(%b %b %b %b)" % tuple(map(nstring, mailbox))
