"""What an alias hands on to those whom it stands for (PURE)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from twistedmail_mta.model import Address, Delivery, Expansion, Notify, Recipient

_MAX_ORCPT: Final = 500
"""RFC 3461 section 5.4."""
_NO_XTEXT: Final = re.compile(r"[^!-*,-<>-~]")
_NEVER: Final[frozenset[Notify]] = frozenset({"NEVER"})


def forwarded(recipient: Recipient, expansion: Expansion) -> tuple[Recipient, ...]:
    """Return the recipients that take the place of one that stands for them.

    The sender stays whose mail it is, and hears of what fails there.  An alias
    for one address hands on all that was asked (RFC 3461 section 5.2.7.2), one
    for several all but SUCCESS, which it answers itself (section 5.2.7.3).

    Args:
        recipient: as RCPT named it.
        expansion: what it stands for.
    """
    several = len(expansion.deliveries) + len(expansion.forwards) > 1
    notify = _without_success(recipient.notify) if several else recipient.notify
    orcpt = recipient.orcpt or original(recipient.address)
    domain = recipient.address.domain
    return tuple(Recipient(address, notify, orcpt, forwarded_by=domain) for address in expansion.forwards)


def filed(recipient: Recipient, expansion: Expansion) -> tuple[Delivery, ...]:
    """Return the mailboxes that get the copy of a recipient: of each account INBOX, or the one that was chosen.

    Args:
        recipient: as RCPT named it.
        expansion: what it stands for.
    """
    if recipient.mailbox is None:
        return expansion.deliveries
    return tuple(replace(each, mailbox=recipient.mailbox) for each in expansion.deliveries)


def original(address: Address) -> str | None:
    """Return ORCPT for whom RCPT named, if it has a form there (RFC 3461 section 5.2.1)."""
    if not address.is_ascii:
        return None
    text = "rfc822;" + _NO_XTEXT.sub(_hexchar, str(address))
    return text if len(text) <= _MAX_ORCPT else None


def _hexchar(found: re.Match[str]) -> str:
    return f"+{ord(found[0]):02X}"


def _without_success(notify: frozenset[Notify] | None) -> frozenset[Notify] | None:
    """Return what is left; who wanted to hear of nothing else, wants to hear nothing."""
    return notify and (notify - {"SUCCESS"} or _NEVER)
