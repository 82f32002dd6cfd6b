"""`mta dns`: what it prints is pasted into a zone of knot as it is, and is right there; then each record is broken."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from interop_daemons import DNS_PORT, PATIENCE, Daemon, LoopbackNetwork
from interop_peers import folder, start_knot, write, zone_file
from running_site import environment

from twistedmail_mta.tls.certificates import write_self_signed

DOMAIN = "published.test"
IN, OUT, NAMESERVER = 61, 62, 63
"""Hosts of the network: where mail comes in, where it leaves from, and knot."""


@dataclass
class Published:
    """A site whose records are what knot serves.

    Attributes:
        printed: by `mta dns`.
        reverse: the zone of the addresses' names.
        serial: of the zones now.
    """

    root: Path
    network: LoopbackNetwork
    config: Path
    printed: str
    reverse: str
    serial: int = 1

    @property
    def pointers(self) -> str:
        """Return what is printed as comments, for who has the addresses."""
        return "\n".join(line[2:] for line in self.printed.splitlines() if line.startswith("; ") and " IN PTR " in line)

    def serve(self, domain: str, pointers: str) -> None:
        """Let knot serve other zones."""
        self.serial += 1
        for name, text in ((DOMAIN, domain), (self.reverse, pointers)):
            zone = zone_file(name, self.network.address(NAMESERVER), text, self.serial)
            write(self.root / "knot" / f"{name}.zone", zone)
        command = ["/usr/sbin/knotc", "-b", "-c", self.root / "knot" / "knot.conf", "zone-reload"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def check(self) -> tuple[int, list[dict[str, Any]]]:
        """Return the exit status of a check, and all that isn't right."""
        status, output = command(self.config, "dns", "--check", "--json")
        return status, [each for each in json.loads(output)["findings"] if each["state"] not in ("right", "note")]


def command(config: Path, *words: str) -> tuple[int, str]:
    program = [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", config, *words]
    done = subprocess.run(program, capture_output=True, text=True, env=environment(), timeout=PATIENCE, check=False)
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, network: LoopbackNetwork) -> Iterator[Published]:
    """A site with a name for each direction, keys and a certificate; and knot, which serves what is printed."""
    root = tmp_path_factory.mktemp("dns")
    root.chmod(0o755)
    ours, out = network.address(IN), network.address(OUT)
    home = folder(root / "site")
    config = write(
        home / "mta.toml",
        f"""\
config_version = 1
[server]
hostname = "mail.{DOMAIN}"
state_dir = "state"
admin = "postmaster@{DOMAIN}"
addresses = ["{ours}", "{out}"]
[dns]
nameservers = ["{network.address(NAMESERVER)}"]
port = {DNS_PORT}
[outbound]
source_addresses = [{{ address = "{out}", ehlo = "out.{DOMAIN}" }}]
[domains."{DOMAIN}"]
[tls]
certificate = "cert.pem"
key = "key.pem"
[listen.mx]
endpoint = "tcp:25"
role = "mx"
[listen.submissions]
endpoint = "tcp:465"
role = "submission"
tls = "implicit"
[listen.imaps]
endpoint = "tcp:993"
role = "imap"
tls = "implicit"
""",
    )
    write_self_signed(home / "cert.pem", home / "key.pem", [f"mail.{DOMAIN}"], datetime.now(UTC))
    reverse = ".".join(reversed(network.prefix.split("."))) + ".in-addr.arpa"
    above = {"test": ""}  # is asked for the policy of what is below it
    knot: Daemon = start_knot(root, network, {DOMAIN: "", reverse: "", **above}, NAMESERVER)
    assert command(config, "dkim", "create", DOMAIN)[0] == 0
    status, printed = command(config, "dns")
    assert status == 0
    yield Published(root, network, config, printed, reverse)
    knot.stop()


def test_printed_records_are_right(published: Published) -> None:
    """knot loads them without a word of complaint, and nothing is missing."""
    published.serve(published.printed, published.pointers)

    log = (published.root / "knot" / "log").read_text()
    assert f"serial 1 -> {published.serial}" in log
    assert not [line for line in log.splitlines() if "warning: [" in line or "error: " in line], log
    assert published.check() == (0, [])


