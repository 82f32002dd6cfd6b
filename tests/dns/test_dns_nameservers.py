"""Which servers are asked and believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from twistedmail_mta.dns.nameservers import Nameserver, nameservers, parse_resolv_conf, system_nameservers


def test_resolv_conf_lines() -> None:
    """Addresses of both families are taken in order; comments, other keywords and nonsense are not."""
    text = "# nameserver 9.9.9.9\nsearch a.example\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # here\nnameserver\n"
    text += "nameserver not-an-address\nnameservers 192.0.2.9\noptions edns0\nnameserver fe80::1%eth0\n"

    assert parse_resolv_conf(text) == ("192.0.2.1", "2001:db8::1", "fe80::1%eth0")


@pytest.mark.parametrize("text", [None, "", "search example.org\n", "\xff\x00"])
def test_without_servers_this_host_is_asked(tmp_path: Path, text: str | None) -> None:
    """resolv.conf(5): with no server named, or no file, the one on this machine is used."""
    path = tmp_path / "resolv.conf"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))

    assert system_nameservers(path) == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("dnssec", "believed"),
    [("probe", [True, True, False]), ("trust", [True, True, True]), ("off", [False, False, False])],
)
def test_who_is_believed(dnssec: str, believed: list[bool]) -> None:
    """AD counts from loopback resolvers, from all listed ones, or never, as the site file says."""
    addresses = ["127.0.0.53", "::1", "192.0.2.1"]

    made = nameservers(addresses, 5353, dnssec)

    assert made == tuple(Nameserver(address, 5353, trust) for address, trust in zip(addresses, believed, strict=True))


def test_bad_address_is_refused() -> None:
    """A host name among the servers is a mistake that is reported."""
    with pytest.raises(ValueError, match=r"ns\.example"):
        nameservers(["192.0.2.1", "ns.example"])
