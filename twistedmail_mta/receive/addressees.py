"""Whom a message is for: as RCPT named them, and where a copy goes for each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from twistedmail_mta.directory.forwarding import filed, forwarded
from twistedmail_mta.mailbox.prefix import delivered_before, is_looping
from twistedmail_mta.model import Address, Delivery, Expansion, Recipient

MOST_AT_ONCE: Final = 100
"""Mailboxes that an acceptance fills by itself; where there are more, the queue does it in pieces.

And the addresses elsewhere that one recipient may stand for.
"""


@dataclass(frozen=True, slots=True)
class Addressee:
    """A recipient that was taken.

    Attributes:
        recipient: as RCPT named it.
        expansion: whom it stands for here; None when its mail is sent on.
    """

    recipient: Recipient
    expansion: Expansion | None


@dataclass(frozen=True, slots=True)
class Distribution:
    """Where the copies of a message go.

    Attributes:
        spooled: recipients for the queue.
        deliveries: mailboxes that get it with the acceptance, each once.
        diverted: some recipient who is kept here goes to a chosen next hop instead.
    """

    spooled: tuple[Recipient, ...]
    deliveries: tuple[Delivery, ...]
    diverted: bool = False


def distribute(
    addressees: Iterable[Addressee], looping: frozenset[Address] = frozenset(), *, hold: bool = False
) -> Distribution:
    """Say where the copies go.

    As long as the mailboxes are few and nobody asked to hear of success, they
    are filled by the acceptance.  Otherwise the queue does all of it, since it
    alone can tell which mailbox has its copy already.

    Args:
        addressees: all of them.
        looping: recipients that were delivered to before, which the queue
            refuses with a report, whatever next hop was chosen for them.
        hold: the message waits for an operator, and so in the queue.
    """
    spooled: dict[Address, Recipient] = {}
    forwards: dict[Address, Recipient] = {}
    kept: list[Recipient] = []
    mailboxes: dict[tuple[int, str], Delivery] = {}
    by_queue = diverted = False
    for addressee in addressees:
        recipient, expansion = addressee.recipient, addressee.expansion
        if recipient.address in looping:
            spooled[recipient.address] = replace(recipient, via=None)
            continue
        if expansion is None or recipient.via is not None:
            diverted = diverted or expansion is not None
            spooled[recipient.address] = recipient
            continue
        kept.append(recipient)
        by_queue = by_queue or hold or _is_for_queue(recipient, expansion)
        if not by_queue:
            for delivery in filed(recipient, expansion):
                mailboxes.setdefault((delivery.account, delivery.mailbox), delivery)
            for forward in forwarded(recipient, expansion):
                forwards.setdefault(forward.address, forward)
            by_queue = len(mailboxes) > MOST_AT_ONCE
    if by_queue:
        return Distribution((*spooled.values(), *kept), (), diverted)
    return Distribution(tuple((forwards | spooled).values()), tuple(mailboxes.values()), diverted)


def _is_for_queue(recipient: Recipient, expansion: Expansion) -> bool:
    """Whether this recipient alone makes the delivery the queue's."""
    many = max(len(expansion.deliveries), len(expansion.forwards)) > MOST_AT_ONCE
    return many or "SUCCESS" in (recipient.notify or ())


def looping_among(addressees: Iterable[Addressee], header: bytes) -> frozenset[Address]:
    """Return the recipients some mailbox of whom had the message before."""
    before = delivered_before(header)
    if not before:
        return frozenset()
    kept = [(each.recipient.address, each.expansion.deliveries) for each in addressees if each.expansion is not None]
    return frozenset(address for address, deliveries in kept if is_looping(deliveries, before))
