"""Slow answers for clients that are refused again and again: who guesses addresses loses time over each."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from zope.interface import implementer

from twistedmail_mta.config.values import Count, Duration, Wait
from twistedmail_mta.model import Recipient, Reply
from twistedmail_mta.networks import client_network
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.exempt import ExemptNetworks
from twistedmail_mta.policy.holding import Holding
from twistedmail_mta.policy.recent import Recent
from twistedmail_mta.stages import Client, IMailPolicy, IRecipientPolicy, IRefusalObserver, MailFrom

_MOST_NETWORKS = 10_000


class TarpitOptions(ExemptNetworks):
    """[plugins.NAME] of the tarpit.

    Attributes:
        after: refusals that cost nothing.
        delay: what each further one adds to the wait before an answer.
        longest: the longest wait; shorter than the plugin's `timeout`.
        forget: how long after its last refusal a network is answered at once again.
        held: how many answers wait at once; more come as they are.
        held_of_network: how many of one IPv4 address or IPv6 /64 do.
    """

    after: int = Field(default=3, ge=0)
    delay: Duration = 1.0
    longest: Wait = 8.0
    forget: Wait = 1800.0
    held: Count = 200
    held_of_network: Count = 10


@implementer(IMailPolicy, IRecipientPolicy, IRefusalObserver)
class Tarpit:
    """Counts the refusals for good of each network, and lets it wait for its answers the longer the more there are.

    Nothing is refused, and what waits is bounded: for whoever comes on top of
    that, the limits of the listener suffice.
    """

    Options = TarpitOptions
    on_error: ClassVar = "abstain"

    def __init__(self, options: TarpitOptions, kit: Kit) -> None:
        self._options = options
        self._holding = Holding(kit.clock, options.held, options.held_of_network, waits=not kit.rehearsal)
        self._refusals: Recent[str, int] = Recent(kit.clock.seconds, options.forget, _MOST_NETWORKS)

    def inherit(self, old: Tarpit) -> None:
        """Go on counting."""
        self._refusals.inherit(old._refusals)

    async def sender(self, client: Client, mail: MailFrom) -> Reply | None:  # noqa: ARG002 - as the stage has it
        """Let a client wait before its next message."""
        await self._slow(client)
        return None

    async def recipient(self, client: Client, mail: MailFrom, recipient: Recipient) -> Reply | None:  # noqa: ARG002 - likewise
        """Let a client wait for an address that exists as long as for one that doesn't."""
        await self._slow(client)
        return None

    async def refused(self, client: Client, reply: Reply) -> None:
        """Count a refusal, and let the client wait for it."""
        if not reply.is_permanent or self._options.exempts(client):
            return
        network = client_network(client.host)
        self._refusals.note(network, (self._refusals.get(network) or 0) + 1)
        await self._slow(client)

    async def _slow(self, client: Client) -> None:
        options = self._options
        if options.exempts(client):
            return
        over = (self._refusals.get(client_network(client.host)) or 0) - options.after
        if over > 0:
            await self._holding.hold(client.host, min(over * options.delay, options.longest))
