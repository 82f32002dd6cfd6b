"""Which addresses others see this host at, as far as that can be known here."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.config.endpoints import parse_endpoint
from twistedmail_mta.config.site import Site
from twistedmail_mta.networks import address_of, is_in, parse_networks

INSIDE: Final = parse_networks(
    (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8"),
        *("169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
        *("::/127", "fc00::/7", "fe80::/10"),
    )
)
"""Networks whose addresses nobody else can send to."""
_ELSEWHERE: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


@dataclass(frozen=True, slots=True)
class Known:
    """Addresses of this host.

    Attributes:
        addresses: as others see them.
        source: where they are known from, in words.
        hidden: addresses found that others can't see.
    """

    addresses: tuple[str, ...]
    source: str
    hidden: tuple[str, ...] = ()


def known_addresses(site: Site) -> Known:
    """Return what the site file says, else where MX listeners are bound, else what the system would send from."""
    if site.server.addresses:
        return Known(tuple(map(str, site.server.addresses)), "those of server.addresses")
    if bound := _bound(site):
        return Known(bound, "taken to be those that MX listeners are bound to; server.addresses can say otherwise")
    return seen_by_others(system_addresses())


def seen_by_others(found: Iterable[str]) -> Known:
    """Return addresses of the system as far as others can see them."""
    addresses = tuple(found)
    public = tuple(each for each in addresses if not is_in(each, INSIDE))
    source = "taken to be those that this system sends from; server.addresses can say otherwise"
    hidden = tuple(each for each in addresses if each not in public)
    return Known(public, source if public else "not known", hidden)


def system_addresses() -> list[str]:
    """Return the addresses that the system would send from; nothing is sent."""
    found = []
    for family, address in _ELSEWHERE:
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 25))
            found.append(str(address_of(probe.getsockname()[0])))
    return found


def _bound(site: Site) -> tuple[str, ...]:
    """Return where MX listeners are bound, if each of them is bound to addresses that others can see."""
    endpoints = [
        parse_endpoint(text) for table in site.listen.values() if table.role == "mx" for text in table.endpoint
    ]
    bound = [str(address_of(each.arguments.get("interface", "")) or "") for each in endpoints if not each.is_private]
    return () if any(not each or is_in(each, INSIDE) for each in bound) else tuple(dict.fromkeys(bound))
