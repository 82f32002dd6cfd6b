"""Deliveries as the parameters of SQL, made before the transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from twistedmail_mta.mailbox.prefix import delivery_prefix, kept_header
from twistedmail_mta.model import Delivery, LocalMail, Message, Structure

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class DeliveryRows:
    """A message on its way into mailboxes.

    Attributes:
        content: the parameters of `tables.CONTENT`.
        places: those of `tables.ASSIGN`, one for each mailbox.
        arrivals: size, dates and prefix for each.
        now: when, in whole seconds.
    """

    content: Row
    places: Sequence[Row]
    arrivals: Sequence[Row]
    now: int


def delivery_rows(message: Message, local: LocalMail, done: Collection[tuple[int, str]] = ()) -> DeliveryRows:
    """Return the rows of a delivery; a mailbox that is named twice gets the message once.

    Args:
        message: what is delivered; its body's row has its id.
        local: where to.
        done: account and name of mailboxes that have it already.
    """
    header, now = kept_header(message.header), int(message.received_at)
    size = len(header) + message.body.size
    places: list[Row] = []
    arrivals: list[Row] = []
    for delivery in _once_each(local.deliveries):
        if done and (delivery.account, delivery.mailbox) in done:
            continue
        prefix = delivery_prefix(message.envelope.sender, delivery.address)
        octets = size + len(prefix)
        places.append((len(places), delivery.account, delivery.mailbox, octets))
        arrivals.append((octets, now, now, prefix))
    content = content_row(message.id, len(places), message.id, local.structure, header)
    return DeliveryRows(content, places, arrivals, now)


def _once_each(deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
    if len(deliveries) == 1:
        return deliveries
    places: dict[tuple[int, str], Delivery] = {}
    for delivery in deliveries:
        places.setdefault((delivery.account, delivery.mailbox), delivery)
    return list(places.values())


def content_row(content: int, refs: int, body: int, structure: Structure, header: bytes) -> Row:
    """Return the parameters of `tables.CONTENT`."""
    return content, refs, body, structure.envelope, structure.body, structure.parts, header
