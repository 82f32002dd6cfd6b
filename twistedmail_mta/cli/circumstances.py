"""How a message in a file came: who brought it and from whom, as far as its own header tells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.mail.field_value import unfolded
from twistedmail_mta.mail.header import Header, split
from twistedmail_mta.model import NULL_PATH, Address
from twistedmail_mta.networks import address_of
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.smtp.errors import AddressError

_MOST_HOPS: Final = 100
_FROM: Final = re.compile(r"from\s++(\S++)")
_ADDRESS: Final = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f.:]++)\]", re.IGNORECASE)
_PATH: Final = re.compile(r"<([^<>]*+)>")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Who brought a message.

    Attributes:
        ip: the client's address; empty where it isn't known.
        helo: what it said in HELO; empty where it isn't known.
        sender: the reverse-path.
        assumed: what was taken from the header or made up, and why, for people.
    """

    ip: str
    helo: str
    sender: Address
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was on the wire.

    Attributes:
        header: its fields, with the empty line.
        body: what follows.
        assumed: what was mended.
    """

    header: Header
    body: bytes
    assumed: tuple[str, ...] = ()


def message_in(octets: bytes) -> Message:
    """Return the message in a file: mailboxes keep it with lines that end otherwise, and put a line before it."""
    assumed = []
    if octets.startswith(b"From "):
        octets = octets.partition(b"\n")[2]
        assumed.append("the first line is an mbox's, and none of the message")
    if b"\r\n" not in octets and b"\n" in octets:
        octets = octets.replace(b"\n", b"\r\n")
        assumed.append("the lines ended with CRLF, not with LF alone, when the message came")
    block, body = split(octets)
    return Message(Header(block), body, tuple(assumed))


def circumstances(header: Header, ip: str, helo: str, sender: Address | None) -> Circumstances:
    """Return how a message came; what isn't given is looked for in the header.

    Args:
        header: of the message.
        ip: the client's address; empty: that in the topmost Received which tells of one from elsewhere.
        helo: its name; empty: that in the same field.
        sender: the reverse-path; None: that in Return-Path.
    """
    assumed: list[str] = []
    if not ip:
        ip, named = _client(header)
        helo = helo or named
        assumed.append(f"the client was {ip}, {helo!r} in HELO: from Received" if ip else NO_CLIENT)
    if sender is None:
        sender = _return_path(header)
        known = f"the sender was <{sender}>: from Return-Path"
        assumed.append(known if sender is not None else "the sender was null: there is no Return-Path")
    return Circumstances(ip, helo, sender or NULL_PATH, tuple(assumed))


NO_CLIENT: Final = "no client is known, so SPF isn't asked: no Received tells of one (--ip)"


def _client(header: Header) -> tuple[str, str]:
    """Return address and name of the client in the topmost Received that tells of one from elsewhere."""
    for value in header.get_all(b"Received")[:_MOST_HOPS]:
        text = unfolded(value).decode("utf-8", "replace")
        name, address = _FROM.match(text), _ADDRESS.search(text.partition(" by ")[0])
        found = address_of(address[1]) if address is not None else None
        if name is not None and found is not None and not found.is_loopback:
            return str(found), name[1]
    return "", ""


def _return_path(header: Header) -> Address | None:
    found = _PATH.search(unfolded(header.get(b"Return-Path") or b"").decode("utf-8", "replace"))
    try:
        return parse_address(found[1]) if found is not None else None
    except AddressError:
        return None
