"""Networks whose hosts may do what strangers must not: none of them may hold everybody."""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import Annotated, Final

from pydantic import AfterValidator

from twistedmail_mta.config.values import Networks
from twistedmail_mta.networks import Network, parse_networks

_PRIVATE: Final = (
    *parse_networks(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"]),
    *parse_networks(["127.0.0.0/8", "fc00::/7", "fe80::/10"]),
)
"""Addresses that nobody on the internet has (RFC 1918, RFC 6598, RFC 3927, RFC 4193 section 3.1, RFC 4291)."""

_LEAST_PREFIX: Final = {4: 16, 6: 32}
"""How wide a network of public addresses may be: wider ones have customers, not owners."""

_MAPPED: Final = IPv6Network("::ffff:0:0/96")


def narrow(value: tuple[Network, ...]) -> tuple[Network, ...]:
    """Return networks as they are.

    Raises:
        ValueError: anybody could be in one of them.
    """
    for network in value:
        if isinstance(network, IPv6Network) and network.overlaps(_MAPPED):
            raise ValueError(f"{network} holds IPv4 addresses: write these as such")
        least = _LEAST_PREFIX[network.version]
        if network.prefixlen < least and not _is_private(network):
            text = f"{network} is too wide: public networks have /{least} or more here, or this were an open relay"
            raise ValueError(text)
    return value


def _is_private(network: Network) -> bool:
    return any(
        network.version == each.version and network.subnet_of(each)  # type: ignore[arg-type]
        for each in _PRIVATE
    )


NarrowNetworks = Annotated[Networks, AfterValidator(narrow)]
