"""Forwarded mail on its way out: with its own sender or one of ours that stands for it, and sealed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.deliver.sealing import Sealing
from twistedmail_mta.deliver.sources import Source
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDeliveryAgent, IResolver
from twistedmail_mta.model import Address, Deferred, Message, NextHop, Outcome, Recipient, id_text
from twistedmail_mta.policy.asking import TimedResolver
from twistedmail_mta.spf.check import check_host

PATIENCE: Final = 20.0
"""Seconds for the questions of one sender (RFC 7208 section 4.6.4), from all our addresses together."""


class Rewrites(Protocol):
    """Makes senders: `ReturnPaths`."""

    async def rewritten(self, sender: Address, domain: str) -> Address:
        """Return what stands for a sender at a domain of ours; raises TemporaryError where that can't be kept."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """How the MX hosts of others see us.

    Attributes:
        hostname: our name for EHLO, where none belongs to an address.
        sources: our addresses; none where they aren't known.
    """

    hostname: str
    sources: tuple[Source, ...] = ()


class ForwardedSenders:
    """Says which sender forwarded mail leaves with.

    It is rewritten unless the SPF record of its domain lets us send as it is,
    from each of our addresses: which of them the next hop will see isn't known
    before it is called.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that it asks
        self,
        return_paths: Rewrites,
        hosts: Callable[[str], bool],
        resolver: IResolver,
        clock: IReactorTime,
        appearance: Appearance | None,
        domain: str | None = None,
    ) -> None:
        """Make it.

        Args:
            return_paths: makes the senders.
            hosts: whether mail for a domain is kept here.
            resolver: has the SPF records.
            clock: for the time that it may take.
            appearance: what the records are held against; None: senders are always rewritten.
            domain: of the new senders; None: that of the alias.
        """
        self._return_paths = return_paths
        self._hosts = hosts
        self._resolver = resolver
        self._clock = clock
        self._appearance = appearance
        self._domain = domain

    async def sender(self, original: Address, forwarded_by: str, next_hop: NextHop) -> Address:
        """Return the sender for a next hop.

        Those at domains of ours stay: that the SPF records of these let us send is the site's own business.

        Args:
            original: the sender of the message.
            forwarded_by: the domain of the alias.
            next_hop: where the mail goes.

        Raises:
            TemporaryError: it can't be said now.
        """
        if original.is_null or self._hosts(original.domain) or (next_hop.is_here and not next_hop.is_filter):
            return original
        domain = next((each for each in (self._domain, forwarded_by) if each and self._hosts(each)), None)
        if domain is None or await self._may_stay(original, next_hop):
            return original
        return await self._return_paths.rewritten(original, domain)

    async def _may_stay(self, sender: Address, next_hop: NextHop) -> bool:
        """Return whether SPF lets us send; behind an explicit host it is that host's address that counts."""
        if self._appearance is None or not (next_hop.mx or next_hop.is_filter):
            return False
        resolver = TimedResolver(self._resolver, self._clock, PATIENCE)
        for source in self._appearance.sources:
            helo = source.hostname or self._appearance.hostname
            verdict = await check_host(source.address, sender.domain, sender, helo, resolver, explain=False)
            if verdict.result != "pass":
                return False
        return bool(self._appearance.sources)


@implementer(IDeliveryAgent)
class ForwardingAgent:
    """Has another agent deliver; forwards that leave in another form go in a transaction of their own.

    Reports are about the message as it is: for its next hop alone it has another sender, or a seal.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, agent: IDeliveryAgent, senders: ForwardedSenders | None, sealing: Sealing | None = None) -> None:
        """Make an agent.

        Args:
            agent: delivers.
            senders: say with which sender; None: with the same.
            sealing: seals; None: nobody does.
        """
        self._agent = agent
        self._senders = senders
        self._sealing = sealing

    async def deliver(
        self,
        message: Message,
        recipients: Sequence[Recipient],
        next_hop: NextHop,
        wanted: Callable[[Recipient], bool],
    ) -> Sequence[Outcome]:
        """Try to deliver once; see `IDeliveryAgent`."""
        domains = dict.fromkeys(each.forwarded_by for each in recipients)
        if domains.keys() == {None}:
            return await self._agent.deliver(message, recipients, next_hop, wanted)
        forms = {each: await self._form(message, each, next_hop) for each in domains}
        outcomes: dict[int, Outcome] = {}
        for form in dict.fromkeys(forms.values()):
            places = [n for n, each in enumerate(recipients) if forms[each.forwarded_by] == form]
            if isinstance(form, Deferred):
                outcomes |= dict.fromkeys(places, form)
                continue
            if form.envelope.sender != message.envelope.sender:
                self._log_rewritten(message, form.envelope.sender)
            sent = await self._agent.deliver(form, [recipients[n] for n in places], next_hop, wanted)
            outcomes |= dict(zip(places, sent, strict=True))
        return [outcomes[n] for n in range(len(recipients))]

    async def _form(self, message: Message, forwarded_by: str | None, next_hop: NextHop) -> Message | Deferred:
        """Return a message as it leaves for those to whom aliases of a domain send it."""
        if forwarded_by is None:
            return message
        try:
            return await self._sealed(await self._with_sender(message, forwarded_by, next_hop), forwarded_by, next_hop)
        except TemporaryError as error:
            return Deferred(error.reply)

    async def _with_sender(self, message: Message, forwarded_by: str, next_hop: NextHop) -> Message:
        if self._senders is None:
            return message
        original = message.envelope.sender
        sender = await self._senders.sender(original, forwarded_by, next_hop)
        return message if sender == original else replace(message, envelope=replace(message.envelope, sender=sender))

    async def _sealed(self, message: Message, forwarded_by: str, next_hop: NextHop) -> Message:
        """Return a message with a seal, unless it stays here, or a content filter may change it."""
        if self._sealing is None or next_hop.is_here or next_hop.is_filter:
            return message
        return await self._sealing.sealed(message, forwarded_by)

    def _log_rewritten(self, message: Message, sender: Address) -> None:
        self.log.info(
            "{queue_id} is forwarded from <{sender}> instead of <{original}>",
            event="srs.rewritten",
            queue_id=id_text(message.id),
            sender=str(sender),
            original=str(message.envelope.sender),
        )
