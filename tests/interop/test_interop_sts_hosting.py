"""Policies that this server hands out: to curl, to its own sender, and to `mta dns --check` by what knot says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from chain_made import chain_file, made
from interop_daemons import DNS_PORT, PATIENCE, LoopbackNetwork
from interop_pebble import PEBBLE, TLS_PORT, Pebble
from interop_peers import start_knot, write, zone_file
from running_site import RunningSite, wait_until
from twisted.internet import reactor

from twistedmail_mta.deliver.sts import fetched_text
from twistedmail_mta.errors import HTTPError
from twistedmail_mta.model import Answer
from twistedmail_mta.mta_sts.policy import PATH, Policy, parse_policy
from twistedmail_mta.policy.own_names import OwnNames, with_names
from twistedmail_mta.policy.web import WebClient
from twistedmail_mta.tls.client import ClientTLS

CURL = Path("/usr/bin/curl")
pytestmark = pytest.mark.skipif(not CURL.exists(), reason="not installed: curl (tests/interop/install-peers.sh)")

DOMAIN, BARE = "handed.test", "bare.test"
"""Domains of the site; there is no certificate for the second one's policy."""
HOST, BARE_HOST = f"mta-sts.{DOMAIN}", f"mta-sts.{BARE}"
POLICY = Policy("testing", 604800, (f"mail.{DOMAIN}",))
TEXT = f"version: STSv1\r\nmode: testing\r\nmx: mail.{DOMAIN}\r\nmax_age: 604800\r\n"
WEB, NAMESERVER = 66, 67
"""Hosts of the network: the site under test, and knot."""


@dataclass
class Handing:
    """A site that hands out policies at port 443 of an address.

    Attributes:
        network: where it is.
        site: runs.
        ca_file: vouches for it.
    """

    network: LoopbackNetwork
    site: RunningSite
    ca_file: Path

    @property
    def address(self) -> str:
        return self.network.address(WEB)

    def curl(self, url: str, *options: str) -> tuple[int, str]:
        """Return the exit status of curl, and the answer with its header."""
        host = url.removeprefix("https://").partition("/")[0]
        where = ["--resolve", f"{host}:443:{self.address}", "--cacert", str(self.ca_file)]
        command = [CURL, "--silent", "--include", "--disable", "--noproxy", "*", *where, *options, url]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
        return done.returncode, done.stdout.decode()

    def change(self, old: str, new: str) -> str:
        """Change the site file, and return what a reload says."""
        text = self.site.config.read_text()
        assert old in text
        self.site.config.write_text(text.replace(old, new))
        return self.site.mta("reload").stdout


@pytest.fixture
def handing(tmp_path: Path, root: Path, network: LoopbackNetwork) -> Iterator[Handing]:
    """A site with a certificate for one of its policies."""
    authority = made("Authority", is_authority=True)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    files = {
        name: chain_file(tmp_path / f"{name}.pem", made(name, authority, names=[name]))
        for name in (f"mail.{DOMAIN}", HOST)
    }
    site = RunningSite(tmp_path / "site", host=network.address(WEB))
    at = f"interface={network.address(WEB)}"
    site.config.write_text(
        f'config_version = 1\n[server]\nhostname = "mail.{DOMAIN}"\nstate_dir = "{site.state}"\n'
        f'admin = "postmaster@{DOMAIN}"\naddresses = ["{network.address(WEB)}"]\n'
        f'[dns]\nnameservers = ["{network.address(NAMESERVER)}"]\nport = {DNS_PORT}\n'
        f'[outbound]\nca_file = "{tmp_path}/ca.pem"\n'
        f'[tls]\ncertificate = "{files[f"mail.{DOMAIN}"]}"\nkey = "{files[f"mail.{DOMAIN}"]}"\n'
        f'[tls.names."{HOST}"]\ncertificate = "{files[HOST]}"\nkey = "{files[HOST]}"\n'
        f'[domains."{DOMAIN}"]\n[domains."{BARE}"]\n'
        '[mta_sts]\nmode = "testing"\n'
        f'[listen.mx]\nendpoint = "tcp:0:{at}"\nrole = "mx"\n'
        f'[listen.sts]\nendpoint = "tcp:443:{at}"\nrole = "mta-sts"\ntls = "implicit"\n'
    )
    try:
        yield Handing(network, site.start(), tmp_path / "ca.pem")
        assert "Traceback" not in site.log
    finally:
        site.stop()


def test_curl(handing: Handing) -> None:
    """The policy, over TLS that curl verifies, whatever else it would rather speak; and the end of the connection."""
    status, answer = handing.curl(f"https://{HOST}{PATH}")
    head, _, body = answer.partition("\r\n\r\n")

    assert (status, body) == (0, TEXT)
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    assert "Content-Type: text/plain\r\n" in head
    assert handing.curl(f"https://{HOST}{PATH}", "--tls-max", "1.2")[1].endswith(TEXT)
    assert handing.curl(f"https://{HOST}{PATH}", "--head", "--http1.0")[1].startswith("HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("url", "options", "expected"),
    [
        (f"https://{HOST}/", (), "404"),
        (f"https://{HOST}{PATH}?a", (), "404"),
        (f"https://{HOST}{PATH}", ("--header", f"Host: {DOMAIN}"), "404"),
        (f"https://{HOST}{PATH}", ("--request", "DELETE"), "405"),
        (f"https://{HOST}{PATH}", ("--data", "x" * 6000), "405"),
        (f"https://mail.{DOMAIN}{PATH}", (), "404"),
    ],
)
def test_everything_else(handing: Handing, url: str, options: tuple[str, ...], expected: str) -> None:
    """There is nothing."""
    status, answer = handing.curl(url, *options)

    assert status in (0, 56)  # the connection may go while curl still sends
    assert answer.startswith(f"HTTP/1.1 {expected} ")
    assert "STSv1" not in answer


