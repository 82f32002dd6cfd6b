"""The recipients of a domain, listed in a file: what a backup MX knows without asking."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from zope.interface import implementer

from twistedmail_mta.directory.accounts import address_key
from twistedmail_mta.interfaces import IRecipientCheck
from twistedmail_mta.model import Address, Reply
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.smtp.errors import AddressError

NO_SUCH_RECIPIENT: Final = Reply(550, "5.1.1", "No such recipient here")


@implementer(IRecipientCheck)
class RecipientFile:
    """Addresses, one a line; empty lines and lines that begin with # don't count.

    `postmaster` and `abuse` of a domain are always taken (RFC 2142), and an
    address is found whatever the case of its letters.
    """

    def __init__(self, path: Path) -> None:
        """Read the file; blocks.

        Raises:
            OSError: the file can't be read.
            ValueError: a line is no address; the message says which.
        """
        self._known = _read(path)

    async def verify(self, recipient: Address) -> Reply | None:
        """Return 550 5.1.1 for an address that isn't in the file."""
        if recipient.local.lower() in ("postmaster", "abuse") or address_key(recipient) in self._known:
            return None
        return NO_SUCH_RECIPIENT


def _read(path: Path) -> frozenset[str]:
    known = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip()
        if text and not text.startswith("#"):
            try:
                known.add(address_key(parse_address(text)))
            except AddressError as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
    return frozenset(known)
