"""The plan of lanes: next hops with the same MX hosts, or with those of one provider, share a lane."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from zope.interface import implementer

from twistedmail_mta.deliver.providers import Providers, enclosing
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import ILanePlan, IResolver
from twistedmail_mta.model import LaneTerms, MXRecord, NextHop
from twistedmail_mta.networks import address_of

KNOWN_FOR: Final = 300.0
"""Seconds after which the DNS, or the cache in front of it, is asked again."""
UNSURE_FOR: Final = 60.0
"""The same, when it gave no answer."""
MAX_KNOWN: Final = 10_000
MAX_HOSTS: Final = 20


@implementer(ILanePlan)
class LanePlan:
    """Names lanes: `google` for whoever's MX hosts are all Google's, else the best MX hosts, else the host itself."""

    def __init__(
        self,
        resolver: IResolver,
        providers: Providers,
        terms: Sequence[LaneTerms],
        clock: Callable[[], float],
    ) -> None:
        """Make a plan.

        Args:
            resolver: knows the MX records.
            providers: knows whose the MX hosts are.
            terms: what the site file says, each named after a provider, or a
                host or domain with all below it; the narrowest name counts.
            clock: seconds since some time.
        """
        self._resolver = resolver
        self._providers = providers
        self._terms = {each.name: each for each in terms}
        self._clock = clock
        self._known: OrderedDict[NextHop, tuple[LaneTerms, float]] = OrderedDict()  # the oldest first

    def known(self, next_hop: NextHop) -> LaneTerms | None:
        """Return the terms of a next hop's lane if they can be said at once."""
        known = self._known.get(next_hop)
        if known is not None and (known[1] > self._clock() or not next_hop.mx):
            return known[0]
        if next_hop.mx and not next_hop.host.startswith("["):
            return None
        return self._keep(next_hop, self._explicit(next_hop), 0.0)

    async def find(self, next_hop: NextHop) -> LaneTerms:
        """Return them in any case; what the DNS doesn't say now is a lane of its own."""
        try:
            answer = await self._resolver.mx(next_hop.host)
        except TemporaryError:
            return self._keep(next_hop, self._explicit(next_hop), UNSURE_FOR)
        hosts = _best([record for record in answer.records if record.host])
        terms = self._shared(next_hop, hosts) if hosts else self._explicit(next_hop)
        return self._keep(next_hop, terms, KNOWN_FOR)

    def messages_of(self, next_hop: NextHop) -> int | None:
        """Return how many messages a connection to a next hop carries; None: as many as usual."""
        terms = self.known(next_hop)
        return None if terms is None else terms.messages

    def _keep(self, next_hop: NextHop, terms: LaneTerms, seconds: float) -> LaneTerms:
        self._known.pop(next_hop, None)
        self._known[next_hop] = terms, self._clock() + seconds
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
        return terms

    def _explicit(self, next_hop: NextHop) -> LaneTerms:
        if next_hop.local is not None:
            return self._terms_of(next_hop.local, [next_hop.local])
        host = next_hop.host.lower()
        place = f"{host}:{next_hop.port}" if next_hop.port else host
        names = [host] if address_of(host) is not None else enclosing(host)
        return self._terms_of(place, [*names])

    def _shared(self, next_hop: NextHop, hosts: Sequence[str]) -> LaneTerms:
        provider = self._providers.of_all(hosts)
        name = provider or ",".join(hosts)
        above = [[*enclosing(host)] for host in hosts]
        common = [suffix for suffix in above[0] if all(suffix in names for names in above)]
        return self._terms_of(name, [*([provider] if provider else []), *common, *enclosing(next_hop.host)])

    def _terms_of(self, lane: str, names: Sequence[str]) -> LaneTerms:
        """Return what the site file says under the first of some names, for a lane."""
        found = next((self._terms[name] for name in names if name in self._terms), None)
        return LaneTerms(lane) if found is None else replace(found, name=lane)


def _best(records: Sequence[MXRecord]) -> list[str]:
    """Return the hosts of best preference, in the order of their names."""
    best = min((record.preference for record in records), default=0)
    return sorted({record.host for record in records if record.preference == best})[:MAX_HOSTS]
