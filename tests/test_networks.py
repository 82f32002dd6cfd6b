"""Which network a client is counted under."""

from __future__ import annotations

import dns.name
import dns.reversename
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedmail_mta.networks import client_network, is_in, parse_networks, reverse_name, wide_network


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


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_wide_network(host: str, network: str) -> None:
    """Neighbours count as one."""
    assert wide_network(host) == network


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


@given(st.ip_addresses())
def test_reverse_names(address: object) -> None:
    """As dnspython makes them, of both families; another zone takes the place of the tree's."""
    expected = dns.reversename.from_address(str(address))
    zone = dns.name.from_text("list.test")
    listed = dns.reversename.from_address(str(address), v4_origin=zone, v6_origin=zone)

    assert reverse_name(str(address)) + "." == str(expected)
    assert reverse_name(str(address), "list.test") + "." == str(listed)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("192.0.2.99", "99.2.0.192.bl.test"),
        ("::ffff:192.0.2.99", "99.2.0.192.bl.test"),
        ("2001:db8:1:2:3:4:567:89ab", "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bl.test"),
        ("", ""),
        ("mail.example.org", ""),
    ],
)
def test_reverse_names_in_lists(host: str, name: str) -> None:
    """The examples of RFC 5782 section 2.1 and section 2.4; what is no address has none."""
    assert reverse_name(host, "bl.test") == name
