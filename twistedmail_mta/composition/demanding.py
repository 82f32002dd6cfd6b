"""What other hosts have to prove before they are given mail: DANE and MTA-STS, put together."""

from __future__ import annotations

import time

from twistedmail_mta.composition.settings import nameservers_of, probe_of, reach_of
from twistedmail_mta.config.site import Site
from twistedmail_mta.deliver.dane import DANE
from twistedmail_mta.deliver.demands import Demands
from twistedmail_mta.deliver.sts import STS
from twistedmail_mta.dns.exchange import IReactorDNS
from twistedmail_mta.dns.validation import Validation, make_validation
from twistedmail_mta.interfaces import IDatabase, ISecureResolver, ITLSSessions
from twistedmail_mta.policy.own_names import OwnNames, with_names
from twistedmail_mta.policy.web import IReactorWeb, WebClient
from twistedmail_mta.tasks import TaskGroup
from twistedmail_mta.tls.client import ClientTLS


class IReactorDemands(IReactorDNS, IReactorWeb):
    """What of the reactor is used here."""


class Demanding:
    """The demands of one site, and what finds out about them.

    Attributes:
        demands: for whoever finds hosts.
        web: asks servers that strangers name, at addresses that may be asked.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - all that it is made of
        self,
        reactor: IReactorDemands,
        site: Site,
        resolver: ISecureResolver,
        tls: ClientTLS,
        database: IDatabase,
        tasks: TaskGroup,
        sessions: ITLSSessions | None = None,
    ) -> None:
        """Put it together; nothing is asked before mail leaves.

        Args:
            reactor: drives it.
            site: the site file.
            resolver: for names.
            tls: verifies web servers.
            database: keeps policies.
            tasks: where policies are fetched that nobody waits for.
            sessions: counts how TLS goes; None: nobody does.
        """
        self._site, self._resolver, self._reactor = site, resolver, reactor
        names = OwnNames(resolver, reach_of(site, ()).is_forbidden)
        self.web = WebClient(with_names(reactor, names), tls, keep=False)
        self._sts = self._policies(database, tasks)
        self._validation = validation_of(reactor, site, tasks)
        self._dane = DANE(resolver, self._validation) if is_dane_wanted(site) else None
        self.demands = Demands(self._dane, self._sts, sessions)

    def _policies(self, database: IDatabase, tasks: TaskGroup) -> STS | None:
        if not self._site.outbound.mta_sts:
            return None
        return STS(self._resolver, self.web, database, self._reactor, time.time, tasks)

    def rehearsing(self, database: IDatabase, tasks: TaskGroup) -> Demands:
        """Return the same demands for a dry run, which keeps policies in a database of its own."""
        return Demands(self._dane, self._policies(database, tasks))

    async def why_no_dane(self) -> str:
        """Return why hosts may have to show nothing by DANE, for people."""
        if self._dane is None:
            return "DANE is off"
        verdict = await self._validation.verdict()
        if verdict.state != "proven":
            return f"DANE is off: {verdict.reason}"
        return "there are no TLSA records that DNSSEC vouches for"

    def start(self) -> None:
        """Keep policies fresh from now on."""
        if self._sts is not None:
            self._sts.start()

    def stop(self) -> None:
        """Give up on every question under way."""
        self._validation.stop()
        if self._sts is not None:
            self._sts.stop()

    async def close(self) -> None:
        """Close the connections to web servers."""
        await self.web.close()


def is_dane_wanted(site: Site) -> bool:
    """Return whether the site file wants DANE, if it can be had."""
    return site.outbound.dane and site.dns.dnssec != "off"


def validation_of(reactor: IReactorDNS, site: Site, tasks: TaskGroup) -> Validation:
    """Return what knows whether the site's name servers validate."""
    probe = None if site.dns.dnssec == "trust" else probe_of(site)
    return make_validation(reactor, nameservers_of(site), site.dns.timeout, probe, tasks)
