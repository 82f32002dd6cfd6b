"""The lines of final delivery, and the loops they tell of."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import CRLF, Address

RETURN_PATH: Final = b"return-path"


def delivery_prefix(sender: Address, address: Address) -> bytes:
    """Return what stands before the header of a delivered message.

    Return-Path says who sent it (RFC 5321 section 4.4), Delivered-To for whom
    it was put into this mailbox (RFC 9228 section 3).
    """
    return f"Return-Path: <{sender}>\r\nDelivered-To: {address}\r\n".encode()


def kept_header(header: bytes) -> bytes:
    """Return the header as mailboxes keep it: without the Return-Path of others (RFC 5321 section 4.4).

    Text without any header is given the empty line that keeps it the body.
    """
    return Header(header).without(RETURN_PATH).block or CRLF


def is_looping(header: bytes, address: Address) -> bool:
    """Return whether the message was delivered to `address` before (RFC 9228 section 4).

    Cheap where no Delivered-To is, which is nearly always.

    Args:
        header: the header block.
        address: as Delivered-To would say it now.
    """
    ours = str(address).encode().lower()
    return any(value.strip(b"<>").lower() == ours for value in Header(header).get_all(b"Delivered-To"))
