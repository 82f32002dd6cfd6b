"""VRFY: what a client is told about an address (RFC 5321 sections 3.5 and 7.3)."""

from __future__ import annotations

from twistedmail_mta.model import Address, Reply
from twistedmail_mta.receive.admission import Admission
from twistedmail_mta.receive.replies import CANNOT_VERIFY
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.smtp.errors import AddressError


async def verify(text: str, admission: Admission) -> Reply:
    """Return the answer to VRFY where the site file lets clients ask.

    Only addresses whose mail is kept here can be verified.  A client that
    doesn't say SMTPUTF8 isn't told one that needs it (RFC 6531 section 3.7.4.2).

    Args:
        text: what follows the verb.
        admission: knows the addresses.

    Raises:
        MailError: there is no such address here, or it can't be said now.
    """
    address = _address(text)
    if address is None or not address.is_ascii or not admission.directory.hosts(address.domain):
        return CANNOT_VERIFY
    await admission.admit(address, None)
    return Reply(250, "2.1.5", f"<{address}>")


def _address(text: str) -> Address | None:
    try:
        return parse_address(text.strip().removeprefix("<").removesuffix(">"))
    except AddressError:
        return None
