"""The table about reports: what senders and domains are told of mail, and where they tell us: [reports]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from twistedmail_mta.config.values import Domain, Mailbox, Size, Table, Wait, one_or_more, sequence
from twistedmail_mta.model import Address

LARGEST_RETURNED: Final = 64 * 1024
"""Octets; a report with the whole message in it is made and kept in memory."""
MOST_INBOXES: Final = 10
"""Accounts that reports come to; each is looked at every few seconds."""


class ReportsTable(Table):
    """[reports]: what senders are told of their mail, other domains of theirs; and where others tell of ours.

    Attributes:
        language: for senders whose message doesn't say which language they read.
        return_size: up to this size a message that failed is returned whole,
            past it only its header.
        copy_to: who gets a copy of every bounce.
        address: whom reports to domains are from; None: the administrator.
        tls: whether domains that ask for it are told how TLS with their mail hosts went.
        dmarc: whether domains that ask for it are told what DMARC found of mail in their name.
        inbox: accounts of this host whose INBOX is looked through for reports about DMARC and TLS.
        about: domains besides those of this host that such reports are kept about.
        after_reading: what becomes of a mail whose reports are kept.
        keep: seconds for which they are kept, from the end of the time that they are about.
    """

    language: Literal["en", "pt", "es", "de", "fr"] = "en"
    return_size: Annotated[Size, Field(ge=0, le=LARGEST_RETURNED)] = 50 * 1024
    copy_to: Mailbox | None = None
    address: Mailbox | None = None
    dmarc: bool = True
    tls: bool = True
    inbox: Annotated[tuple[Mailbox, ...], BeforeValidator(one_or_more), Field(max_length=MOST_INBOXES)] = ()
    about: Annotated[tuple[Domain, ...], BeforeValidator(sequence)] = ()
    after_reading: Literal["keep", "trash", "delete"] = "keep"
    keep: Wait = 400 * 86400.0

    def author(self, admin: Address) -> Address:
        """Return whom reports to domains are from."""
        return self.address or admin


def misplaced(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with accounts that reports come to: mail of their domain is sent on.  Of the raw file."""
    reports, domains = document.get("reports"), document.get("domains")
    inboxes = reports.get("inbox") if isinstance(reports, dict) else None
    for text in inboxes if isinstance(inboxes, list) else [inboxes]:
        domain = text.rpartition("@")[2].lower() if isinstance(text, str) else ""
        table = domains.get(domain) if isinstance(domains, dict) else None
        if isinstance(table, dict) and "relay_to" in table:
            yield f"{text}: mail for {domain} isn't kept here but sent on, so nothing comes to that account"
