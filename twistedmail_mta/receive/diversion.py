"""Mail kept from its recipients: why, and what it says of its envelope in a mailbox for such mail."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from twistedmail_mta.header_changes import with_change
from twistedmail_mta.mail.encoded_words import encoded_words
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Address, Detention, Recipient
from twistedmail_mta.stages import AddHeader

REASON: Final = "X-Quarantine-Reason"
SENDER: Final = "X-Envelope-From"
RECIPIENTS: Final = "X-Envelope-To"

_MOST: Final = 300
"""Letters of a reason that are kept."""


def detained(kind: Literal["hold", "quarantine"], reason: str, plugin: str) -> Detention:
    """Return why a message waits for an operator, in words that can be kept and shown whatever a filter said."""
    legible = "".join(letter if letter.isprintable() else "\ufffd" for letter in reason[:_MOST])
    return Detention(kind, legible, plugin)


def instead_of(mailbox_of: Address) -> Recipient:
    """Return who gets the message; its sender never wrote to that address, and hears nothing of it."""
    return Recipient(mailbox_of, frozenset({"NEVER"}))


def with_envelope(header: Header, detention: Detention, sender: Address, recipients: Iterable[Address]) -> Header:
    """Return the header with fields that say why it is there, who sent it, and to whom.

    A stranger's own fields of these names go.
    """
    for name in (REASON, SENDER, RECIPIENTS):
        header = header.without(name.encode())
    to = ",\r\n\t".join(f"<{each}>" for each in recipients)
    reason = encoded_words(f"{detention.reason} ({detention.plugin})")
    for name, value in ((RECIPIENTS, to), (SENDER, f"<{sender}>"), (REASON, reason)):
        header = with_change(header, AddHeader(name, value))
    return header
