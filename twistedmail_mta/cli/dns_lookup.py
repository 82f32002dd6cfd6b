"""Asks what has to be published through the site's resolver, in a time of its own."""

from __future__ import annotations

from typing import Final, cast

import dns.rdtypes.IN.SRV
from dns.rdatatype import RdataType
from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.dns.codec import name_text
from twistedmail_mta.dns.resolver import Resolver
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Answer, MXRecord
from twistedmail_mta.policy.asking import SILENT
from twistedmail_mta.publishing.lookup import SRVRecord

PATIENCE: Final = 120.0
"""Seconds; who asks about hundreds of domains gets an answer about the first ones even if the DNS is silent."""


class PublicRecords:
    """The resolver, with the kinds of records that nothing else asks for; from some time on there is no answer."""

    def __init__(self, resolver: Resolver, clock: IReactorTime, seconds: float = PATIENCE) -> None:
        """Begin; from now on `seconds` are left for questions to begin in."""
        self._resolver = resolver
        self._clock = clock
        self._end = clock.seconds() + seconds

    async def mx(self, domain: str) -> Answer[MXRecord]:
        """Return MX records."""
        self._demand_time()
        return await self._resolver.mx(domain)

    async def addresses(self, host: str, family: str) -> Answer[str]:
        """Return addresses."""
        self._demand_time()
        return await self._resolver.addresses(host, family)

    async def host_names(self, address: str) -> Answer[str]:
        """Return what the PTR records of an address say."""
        self._demand_time()
        return await self._resolver.host_names(address)

    async def texts(self, name: str) -> Answer[bytes]:
        """Return TXT records."""
        self._demand_time()
        return await self._resolver.texts(name)

    async def cname(self, name: str) -> Answer[str]:
        """Return what a name itself is an alias of."""
        self._demand_time()
        return await self._resolver.cname(name)

    async def tlsa(self, name: str) -> Answer[TLSA]:
        """Return TLSA records."""
        self._demand_time()
        return await self._resolver.tlsa(name)

    async def services(self, name: str) -> Answer[SRVRecord]:
        """Return SRV records."""
        self._demand_time()
        answer = await self._resolver.query(name, RdataType.SRV)
        found = [cast(dns.rdtypes.IN.SRV.SRV, each) for each in answer.records]
        records = tuple(SRVRecord(each.priority, each.weight, each.port, name_text(each.target)) for each in found)
        return Answer(records, answer.status, answer.authentic)

    async def is_signed(self, name: str) -> bool:
        """Return whether answers about a name are proven by DNSSEC, as far as a trusted resolver tells."""
        try:
            return (await self.tlsa(name)).authentic
        except TemporaryError:
            return False

    def _demand_time(self) -> None:
        if self._clock.seconds() >= self._end:
            raise TemporaryError(SILENT)
