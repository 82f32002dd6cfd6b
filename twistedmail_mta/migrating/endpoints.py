"""Endpoints of the new site (PURE)."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address


def endpoint_at(port: int, address: str) -> str | None:
    """Return the endpoint of an address and a port; None when it is no address.

    Args:
        port: of TCP.
        address: IPv4 or IPv6, in brackets or not; one of all hosts of its kind is bound as such.
    """
    try:
        found = ip_address(address.strip("[]"))
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        text = str(found).replace(":", "\\:")
        return f"tcp6:{port}:interface={text}"
    return f"tcp:{port}:interface={found}"
