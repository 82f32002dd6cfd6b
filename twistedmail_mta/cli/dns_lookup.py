"""Asks what has to be published through the site's resolver as long as it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar, cast

import dns.rdtypes.IN.SRV
from dns.rdatatype import RdataType
from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.deliver.sts import fetched_text
from twistedmail_mta.dns.codec import name_text
from twistedmail_mta.dns.resolver import Resolver
from twistedmail_mta.errors import HTTPError, TemporaryError
from twistedmail_mta.interfaces import IHTTPClient
from twistedmail_mta.model import Answer, MXRecord
from twistedmail_mta.policy.asking import SILENT
from twistedmail_mta.publishing.lookup import NotFetched, SRVRecord

T = TypeVar("T")

MOST_LOST: Final = 20.0
"""Seconds; once so long was waited in vain, all in all, the servers are taken to be silent."""

FETCHED_WITHIN: Final = 15.0
"""Seconds for a policy; senders wait a minute, but somebody looks at the screen here."""


class PublicRecords:
    """The resolver, with the kind of records that nothing else asks for; it isn't asked on and on in vain."""

    def __init__(self, resolver: Resolver, clock: IReactorTime, web: IHTTPClient) -> None:
        """Begin, with nothing lost."""
        self._resolver = resolver
        self._web = web
        self._clock = clock
        self._lost = 0.0

    async def mx(self, domain: str) -> Answer[MXRecord]:
        """Return MX records."""
        return await self._ask(partial(self._resolver.mx, domain))

    async def addresses(self, host: str, family: str) -> Answer[str]:
        """Return addresses."""
        return await self._ask(partial(self._resolver.addresses, host, family))

    async def host_names(self, address: str) -> Answer[str]:
        """Return what the PTR records of an address say."""
        return await self._ask(partial(self._resolver.host_names, address))

    async def texts(self, name: str) -> Answer[bytes]:
        """Return TXT records."""
        return await self._ask(partial(self._resolver.texts, name))

    async def cname(self, name: str) -> Answer[str]:
        """Return what a name itself is an alias of."""
        return await self._ask(partial(self._resolver.cname, name))

    async def tlsa(self, name: str) -> Answer[TLSA]:
        """Return TLSA records."""
        return await self._ask(partial(self._resolver.tlsa, name))

    async def services(self, name: str) -> Answer[SRVRecord]:
        """Return SRV records."""
        answer = await self._ask(partial(self._resolver.query, name, RdataType.SRV))
        found = [cast(dns.rdtypes.IN.SRV.SRV, each) for each in answer.records]
        records = tuple(SRVRecord(each.priority, each.weight, each.port, name_text(each.target)) for each in found)
        return Answer(records, answer.status, answer.authentic)

    async def policy_text(self, domain: str) -> bytes:
        """Fetch a domain's MTA-STS policy, as senders do."""
        try:
            return await fetched_text(self._web, domain, FETCHED_WITHIN)
        except (HTTPError, ValueError) as error:
            raise NotFetched(str(error)) from error

    async def is_signed(self, name: str) -> bool:
        """Return whether answers about a name are proven by DNSSEC, as far as a trusted resolver tells."""
        try:
            return (await self.tlsa(name)).authentic
        except TemporaryError:
            return False

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Ask, unless too much time was lost with that."""
        if self._lost >= MOST_LOST:
            raise TemporaryError(SILENT)
        begun = self._clock.seconds()
        try:
            return await question()
        except TemporaryError:
            self._lost += self._clock.seconds() - begun
            raise
