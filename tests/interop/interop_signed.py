"""Zones that knot signs, and an unbound that validates them, each with an address of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from interop_daemons import DNS_PORT, Daemon, LoopbackNetwork, eventually
from interop_peers import folder, write

UNBOUND = Path("/usr/sbin/unbound")
KEYMGR = Path("/usr/sbin/keymgr")
NO_KEY = "DS 12345 13 2 " + "0" * 64
"""A digest of no key, so that whatever stands below it is bogus."""
SERVER, RESOLVER = 54, 55


@dataclass
class Signed:
    """Both daemons.

    Attributes:
        address: where unbound answers, on `DNS_PORT` and 53.
    """

    knot: Daemon
    unbound: Daemon
    address: str

    def stop(self) -> None:
        """End both."""
        self.unbound.stop()
        self.knot.stop()


@dataclass(frozen=True)
class Zone:
    """What a zone is.

    Attributes:
        text: its records, without SOA and NS.
        is_signed: knot signs it.
        anchor: what unbound is told of its key: the "right" thing, the "wrong" one, or "none".
    """

    text: str
    is_signed: bool = True
    anchor: str = "none"


def start_signed(root: Path, network: LoopbackNetwork, zones: Mapping[str, Zone]) -> Signed:
    """Start both for some zones."""
    address = network.address(SERVER)
    home = folder(root / "signed")
    folder(home / "db")
    for name, zone in zones.items():
        head = f"$ORIGIN {name}.\n$TTL 60\n@ SOA ns.{name}. root.{name}. 1 3600 900 604800 60\n@ NS ns.{name}.\n"
        write(home / f"{name}.zone", f"{head}ns A {address}\n{zone.text}\n")
    configuration = write(home / "knot.conf", _knot(home, address, zones))
    knot = Daemon("knot", ["/usr/sbin/knotd", "-c", configuration], home / "log")
    knot.start((address, DNS_PORT))
    try:
        anchors = [f"{name}. {NO_KEY}" for name, zone in zones.items() if zone.anchor == "wrong"]
        for name, zone in zones.items():
            if zone.anchor == "right":
                anchors += eventually(lambda: _anchors(configuration, name), f"a key of {name}")  # noqa: B023
        unbound = _start_unbound(root, network, zones, anchors)
    except BaseException:
        knot.stop()
        raise
    return Signed(knot, unbound, network.address(RESOLVER))


def _knot(home: Path, address: str, zones: Mapping[str, Zone]) -> str:
    listed = "".join(
        f"  - domain: {name}\n    file: {name}.zone\n    dnssec-signing: {'on' if zone.is_signed else 'off'}\n"
        for name, zone in zones.items()
    )
    return f"""
server:
    rundir: {home}
    listen: [ {address}@{DNS_PORT}, {address}@53 ]
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: {home}/db
policy:
  - id: one-key
    algorithm: ecdsap256sha256
    single-type-signing: on
template:
  - id: default
    storage: {home}
    semantic-checks: off
    zonefile-sync: -1
    dnssec-policy: one-key
zone:
{listed}
"""


def _anchors(configuration: Path, zone: str) -> list[str]:
    """Return the DS records of a zone's key, once it has one."""
    done = subprocess.run(
        [KEYMGR, "-c", configuration, zone, "ds"], capture_output=True, text=True, timeout=20, check=False
    )
    return [line for line in done.stdout.splitlines() if " DS " in line and " 2 " in line]


def _start_unbound(root: Path, network: LoopbackNetwork, zones: Mapping[str, Zone], anchors: list[str]) -> Daemon:
    home = folder(root / "unbound")
    address = network.address(RESOLVER)
    trusted = "".join(f'    trust-anchor: "{anchor}"\n' for anchor in anchors)
    stubs = "".join(
        f'stub-zone:\n    name: "{name}"\n    stub-addr: {network.address(SERVER)}@{DNS_PORT}\n' for name in zones
    )
    configuration = write(
        home / "unbound.conf",
        f"""
server:
    directory: "{home}"
    chroot: ""
    username: ""
    pidfile: "{home}/pid"
    interface: {address}@{DNS_PORT}
    interface: {address}@53
    access-control: 127.0.0.0/8 allow
    do-daemonize: no
    do-ip6: no
    use-syslog: no
    num-threads: 1
    do-not-query-localhost: no
    module-config: "validator iterator"
    local-zone: "test." nodefault
{trusted}
remote-control:
    control-enable: no
{stubs}
""",
    )
    daemon = Daemon("unbound", [UNBOUND, "-d", "-c", configuration], home / "log")
    daemon.start((address, DNS_PORT))
    return daemon
