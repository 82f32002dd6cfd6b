"""Filters that speak the milter protocol: four of Debian's, and one of the tests' own on libmilter."""

from __future__ import annotations

import base64
import json
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from interop_daemons import Daemon, eventually
from interop_peers import write
from interop_scanners import NOBODY

OPENDKIM = Path("/usr/sbin/opendkim")
OPENDMARC = Path("/usr/sbin/opendmarc")
CLAMAV_MILTER = Path("/usr/sbin/clamav-milter")
SPAMASS_MILTER = Path("/usr/sbin/spamass-milter")
PYTHON = Path("/usr/bin/python3")
PYMILTER = Path("/usr/lib/python3/dist-packages/Milter")
PORT = 8891


@dataclass(frozen=True)
class Place:
    """Where a filter listens.

    Attributes:
        libmilter: as filters write it.
        ours: as site files do.
    """

    libmilter: str
    ours: str


def unix(path: Path) -> Place:
    """A unix socket."""
    return Place(f"local:{path}", f"unix:{path}")


def tcp(address: str, port: int = PORT) -> Place:
    """A port of loopback."""
    return Place(f"inet:{port}@{address}", f"tcp:{address}:{port}")


def need(*programs: Path) -> None:
    """Skip where one isn't installed."""
    missing = [str(program) for program in programs if not program.exists()]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (tests/interop/install-peers.sh installs them)")


@contextmanager
def running(daemon: Daemon, place: Place) -> Iterator[Daemon]:
    """Start a filter, wait until it listens, and end it."""
    address = place.ours.split(":")
    if address[0] == "tcp":
        daemon.start((address[1], int(address[2])))
    else:
        daemon.start()
        eventually(lambda: _is_socket(Path(address[1])), f"{daemon.name} listens: {daemon.output()}")
    try:
        yield daemon
    finally:
        daemon.stop(signal.SIGKILL)  # libmilter takes seconds to end, and keeps nothing


def _is_socket(path: Path) -> bool:
    return path.exists() and stat.S_ISSOCK(path.stat().st_mode)


@dataclass(frozen=True)
class Filter:
    """The filter of every action, running."""

    daemon: Daemon
    place: Place

    @property
    def calls(self) -> list[list[Any]]:
        """What it was told so far."""
        lines = self.daemon.output().split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("[")]

    def last_message(self) -> list[list[Any]]:
        """What it was told of the last message, from MAIL on."""
        calls = self.calls
        begin = max(number for number, call in enumerate(calls) if call[0] == "mail")
        return calls[begin:]


@contextmanager
def filter_of_every_action(home: Path, place: Place) -> Iterator[Filter]:
    """Run it."""
    need(PYTHON, PYMILTER)
    program = Path(__file__).with_name("filter_of_every_action.py")
    daemon = Daemon("the filter", [PYTHON, "-I", program, place.libmilter], home / "filter.log")
    with running(daemon, place):
        yield Filter(daemon, place)


@cache
def _dkim_key() -> rsa.RSAPrivateKey:
    """The key that OpenDKIM signs with in this run."""
    return rsa.generate_private_key(65537, 2048)


def _dkim_record() -> str:
    octets = _dkim_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(octets).decode()


@contextmanager
def opendkim(home: Path, place: Place, *, mode: str, domain: str) -> Iterator[Daemon]:
    """Run OpenDKIM; `mode` is "s" to sign, "v" to verify; it looks for the key in a file."""
    need(OPENDKIM)
    key = write(
        home / f"key-{mode}",
        _dkim_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    )
    key.chmod(0o600)
    keys = write(home / f"keys-{mode}", f"sel._domainkey.{domain} {_dkim_record()}\n")
    configuration = write(
        home / f"opendkim-{mode}.conf",
        f"""
Socket {place.libmilter}
Mode {mode}
Domain {domain}
Selector sel
KeyFile {key}
Canonicalization simple/simple
AlwaysAddARHeader yes
AuthservID mail.example.org
TestPublicKeys {keys}
InternalHosts 192.0.2.1
Background no
Syslog no
RequireSafeKeys no
OversignHeaders From
""",
    )
    daemon = Daemon("opendkim", [OPENDKIM, "-f", "-x", configuration], home / f"opendkim-{mode}.log")
    with running(daemon, place):
        yield daemon


@contextmanager
def opendmarc(home: Path, place: Place, nameserver: str) -> Iterator[Daemon]:
    """Run OpenDMARC, which refuses what its author's domain wants to be refused.

    It asks the system's name server, so it sees a file of its own in the place of the resolver's.
    """
    need(OPENDMARC)
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("OpenDMARC needs a file system of its own, and nothing can be mounted here")
    resolver = write(home / "resolv.conf", f"nameserver {nameserver}\noptions timeout:5\n")
    configuration = write(
        home / "opendmarc.conf",
        f"""
Socket {place.libmilter}
AuthservID mail.example.org
TrustedAuthservIDs mail.example.org
RejectFailures true
IgnoreHosts /dev/null
PublicSuffixList /dev/null
Syslog false
""",
    )
    script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", script, resolver, OPENDMARC, "-f", "-c", configuration]
    daemon = Daemon("opendmarc", command, home / "opendmarc.log")
    with running(daemon, place):
        yield daemon


@contextmanager
def clamav_milter(home: Path, place: Place, clamd: str) -> Iterator[Daemon]:
    """Run the filter that shows messages to the clamd at a place, written as its configuration has it."""
    need(CLAMAV_MILTER)
    configuration = write(
        home / "clamav-milter.conf",
        f"""
MilterSocket {place.libmilter}
ClamdSocket {clamd}
TemporaryDirectory {home}
Foreground yes
OnInfected Reject
RejectMsg This holds %v
AddHeader Replace
""",
    )
    daemon = Daemon("clamav-milter", [*NOBODY, CLAMAV_MILTER, "-c", configuration], home / "clamav-milter.log")
    with running(daemon, place):
        yield daemon


@contextmanager
def spamass_milter(home: Path, place: Place, spamd: tuple[str, int]) -> Iterator[Daemon]:
    """Run the filter that shows messages to the spamd at an address and port."""
    need(SPAMASS_MILTER)
    socket = place.ours.removeprefix("unix:")
    command = [*NOBODY, SPAMASS_MILTER, "-p", socket, "-r", "15", "--", "-d", spamd[0], "-p", str(spamd[1])]
    daemon = Daemon("spamass-milter", command, home / "spamass-milter.log")
    with running(daemon, place):
        yield daemon
