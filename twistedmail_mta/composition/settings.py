"""What the tables of the site file are to the parts: each as the value that one of them takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal

from twistedmail_mta.config.problems import key_path
from twistedmail_mta.config.site import Site
from twistedmail_mta.deliver.connection import Timeouts
from twistedmail_mta.deliver.dial import Outbound
from twistedmail_mta.deliver.forwarding import Appearance
from twistedmail_mta.deliver.networks import Reach, reach
from twistedmail_mta.deliver.router import Fallback, Router, RouteRule
from twistedmail_mta.deliver.sources import Source, Sources
from twistedmail_mta.dns.nameservers import Nameserver, nameservers, system_nameservers
from twistedmail_mta.dns.validation import Probe
from twistedmail_mta.model import LaneTerms, NextHop
from twistedmail_mta.networks import address_of
from twistedmail_mta.queue.schedule import RetrySchedule

PREFERENCES: Final[dict[str, Literal[4, 6] | None]] = {"any": None, "ipv4": 4, "ipv6": 6}


def release() -> str:
    """Return the version of the installed program."""
    try:
        return version("twistedmail-mta")
    except PackageNotFoundError:
        return "checkout"


def utc_offset(at: float) -> int:
    """Return local time minus UTC, in seconds, at a time in seconds since the epoch."""
    return time.localtime(at).tm_gmtoff


def nameservers_of(site: Site) -> tuple[Nameserver, ...]:
    """Return whom we ask for names."""
    return nameservers(site.dns.nameservers or system_nameservers(), site.dns.port, site.dns.dnssec)


def probe_of(site: Site) -> Probe:
    """Return what name servers are asked, to see whether they validate."""
    table = site.dns.probe
    return Probe(table.signed.removesuffix("."), table.broken)


def outbound_of(site: Site) -> Outbound:
    """Return how connections to other hosts are made."""
    table = site.outbound
    sources = Sources(Source(str(each.address), each.ehlo) for each in table.source_addresses)
    return Outbound(site.server.hostname, Timeouts(**table.timeouts.model_dump()), sources)


def reach_of(site: Site, bound: Iterable[str]) -> Reach:
    """Return who we are to others: what the site file says, else where we listen."""
    addresses = [str(address) for address in site.server.addresses] or bound
    return reach([site.server.hostname], addresses, site.outbound.allow_networks)


def appearance_of(site: Site, bound: Iterable[str]) -> Appearance:
    """Return how the MX hosts of others see us: what [outbound] connects from, else what `reach_of` says.

    Where we listen counts only if it is an address for the whole Internet.
    """
    sources = tuple(Source(str(each.address), each.ehlo) for each in site.outbound.source_addresses)
    said = [str(address) for address in site.server.addresses] or [each for each in bound if _is_global(each)]
    return Appearance(site.server.hostname, sources or tuple(map(Source, said)))


def _is_global(host: str) -> bool:
    address = address_of(host)
    return address is not None and address.is_global


def make_router(site: Site, hosts: Callable[[str], bool]) -> Router:
    """Return the routes: first what is kept here, then the domains that are relayed, the site's own, last MX."""
    outbound = site.outbound
    domains = [
        RouteRule((name,), table.next_hop(outbound), key=key_path(("domains", name, "relay_to")))
        for name, table in site.relayed.items()
    ]
    routes = [
        RouteRule(
            table.match.to_domain or (),
            table.route(outbound),
            table.match.sender or (),
            table.match.account or (),
            key_path(("route", place)),
        )
        for place, table in enumerate(site.route)
    ]
    spare = outbound.fallback
    fallback = Fallback(spare.after, spare.next_hop(outbound)) if spare is not None else None
    return Router([*domains, *routes], NextHop("", outbound.port, mx=True, tls=outbound.tls), fallback, hosts)


def lane_terms(site: Site) -> list[LaneTerms]:
    """Return what the site file says of lanes."""
    return [terms for table in site.lane for terms in table.terms()]


def schedule_of(site: Site) -> RetrySchedule:
    """Return when deliveries are tried again, and when their senders are told."""
    queue = site.queue
    return RetrySchedule(
        retry=queue.retry,
        cap=queue.retry_cap,
        lifetime=queue.lifetime,
        bounce_lifetime=queue.bounce_lifetime,
        warn_after=queue.warn_after,
    )
