"""Which name servers are asked, and which of them are believed about DNSSEC."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final, Literal

RESOLV_CONF: Final = Path("/etc/resolv.conf")
DNS_PORT: Final = 53

DNSSEC = Literal["probe", "trust", "off"]
"""When the AD bit (RFC 4035 section 3.2.3) of an answer counts: "probe" from
resolvers on this host alone, since nobody else can forge their answers on the
way; "trust" from every configured one; "off" never."""


@dataclass(frozen=True, slots=True)
class Nameserver:
    """A recursive resolver.

    Attributes:
        address: its IPv4 or IPv6 address.
        port: for UDP and TCP.
        trusted: its AD bit is believed.
    """

    address: str
    port: int = DNS_PORT
    trusted: bool = False


def nameservers(
    addresses: Iterable[str | IPv4Address | IPv6Address], port: int = DNS_PORT, dnssec: DNSSEC = "probe"
) -> tuple[Nameserver, ...]:
    """Return the servers at `addresses`, in that order, duplicates dropped.

    Raises:
        ValueError: one of them is not an IP address.
    """
    unique = dict.fromkeys(ip_address(address) for address in addresses)
    return tuple(Nameserver(str(address), port, _is_trusted(address, dnssec)) for address in unique)


def system_nameservers(path: Path = RESOLV_CONF) -> tuple[str, ...]:
    """Return the addresses that resolv.conf(5) names; this host's when it names none."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    return parse_resolv_conf(text) or ("127.0.0.1",)


def parse_resolv_conf(text: str) -> tuple[str, ...]:
    """Return the addresses of the `nameserver` lines; lines that make no sense are passed over."""
    words = (line.split() for line in text.splitlines())
    named = (line[1] for line in words if len(line) > 1 and line[0] == "nameserver")
    return tuple(address for address in named if _is_address(address))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_trusted(address: IPv4Address | IPv6Address, dnssec: DNSSEC) -> bool:
    return dnssec == "trust" or (dnssec == "probe" and address.is_loopback)
