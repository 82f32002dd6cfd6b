"""The lines of final delivery, and the loops they tell of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import CRLF, Address, Delivery

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
    return Header(header).stripped_of(RETURN_PATH).block or CRLF


def delivered_before(header: bytes) -> frozenset[str]:
    """Return the addresses that the message was delivered to before, in lower case (RFC 9228 section 4).

    Cheap where no Delivered-To is, which is nearly always.

    Args:
        header: the header block.
    """
    values = Header(header).get_all(b"Delivered-To")
    return frozenset(value.strip(b"<>").decode("utf-8", "replace").lower() for value in values)


def is_looping(deliveries: Iterable[Delivery], before: frozenset[str]) -> bool:
    """Return whether a message comes again to somebody it was delivered to before.

    Args:
        deliveries: where it would go now.
        before: what `delivered_before` found.
    """
    return bool(before) and any(str(delivery.address).lower() in before for delivery in deliveries)
