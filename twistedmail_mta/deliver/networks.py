"""Which addresses a stranger's MX records may send us to, and which are our own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.networks import Network, address_of, is_in, parse_networks

FORBIDDEN: Final = parse_networks(
    (
        "0.0.0.0/8",  # this host (RFC 1122 section 3.2.1.3); Linux takes 0.0.0.0 for loopback
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local (RFC 3927), where clouds keep their secrets
        "224.0.0.0/4",
        "240.0.0.0/4",  # reserved, broadcast
        "::/96",  # unspecified, loopback, and IPv4-compatible (RFC 4291 section 2.5)
        "fe80::/10",
        "ff00::/8",
    )
)
"""Loopback and the like; v4-mapped addresses count as their IPv4 address."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Who we are, and how far MX records may lead.

    Attributes:
        own_names: our host names, in lower case.
        own_addresses: our addresses, as others see them.
        allowed: networks that may be MX targets although they are forbidden or ours.
    """

    own_names: frozenset[str] = frozenset()
    own_addresses: frozenset[str] = frozenset()
    allowed: tuple[Network, ...] = ()

    def is_own(self, address: str) -> bool:
        """Whether an address is ours, and not allowed nevertheless."""
        return _canonical(address) in self.own_addresses and not is_in(address, self.allowed)

    def is_forbidden(self, address: str) -> bool:
        """Whether an address is loopback or the like, and not allowed nevertheless."""
        return is_in(address, FORBIDDEN) and not is_in(address, self.allowed)


def reach(names: Iterable[str], addresses: Iterable[str], allowed: Iterable[Network]) -> Reach:
    """Return a `Reach`; names and addresses may be written in any form."""
    return Reach(
        frozenset(name.lower().rstrip(".") for name in names),
        frozenset(_canonical(address) for address in addresses),
        tuple(allowed),
    )


def _canonical(address: str) -> str:
    return str(address_of(address) or address)
