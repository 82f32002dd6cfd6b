"""The address in a mailto: URI (RFC 6068 section 2), as records in the DNS have it."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

from twistedmail_mta.model import Address
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.smtp.errors import AddressError

_MAIL: Final = re.compile(r"mailto:([^?#]+)", re.IGNORECASE)


def mailto_address(uri: str) -> Address | None:
    """Return the one address of a mailto: URI, without the header fields that may follow it; None of all else.

    One at an address literal is none: whoever runs the host at that address has no record by which he could refuse.
    """
    found = _MAIL.match(uri)
    if found is None:
        return None
    try:
        address = parse_address(unquote(found[1], errors="strict"))
    except (AddressError, UnicodeDecodeError):
        return None
    return address if address.domain and not address.domain.startswith("[") else None
