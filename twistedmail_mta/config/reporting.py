"""The table about what others are told, senders of their mail and domains of mail in their name: [reports]."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from twistedmail_mta.config.values import Mailbox, Size, Table
from twistedmail_mta.model import Address

LARGEST_RETURNED: Final = 64 * 1024
"""Octets; a report with the whole message in it is made and kept in memory."""


class ReportsTable(Table):
    """[reports]: what senders are told of their mail, and domains of mail in their name.

    Attributes:
        language: for senders whose message doesn't say which language they read.
        return_size: up to this size a message that failed is returned whole,
            past it only its header.
        copy_to: who gets a copy of every bounce.
        address: whom reports to domains are from; None: the administrator.
        dmarc: whether domains that ask for it are told what DMARC found of mail in their name.
    """

    language: Literal["en", "pt", "es", "de", "fr"] = "en"
    return_size: Annotated[Size, Field(ge=0, le=LARGEST_RETURNED)] = 50 * 1024
    copy_to: Mailbox | None = None
    address: Mailbox | None = None
    dmarc: bool = True

    def author(self, admin: Address) -> Address:
        """Return whom reports to domains are from."""
        return self.address or admin
