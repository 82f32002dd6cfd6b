"""What other hosts have to prove before they are given mail: DANE, put together."""

from __future__ import annotations

from twistedmail_mta.composition.settings import nameservers_of, probe_of
from twistedmail_mta.config.site import Site
from twistedmail_mta.deliver.dane import DANE
from twistedmail_mta.deliver.demands import Demands
from twistedmail_mta.dns.exchange import IReactorDNS
from twistedmail_mta.dns.validation import Validation, make_validation
from twistedmail_mta.interfaces import ISecureResolver


class Demanding:
    """The demands of one site, and what finds out about them.

    Attributes:
        demands: for whoever finds hosts.
    """

    def __init__(self, reactor: IReactorDNS, site: Site, resolver: ISecureResolver) -> None:
        """Put it together; nothing is asked before mail leaves.

        Args:
            reactor: drives it.
            site: the site file.
            resolver: for names.
        """
        self._validation = validation_of(reactor, site)
        dane = DANE(resolver, self._validation.holds) if is_dane_wanted(site) else None
        self.demands = Demands(dane)

    def stop(self) -> None:
        """Give up on every question under way."""
        self._validation.stop()


def is_dane_wanted(site: Site) -> bool:
    """Return whether the site file wants DANE, if it can be had."""
    return site.outbound.dane and site.dns.dnssec != "off"


def validation_of(reactor: IReactorDNS, site: Site) -> Validation:
    """Return what knows whether the site's name servers validate."""
    return make_validation(reactor, nameservers_of(site), site.dns.timeout, site.dns.dnssec, probe_of(site))