def test_name_without_certificate(handing: Handing) -> None:
    """curl has no policy where no certificate is for its host; `mta check` says that it is so."""
    assert handing.curl(f"https://{BARE_HOST}{PATH}") == (60, "")
    assert f"warning: mta_sts: no certificate is for {BARE_HOST}" in handing.site.mta("check", "--offline").stdout
    assert f"no certificate is for {HOST}" not in handing.site.mta("check", "--offline").stdout


def test_reload(handing: Handing) -> None:
    """Another policy is handed out at once; one that is mistaken changes nothing."""
    assert "Changed: mta_sts.mode" in handing.change('mode = "testing"', 'mode = "enforce"')
    assert handing.curl(f"https://{HOST}{PATH}")[1].endswith(TEXT.replace("testing", "enforce"))

    handing.site.config.write_text(handing.site.config.read_text().replace('"enforce"', '"enforced"'))
    assert "mta_sts.mode: must be" in handing.site.mta("reload", check=False).stdout
    assert handing.curl(f"https://{HOST}{PATH}")[1].endswith(TEXT.replace("testing", "enforce"))


class OneAddress:
    """A resolver that knows one address, whatever the name."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def addresses(self, _: str, family: str) -> Answer[str]:
        return Answer((self._address,) if family == "A" else (), "found", authentic=False)


@pytest_twisted.ensureDeferred
async def test_our_own_sender(handing: Handing) -> None:
    """It fetches what curl does, reads the policy that the site file means, and verifies the host."""
    resolver: Any = OneAddress(handing.address)
    web = WebClient(with_names(reactor, OwnNames(resolver, lambda _: False)), ClientTLS(handing.ca_file), keep=False)

    assert parse_policy(await fetched_text(web, DOMAIN, PATIENCE)) == POLICY
    with pytest.raises(HTTPError, match="TLS failed"):
        await fetched_text(web, BARE, PATIENCE)
    await web.close()


def findings(handing: Handing, domain: str = DOMAIN) -> tuple[int, dict[str, tuple[str, str]]]:
    """Return the exit status of a check, and what it says of the names that are about the policy."""
    done = handing.site.mta("dns", "--check", domain, "--json", check=False)
    told = json.loads(done.stdout)["findings"]
    return done.returncode, {each["name"]: (each["state"], each["text"]) for each in told if "mta-sts" in each["name"]}


def test_check_of_what_is_printed(handing: Handing, tmp_path: Path, network: LoopbackNetwork) -> None:
    """knot serves what is printed, and the policy is fetched as it says; then the policy is another, then none."""
    printed = handing.site.mta("dns", DOMAIN).stdout
    tmp_path.chmod(0o755)
    knot = start_knot(tmp_path, network, {DOMAIN: ""}, NAMESERVER)
    try:
        write(tmp_path / "knot" / f"{DOMAIN}.zone", zone_file(DOMAIN, network.address(NAMESERVER), printed, 2))
        command = ["/usr/sbin/knotc", "-b", "-c", tmp_path / "knot" / "knot.conf", "zone-reload"]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
        assert f"_25._tcp.{HOST}" not in printed, "nobody sends mail there"
        _, right = findings(handing)
        handing.change('mode = "testing"', 'mode = "enforce"')
        status, changed = findings(handing)
        handing.site.stop()
        _, stopped = findings(handing)
    finally:
        knot.stop()

    assert [state for state, _ in right.values()] == ["right", "right"]
    assert right[HOST][1] == f"the policy is fetched there: testing, for 604800 seconds, mail.{DOMAIN}"
    assert status == 1
    assert changed[HOST][0] == "right"
    assert changed[f"_mta-sts.{DOMAIN}"][1] == "its id is that of another policy, so senders keep that; publish"
    assert stopped[HOST][0] == "wrong"
    assert "can't be fetched from here" in stopped[HOST][1]


@pytest.mark.skipif(not PEBBLE.exists(), reason="pebble isn't installed (tests/interop/install-peers.sh)")
def test_certificates_come_by_the_same_port(tmp_path: Path, network: LoopbackNetwork) -> None:
    """[acme] asks for the names of policies by itself; answers in handshakes and policies share one listener."""
    pebble = Pebble(tmp_path / "pebble", network)
    site = RunningSite(tmp_path / "site", host=pebble.address)
    site.config.write_text(
        f'config_version = 1\n[server]\nhostname = "mail.{DOMAIN}"\nstate_dir = "{site.state}"\n'
        f'admin = "postmaster@{DOMAIN}"\n[domains."{DOMAIN}"]\n[mta_sts]\n'
        f'[acme]\ndirectory = "{pebble.directory}"\nagree = true\nca_file = "{pebble.ca_file}"\n'
        'challenge = "tls-alpn-01"\n'
        f'[listen.sts]\nendpoint = "tcp:{TLS_PORT}:interface={pebble.address}"\nrole = "mta-sts"\ntls = "implicit"\n'
    )
    try:
        pebble.start()
        site.start()
        wait_until(lambda: f"certificate for {HOST} issued" in site.log)
        told = json.loads(site.mta("acme", "status", "--json").stdout)
        where = ["--connect-to", f"::{pebble.address}:{TLS_PORT}", "--insecure"]
        command = [CURL, "--silent", "--disable", "--noproxy", "*", "--verbose", *where, f"https://{HOST}{PATH}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    finally:
        site.stop()
        pebble.stop()

    assert {each["name"]: each["state"] for each in told} == {f"mail.{DOMAIN}": "issued", HOST: "issued"}
    assert parse_policy(done.stdout.encode()) == POLICY
    assert "issuer: CN=Pebble" in done.stderr
    assert "Traceback" not in site.log
