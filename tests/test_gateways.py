"""The gateways of a container, found in the tables of the system."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from twistedmail_mta.gateways import gateways, is_container
from twistedmail_mta.networks import is_among

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
eth1\t000A0A0A\t010A0A0A\t0003\t0\t0\t0\t00FFFFFF\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0
"""
IPV6_ROUTES = f"""\
fd{"0" * 30} 40 {"0" * 32} 00 {"0" * 32} 00000100 00000001 00000000 00000001     eth0
{"0" * 32} 00 {"0" * 32} 00 fd{"0" * 29}1 00000400 00000003 00000000 00000003     eth0
{"0" * 32} 00 {"0" * 32} 00 {"0" * 32} ffffffff 00000001 00000000 00200200       lo
"""


@pytest.mark.skipif(sys.byteorder != "little", reason="the table is in the octet order of the machine")
def test_default_routes(tmp_path: Path) -> None:
    """Only gateways of default routes count, in both families."""
    (tmp_path / "route").write_text(ROUTES)
    (tmp_path / "ipv6_route").write_text(IPV6_ROUTES)

    assert gateways(tmp_path / "route", tmp_path / "ipv6_route") == {"172.17.0.1", "fd00::1"}


@pytest.mark.skipif(sys.byteorder != "little", reason="the table is in the octet order of the machine")
def test_interface_of_any_name(tmp_path: Path) -> None:
    """The kernel takes all but blanks for one; the server starts all the same, and knows the gateway."""
    (tmp_path / "route").write_bytes(ROUTES.encode().replace(b"eth0", b"\xfc\xff"))

    assert gateways(tmp_path / "route", tmp_path / "ipv6_route") == {"172.17.0.1"}


def test_no_tables(tmp_path: Path) -> None:
    """Where the system doesn't tell there are none."""
    assert gateways(tmp_path / "route", tmp_path / "ipv6_route") == frozenset()


def test_this_machine() -> None:
    """Whatever its routes are, they can be read."""
    assert all("." in host or ":" in host for host in gateways())


@pytest.mark.parametrize(
    ("environment", "marked", "found"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"container": "podman"}, False, True),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, False, True),
        ({"container": ""}, False, False),
    ],
)
def test_containers(tmp_path: Path, environment: dict[str, str], marked: bool, found: bool) -> None:
    """They are known by a file, or by a variable."""
    mark = tmp_path / ".dockerenv"
    if marked:
        mark.touch()

    assert is_container(environment, [mark]) is found


@pytest.mark.parametrize("host", ["172.17.0.1", "::ffff:172.17.0.1", "fd00::1", "fd00:0::1%eth0"])
def test_forms(host: str) -> None:
    """An address is the same in every form."""
    assert is_among(host, frozenset({"172.17.0.1", "fd00::1"}))
    assert not is_among(host, frozenset({"172.17.0.2", "fd00::2"}))
    assert not is_among(host, frozenset())
