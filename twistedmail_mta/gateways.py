"""The gateways of a container: who connects by way of one has its address.

Where a container's ports are published through a proxy, or by NAT that
rewrites sources, all clients seem to be the container's gateway.  SPF, block
lists and limits would be about that, and networks that something is granted
to would hold the whole world.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

_MARKS: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Files that Docker and Podman leave in containers."""
_VARIABLES: Final = ("container", "KUBERNETES_SERVICE_HOST")
"""What Podman, systemd-nspawn and Kubernetes set."""
_ROUTES: Final = Path("/proc/net/route")
_IPV6_ROUTES: Final = Path("/proc/net/ipv6_route")
_EVERYTHING: Final = ("0" * 32, "00")
_LEAST_WORDS: Final = 8


def is_container(environment: Mapping[str, str] = os.environ, marks: Iterable[Path] = _MARKS) -> bool:
    """Return whether this process runs in a container."""
    return any(environment.get(name) for name in _VARIABLES) or any(mark.exists() for mark in marks)


def gateways(routes: Path = _ROUTES, ipv6_routes: Path = _IPV6_ROUTES) -> frozenset[str]:
    """Return the addresses of the gateways of the default routes; none where the system doesn't tell."""
    return frozenset(map(str, (*_gateways(_lines(routes)), *_ipv6_gateways(_lines(ipv6_routes)))))


def _gateways(lines: Iterable[list[str]]) -> Iterator[IPv4Address]:
    """Yield those of lines of /proc/net/route: interface, destination, gateway, in the octet order of the machine."""
    for _, destination, gateway, *_ in lines:
        if destination == "00000000" != gateway:
            yield IPv4Address(int.from_bytes(bytes.fromhex(gateway), sys.byteorder))


def _ipv6_gateways(lines: Iterable[list[str]]) -> Iterator[IPv6Address]:
    """Yield those of lines of /proc/net/ipv6_route: destination and its prefix, source likewise, next hop."""
    for destination, prefix, _, _, hop, *_ in lines:
        if (destination, prefix) == _EVERYTHING and hop != _EVERYTHING[0]:
            yield IPv6Address(bytes.fromhex(hop))


def _lines(path: Path) -> list[list[str]]:
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()  # interfaces may have any name
    except OSError:
        return []
    return [words for line in lines if len(words := line.split()) >= _LEAST_WORDS and words[0] != "Iface"]
