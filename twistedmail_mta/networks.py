"""Client addresses and the networks that limits and exemptions are counted by."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

_REMEMBERED: Final = 4096

_TREES: Final = {4: "in-addr.arpa", 6: "ip6.arpa"}

Network = IPv4Network | IPv6Network


@lru_cache(_REMEMBERED)
def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address that `host` spells, or None (a UNIX socket has none).

    A v4-mapped IPv6 address counts as its IPv4 address, a zone is ignored.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@lru_cache(_REMEMBERED)
def client_network(host: str) -> str:
    """Return the network a client is counted under: its IPv4 address, its IPv6 /64."""
    address = address_of(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return host if address is None else str(address)


@lru_cache(_REMEMBERED)
def wide_network(host: str) -> str:
    """Return the network in which a client's neighbours are taken for the same one: its IPv4 /24, its IPv6 /64.

    Large sites send again from another host nearby (RFC 6647 section 4.1).
    """
    address = address_of(host)
    if isinstance(address, IPv4Address):
        return str(IPv4Network((address, 24), strict=False))
    return client_network(host)


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return networks from texts such as "127.0.0.0/8" or "::1".

    Raises:
        ValueError: one of them is no network.
    """
    return tuple(ip_network(text) for text in texts)


LOOPBACK: Final = parse_networks(["127.0.0.0/8", "::1"])
"""This host's own addresses for itself."""


def is_among(host: str, hosts: frozenset[str]) -> bool:
    """Return whether the address that `host` spells, in whatever form, is one of these."""
    return bool(hosts) and str(address_of(host)) in hosts


def is_in(host: str, networks: Iterable[Network]) -> bool:
    """Return whether the address `host` lies in one of the networks."""
    address = address_of(host)
    return address is not None and any(address in network for network in networks)


def reverse_name(host: str, zone: str = "") -> str:
    """Return the name under which an address is looked up in the DNS; empty where `host` is no address.

    Args:
        host: an IPv4 address, whose octets are reversed, or an IPv6 one, whose nibbles are
            (RFC 1035 section 3.5, RFC 3596 section 2.5).
        zone: what follows: a list's zone (RFC 5782 section 2.1 and section 2.4), or the tree of host names.
    """
    address = address_of(host)
    if address is None:
        return ""
    pointer = address.reverse_pointer
    return f"{pointer.removesuffix(_TREES[address.version])}{zone}" if zone else pointer
