"""Lists of the DNS, of the bad and of the good (RFC 5782): what they say of a client is added up, and then acted on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final, Literal

from pydantic import Field
from zope.interface import implementer

from twistedmail_mta.config.values import Count, Wait
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Address, Recipient, Reply
from twistedmail_mta.networks import address_of
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.asking import together
from twistedmail_mta.policy.exempt import Exempt
from twistedmail_mta.policy.holding import Holding
from twistedmail_mta.policy.list_zone import Kind, Listing, Lists, Zones
from twistedmail_mta.stages import (
    AddHeader,
    Answer,
    Arriving,
    Client,
    IConnectPolicy,
    IMessagePolicy,
    IRecipientPolicy,
    MailFrom,
    RemoveHeader,
)

LISTS_SILENT: Final = Reply(451, "4.4.3", "A list that you may be on doesn't answer; please try again in 5 minutes")

_DOMAIN: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_MOST_DOMAIN: Final = 180
"""Letters of a domain that is looked up: with the list's own name it is still one."""


class ListOptions(Exempt):
    """[plugins.NAME] of the lists.

    Attributes:
        zones: the lists.
        refuse_at: the sum of weights from which on a client is refused; None: never.
        tag_at: the sum from which on messages get a header field.
        tarpit_at: the sum from which on answers are held back.
        tarpit: how long; with `patience` and a moment for the reason it is less than the plugin's `timeout`.
        tarpitted: how many are held back at once.
        at: when clients are refused for their address: when they name a recipient, or when they connect.
        patience: how long a list has for its answer.
        header: the field's name.
    """

    zones: Zones
    refuse_at: float | None = 1.0
    tag_at: float | None = None
    tarpit_at: float | None = None
    tarpit: Wait = 3.0
    tarpitted: Count = 100
    at: Literal["recipient", "connect"] = "recipient"
    patience: Wait = 4.0
    header: str = Field(default="X-Listed", pattern=r"^[!-9;-~]{1,60}$")


@implementer(IConnectPolicy, IRecipientPolicy, IMessagePolicy)
class DNSBL:
    """Asks all lists at once, and adds up the weights; those of the good subtract.

    A list that doesn't answer, or nonsense, counts nothing; where others don't
    decide by themselves, the site file's `on_error` says what that means.
    """

    Options = ListOptions
    on_error: ClassVar = "abstain"

    def __init__(self, options: ListOptions, kit: Kit) -> None:
        self._options = options
        self._lists = Lists(kit, options.patience)
        self._holding = Holding(kit.clock, options.tarpitted, 5, waits=not kit.rehearsal)

    async def connected(self, client: Client) -> Reply | None:
        """Refuse a listed address at once, where the site wants that."""
        if self._options.at != "connect" or self._options.exempts(client):
            return None
        return await self._judge(client, await self._listings(client, None))

    async def recipient(self, client: Client, mail: MailFrom, recipient: Recipient) -> Reply | None:
        """Refuse a recipient to a listed client; postmaster can always be written to."""
        options = self._options
        if options.exempts(client) or options.exempts_recipient(recipient.address):
            return None
        return await self._judge(client, await self._listings(client, mail.sender))

    async def message(self, client: Client, message: Arriving) -> Answer:
        """Note in the header on which lists the client is; a field that says so already is a stranger's word."""
        options = self._options
        if options.tag_at is None or options.exempts(client):
            return None
        forged = (RemoveHeader(options.header),) if message.header.has(options.header.encode()) else ()
        listings = await self._listings(client, message.envelope.sender)
        if _sum(listings) < options.tag_at:
            return forged or None
        return (*forged, AddHeader(options.header, _summary(listings)))

    async def _listings(self, client: Client, sender: Address | None) -> Sequence[Listing]:
        """Ask all lists that know something of the client.

        Args:
            client: who it is.
            sender: the reverse-path; None where it isn't known yet: then only of its address.
        """
        subjects = _subjects(client, sender)
        asked = [(zone, subject) for zone in self._options.zones if (subject := subjects.get(zone.of))]
        return await together(self._lists.ask(zone, subject) for zone, subject in asked)

    async def _judge(self, client: Client, listings: Sequence[Listing]) -> Reply | None:
        """Return the refusal, after the wait, or None.

        Raises:
            TemporaryError: it depends on lists that haven't answered.
        """
        options, weight = self._options, _sum(listings)
        if options.tarpit_at is not None and weight >= options.tarpit_at:
            await self._holding.hold(client.host, options.tarpit)
        if options.refuse_at is None:
            return None
        silent = [listing.zone for listing in listings if listing.failed]
        if weight + sum(zone.least for zone in silent) >= options.refuse_at:
            return await self._refusal(max(listings, key=lambda listing: listing.weight))
        if weight + sum(zone.greatest for zone in silent) >= options.refuse_at:
            raise TemporaryError(LISTS_SILENT)
        return None

    async def _refusal(self, worst: Listing) -> Reply:
        reason = await self._lists.reason(worst)
        said = f": {reason}" if reason else ""
        text = f"{worst.subject} is listed by {worst.zone.shown}{said}"
        return Reply(554, "5.7.1", f"{text}\nAsk there to be taken off the list, or write to our postmaster")


def _subjects(client: Client, sender: Address | None) -> dict[Kind, str]:
    """Return who or what lists of each kind are asked about; what has no name has no listing (RFC 5782 section 3)."""
    subjects: dict[Kind, str] = {"client": client.host} if address_of(client.host) is not None else {}
    if sender is not None:
        subjects |= {"helo": _domain(client.helo), "sender": _domain(sender.domain)}
    return subjects


def _domain(text: str) -> str:
    """Return a domain as it is looked up; empty where it is none."""
    domain = text.lower().removesuffix(".")
    return domain if len(domain) <= _MOST_DOMAIN and _DOMAIN.fullmatch(domain) else ""


def _sum(listings: Sequence[Listing]) -> float:
    return sum(listing.weight for listing in listings)


def _summary(listings: Sequence[Listing]) -> str:
    """Return what the header says: the sum, and the lists with their codes, on lines of their own."""
    named = [
        f"\r\n\t{listing.zone.shown}={','.join(listing.codes[:5])} ({listing.weight:+g})"
        for listing in listings
        if listing.weight
    ]
    return f"{_sum(listings):g};{';'.join(named)}"