@pytest.mark.parametrize(
    ("record", "instead", "type_", "words"),
    [
        (f"mail.{DOMAIN}. 3600 IN A", "192.0.2.99", "A", "it leads to 192.0.2.99, and that isn't this host"),
        (f"out.{DOMAIN}. 3600 IN TXT", '"v=spf1 mx -all"', "TXT", "gets 'fail' by -all"),
        (f"{DOMAIN}. 3600 IN MX", "0 .", "MX", "takes no mail (null MX"),
        (f"{DOMAIN}. 3600 IN TXT", '"v=spf1 mx ~all"', "TXT", "gets 'softfail' by ~all"),
        (f"_dmarc.{DOMAIN}. 3600 IN TXT", '"v=DMARC1; p=never"', "TXT", "has a policy that is none"),
        (f"_smtp._tls.{DOMAIN}. 3600 IN TXT", '"v=TLSRPTv1; rua="', "TXT", "names no place for reports"),
        (f"_submissions._tcp.{DOMAIN}. 3600 IN SRV", f"0 1 587 mail.{DOMAIN}.", "SRV", "is said to be at"),
        (f"_imaps._tcp.{DOMAIN}. 3600 IN SRV", "0 0 0 .", "SRV", "is said to be nowhere"),
    ],
)
def test_wrong_record(published: Published, record: str, instead: str, type_: str, words: str) -> None:
    """It is told, with what is wrong about it and what to publish; status 1."""
    lines = [f"{record} {instead}" if line.startswith(record) else line for line in published.printed.splitlines()]
    published.serve("\n".join(lines), published.pointers)

    status, found = published.check()

    named = [each for each in found if each["name"] == record.partition(". ")[0] and each["type"] == type_]
    assert status == 1
    assert any(each["state"] == "wrong" and words in each["text"] for each in named), found
    assert any(each["publish"] for each in named), found


@pytest.mark.parametrize("suffix", ["", "-ed25519"])
def test_revoked_key(published: Published, suffix: str) -> None:
    """A key that is empty isn't the one that signs."""
    _, listed = command(published.config, "dkim", "list", "--json")
    name = next(each["name"] for each in json.loads(listed) if each["name"].endswith(f"a{suffix}._domainkey.{DOMAIN}"))
    record = published.printed.partition(f"{name}. 3600 IN TXT ")[2]
    record = record.partition("\n)")[0] + "\n)" if record.startswith("(") else record.partition("\n")[0]
    text = published.printed.replace(f"{name}. 3600 IN TXT {record}", f'{name}. 3600 IN TXT "v=DKIM1; p="')
    published.serve(text, published.pointers)

    status, found = published.check()

    assert (status, [(each["state"], each["name"]) for each in found]) == (1, [("wrong", name)])


@pytest.mark.parametrize(
    ("pointer", "state"), [("", "missing"), ("host.provider.test.", "wrong")], ids=["no name", "another name"]
)
def test_name_of_an_address(published: Published, pointer: str, state: str) -> None:
    """What mail leaves from must be called what it says in EHLO."""
    published.serve(published.printed, f"{OUT} PTR {pointer}" if pointer else "")

    status, found = published.check()

    assert (status, [(each["state"], each["type"]) for each in found]) == (1, [(state, "PTR")])


def test_name_that_does_not_lead_back(published: Published) -> None:
    """The name in EHLO must lead to the address that it is said from."""
    start = f"out.{DOMAIN}. 3600 IN A "
    text = "\n".join(line for line in published.printed.splitlines() if not line.startswith(start))
    published.serve(text, published.pointers)

    status, found = published.check()

    assert status == 1
    assert ("missing", f"out.{DOMAIN}", "A") in {(each["state"], each["name"], each["type"]) for each in found}


def test_nothing_is_published(published: Published) -> None:
    """Every record that is needed is told as missing; what is said to be published makes all right."""
    published.serve("", "")
    status, found = published.check()
    assert (status, {each["state"] for each in found}) == (1, {"missing"})  # what is only of use is a note

    published.serve(published.printed, published.pointers)

    assert published.check() == (0, [])
