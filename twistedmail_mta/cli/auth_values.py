"""What the commands of `mta auth` take: addresses of clients and senders."""

from __future__ import annotations

from typing import Final

import click

from twistedmail_mta.model import Address
from twistedmail_mta.networks import address_of
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.smtp.errors import AddressError

PATIENCE: Final = 20.0
"""Seconds for all questions of a check (RFC 7208 section 4.6.4)."""


def as_ip(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Read a client's address; None where none is given."""
    if text is not None and address_of(text) is None:
        raise click.BadParameter(f"{text!r} is no IP address")
    return text


def as_sender(_: click.Context, __: click.Parameter, text: str | None) -> Address | None:
    """Read an address, with or without its angle brackets; none is the null sender, None that it isn't given."""
    if text is None:
        return None
    inner = text[1:-1] if text.startswith("<") and text.endswith(">") else text
    try:
        return parse_address(inner)
    except AddressError as error:
        raise click.BadParameter(str(error)) from None
