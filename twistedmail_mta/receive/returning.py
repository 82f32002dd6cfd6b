"""Mail that a content filter gives back: what was known of it before."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.model import Former, Origin, parse_id
from twistedmail_mta.networks import address_of
from twistedmail_mta.receive.listener import Listener
from twistedmail_mta.smtp.xforward import Forwarded

MAX_ID: Final = (1 << 63) - 1
"""The greatest that a row can have; its text may say more."""


@dataclass(frozen=True, slots=True)
class Returned:
    """A message on its way back.

    Attributes:
        ident: by what it was known before; empty where the filter doesn't say.
        former: what was known of it.
    """

    ident: str = ""
    former: Former = Former()  # noqa: RUF009 - frozen


NOT_RETURNED: Final = Returned()
"""A message that comes from its client, not from a filter."""


async def returned(listener: Listener, forwarded: Forwarded) -> Returned:
    """Return what was known of a message before the filter.

    All of it, the account that submitted it included, counts only if the
    message that is named is with a filter at this moment.  Otherwise, as of
    mail that a filter kept for long, only the client's address is known.

    Args:
        listener: where it comes back, to which nobody but the filter has access.
        forwarded: what the filter says.

    Raises:
        TemporaryError: it can't be looked up now.
    """
    message_id = _message_id(forwarded.ident)
    former = None if message_id is None else await listener.filtered_mail.former(message_id)
    if former is None and address_of(forwarded.addr) is not None:
        former = Former(Origin(forwarded.proto, forwarded.addr, forwarded.helo, None, listener.name))
    return Returned(forwarded.ident, former or Former())


def _message_id(ident: str) -> int | None:
    with suppress(ValueError):
        message_id = parse_id(ident)
        return message_id if message_id <= MAX_ID else None
    return None
