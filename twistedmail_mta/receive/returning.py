"""Mail that a content filter gives back: whose it was before."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.model import Origin, parse_id
from twistedmail_mta.networks import address_of
from twistedmail_mta.receive.listener import Listener
from twistedmail_mta.smtp.xforward import Forwarded

MAX_ID: Final = (1 << 63) - 1
"""The greatest that a row can have; its text may say more."""


@dataclass(frozen=True, slots=True)
class Returned:
    """A message on its way back.

    Attributes:
        origin: where it came from before the filter; None where nothing is known of that.
        ident: by what it was known then; empty where the filter doesn't say.
    """

    origin: Origin | None
    ident: str


async def returned(listener: Listener, forwarded: Forwarded) -> Returned:
    """Return whose mail it was before the filter.

    The whole origin, the account that submitted it included, counts only if
    the message that is named is with a filter at this moment.  Otherwise, as
    of mail that a filter kept for long, only the client's address is known.

    Args:
        listener: where it comes back, to which nobody but the filter has access.
        forwarded: what the filter says.

    Raises:
        TemporaryError: it can't be looked up now.
    """
    message_id = _message_id(forwarded.ident)
    origin = None if message_id is None else await listener.origins.origin(message_id)
    if origin is None and address_of(forwarded.addr) is not None:
        origin = Origin(forwarded.proto, forwarded.addr, forwarded.helo, None, listener.name)
    return Returned(origin, forwarded.ident)


def _message_id(ident: str) -> int | None:
    with suppress(ValueError):
        message_id = parse_id(ident)
        return message_id if message_id <= MAX_ID else None
    return None
