"""Clients that speak before they are greeted: programs that only send, and read no answers."""

from __future__ import annotations

from typing import ClassVar, Final

from zope.interface import implementer

from twistedmail_mta.config.values import Count, Wait
from twistedmail_mta.model import Reply
from twistedmail_mta.networks import client_network
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.exempt import ExemptNetworks
from twistedmail_mta.policy.holding import Holding
from twistedmail_mta.policy.recent import Recent
from twistedmail_mta.stages import Client, IConnectPolicy

TOO_EARLY: Final = Reply(
    554, "5.5.1", "You spoke before you were greeted\nWait for the 220 and for each answer, or write to our postmaster"
)


class EarlyOptions(ExemptNetworks):
    """[plugins.NAME] of the moment before the greeting.

    Attributes:
        wait: how long it is for strangers.
        waiting: how many wait at once; more are greeted as they come.
        remember: how long a network that waited isn't made to wait again.
        remembered: of how many networks that is known.
    """

    wait: Wait = 2.0
    waiting: Count = 500
    remember: Wait = 86400.0
    remembered: Count = 100_000


@implementer(IConnectPolicy)
class Early:
    """Waits a moment before it greets strangers, and refuses those who speak first (RFC 5321 section 4.3.1).

    A network that waited for its greeting is greeted at once for a while,
    unless it speaks too early then.
    """

    Options = EarlyOptions
    on_error: ClassVar = "abstain"

    def __init__(self, options: EarlyOptions, kit: Kit) -> None:
        self._options = options
        self._holding = Holding(kit.clock, options.waiting, 20, waits=not kit.rehearsal)
        self._patient: Recent[str, bool] = Recent(kit.clock.seconds, options.remember, options.remembered)

    def inherit(self, old: Early) -> None:
        """Let nobody wait twice."""
        self._patient.inherit(old._patient)

    async def connected(self, client: Client) -> Reply | None:
        """Refuse a client that speaks before it is greeted."""
        if self._options.exempts(client):
            return None
        network = client_network(client.host)
        known = self._patient.get(network) is not None
        waited = not known and await self._holding.hold(client.host, self._options.wait)
        if client.has_spoken():
            self._patient.forget(network)
            return TOO_EARLY
        if waited:
            self._patient.note(network, True)
        return None
