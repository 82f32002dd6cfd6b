"""A message as scanners get it: its text in pieces, and what is known of the client that sent it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IResolver
from twistedmail_mta.mail.date import date_text
from twistedmail_mta.mail.received import Trace, received_field, transmission_type
from twistedmail_mta.plugins import Kit
from twistedmail_mta.stages import Arriving, Client
from twistedmail_mta.tasks import within

PIECE: Final = 64 << 10
"""Octets of a message that are in memory at once, on their way to a scanner."""

_NAMES: Final = 3
_LOOK_UP_WITHIN: Final = 2.0
_UNPRINTABLE: Final = re.compile(r"[^ -~]")
_MAX_TEXT: Final = 200


async def pass_on(message: Arriving, write: Callable[[bytes], Awaitable[bool]], above: bytes = b"") -> bool:
    """Write the text of a message piece by piece; return whether all of it was wanted.

    Args:
        message: whose text it is.
        write: takes a piece, and returns whether it wants the next.
        above: fields that are put above the header.
    """
    head = above + message.header.block
    for start in range(0, len(head), PIECE):
        if not await write(head[start : start + PIECE]):
            return False
    offset, body = 0, message.body
    while offset < body.size:
        piece = await body.read(offset, PIECE)
        if not piece:
            raise EOFError(f"the body ends at {offset} of {body.size} octets")
        offset += len(piece)
        if not await write(piece):
            return False
    return True


def trace_fields(client: Client, message: Arriving, kit: Kit, name: str = "") -> bytes:
    """Return what final delivery would put above a message (RFC 5321 section 4.4): rules look for it there.

    Args:
        client: who sent it.
        message: what was sent.
        kit: says who and when we are.
        name: the client's verified name, if it has one.
    """
    envelope = message.envelope
    transmission = transmission_type(
        extended=client.extended,
        tls=bool(client.tls),
        authenticated=client.account is not None,
        utf8=envelope.smtputf8,
        lmtp=client.role == "lmtp",
    )
    trace = Trace(client.helo, client.host, kit.hostname, transmission, name, client.tls)
    path = printable(str(envelope.sender)).encode()
    return b"Return-Path: <" + path + b">\r\n" + received_field(trace, message.id, None, date_text(kit.now(), 0))


async def verified_name(resolver: IResolver, clock: IReactorTime, address: str) -> str:
    """Return a name of an address that has the address in turn; empty where there is none, or none in time.

    Names that an address claims are their owners' only if these confirm them
    (RFC 8601 section 2.7.3, "iprev").
    """
    try:
        return await within(clock, _LOOK_UP_WITHIN, _verified_name(resolver, address)) if address else ""
    except (TemporaryError, TimeoutError, ValueError):
        return ""


async def _verified_name(resolver: IResolver, address: str) -> str:
    family = "AAAA" if ":" in address else "A"
    for name in (await resolver.host_names(address)).records[:_NAMES]:
        if address in (await resolver.addresses(name, family)).records:
            return name.rstrip(".")
    return ""


def printable(text: str) -> str:
    """Return a text that fits in an SMTP reply, or a line of a scanner's protocol."""
    return _UNPRINTABLE.sub("?", text[:_MAX_TEXT])
