"""Which network a client is counted under."""

from __future__ import annotations

import pytest

from twistedmail_mta.networks import client_network, is_in, parse_networks


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_client_network(host: str, network: str) -> None:
    """IPv4 counts by address, also when mapped into IPv6; IPv6 by its /64."""
    assert client_network(host) == network


def test_is_in() -> None:
    """A mapped address is in the networks of its IPv4 address; no address is in none."""
    loopback = parse_networks(["127.0.0.0/8", "::1"])

    assert is_in("127.3.2.1", loopback)
    assert is_in("::ffff:127.0.0.1", loopback)
    assert is_in("::1", loopback)
    assert not is_in("192.0.2.1", loopback)
    assert not is_in("", loopback)


def test_bad_network() -> None:
    """A mistake in the site file is told, not ignored."""
    with pytest.raises(ValueError, match="host bits set"):
        parse_networks(["127.0.0.1/8"])
