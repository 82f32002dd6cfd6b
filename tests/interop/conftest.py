"""The site of the interop tests: a name server, two peers and the server under test.

Host 53 of the run's own loopback network is knot, 10 Postfix, 11 Exim, 12
Dovecot, 13 OpenSMTPD, 20 the server under test, 22 another that keeps mail; nothing listens on
99.  Without the peers' packages, which `install-peers.sh` installs, the tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from interop_daemons import SMTP_PORT, Daemon, LoopbackNetwork, own_network
from interop_dovecot import LMTP_PORT, LMTP_SERVER, Dovecot, start_dovecot
from interop_imap_site import Account, ImapSite, running_imap_site
from interop_kept import kept_socket
from interop_peers import EXIM, OPENSMTPD, Peer, start_exim, start_knot, start_opensmtpd, start_postfix
from interop_server import HOSTNAME, MailServer, make_server
from interop_swaks import SWAKS

NEEDED = {
    "postfix": Path("/usr/sbin/postfix"),
    "exim": EXIM,
    "dovecot": LMTP_SERVER,
    "opensmtpd": OPENSMTPD,
    "knot": Path("/usr/sbin/knotd"),
    "swaks": SWAKS,
}
LOGIN = ("alice@sender.test", "correct horse battery staple")


@pytest.fixture(scope="session")
def root() -> Iterator[Path]:
    """A folder that daemons of other users can reach; skips where the peers are not installed."""
    missing = [name for name, program in NEEDED.items() if not program.exists()]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (tests/interop/install-peers.sh installs them)")
    if os.geteuid() != 0:
        pytest.skip("Postfix and Exim need root")
    path = Path(tempfile.mkdtemp(prefix="mta-interop-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def network() -> LoopbackNetwork:
    """The run's own loopback network."""
    return own_network()


@pytest.fixture(scope="session")
def certificate(root: Path) -> Path:
    """A file with a key and a certificate for every host here."""
    issued = trustme.CA().issue_cert("postfix.peers.test", "exim.peers.test", HOSTNAME)
    path = root / "certificate.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(path)
    path.chmod(0o644)
    return path


@pytest.fixture(scope="session")
def knot(root: Path, network: LoopbackNetwork) -> Iterator[Daemon]:
    """A name server with every zone of the tests."""
    postfix, exim, mta = "@ MX 10 postfix.peers.test.", "@ MX 10 exim.peers.test.", "@ MX 10 mta.peers.test."
    hosts = {
        "postfix": 10,
        "exim": 11,
        "opensmtpd": 13,
        "mta": 20,
        "ours": 21,
        "primary": 30,
        "third": 31,
        "honest": 41,
        "dead": 99,
    }
    zones = {
        "peers.test": "\n".join(f"{name} A {network.address(host)}" for name, host in hosts.items()),
        "sender.test": postfix,
        "postfix.test": postfix,
        "exim.test": exim,
        "opensmtpd.test": "@ MX 10 opensmtpd.peers.test.",
        "grey.test": exim,
        "relayed.test": mta,
        "null.test": "@ MX 0 .",
        "looped.test": "@ MX 10 mail.example.org.\n@ MX 20 exim.peers.test.",
        "ours.test": "@ MX 10 ours.peers.test.",
        "broken.test": None,
        "backup.test": "@ MX 10 primary.peers.test.\n@ MX 20 mail.example.org.\n@ MX 30 third.peers.test.",
        "equal.test": "@ MX 10 primary.peers.test.\n@ MX 20 third.peers.test.\n@ MX 20 mail.example.org.",
        "unlisted.test": "@ MX 10 primary.peers.test.\n@ MX 30 third.peers.test.",
        "best.test": "@ MX 10 mail.example.org.\n@ MX 20 third.peers.test.",
        "second.test": "@ MX 10 dead.peers.test.\n@ MX 20 postfix.peers.test.",
        "hostless.test": f"@ A {network.address(11)}",
        "alias.test": "www CNAME exim.test.",
        "large.test": "\n".join(f"@ A 192.0.2.{host}" for host in range(1, 201)),
    }
    reverse = ".".join(reversed(network.prefix.split(".")))
    zones[f"{reverse}.in-addr.arpa"] = "40 PTR listed.peers.test.\n41 PTR exim.peers.test.\n41 PTR honest.peers.test."
    zones["bl.test"] = f'40.{reverse} A 127.0.0.2\n40.{reverse} TXT "Seen in a trap," " see https://bl.test/40"'
    zones["signed.test"] = '_dmarc TXT "v=DMARC1; p=reject"'
    lines = [f"ip4:198.51.100.{host}" for host in range(60)]
    parts = " ".join(f'"{line} "' for line in lines)
    zones["spf.test"] = (
        '@ TXT "v=spf1 include:long.%{d} include:%{l}.users.%{d} mx:grey.test ptr:peers.test -all exp=why.%{d}"\n'
        f'@ TXT "of no interest"\nlong CNAME longer\nlonger TXT "v=spf1 " {parts} "?all"\n'
        '*.users TXT "v=spf1 exists:%{ir}.listed.%{o} -all"\n'
        f"{'.'.join(reversed(network.address(42).split('.')))}.listed A 127.0.0.2\n"
        'why TXT "%{i} is none of ours, %{s}"'
    )
    daemon = start_knot(root, network, zones)
    yield daemon
    daemon.stop()


@pytest.fixture(scope="session")
def postfix(root: Path, network: LoopbackNetwork, certificate: Path) -> Iterator[Peer]:
    """Postfix, with mailboxes, sending `relayed.test` to the server under test."""
    domains = "sender.test postfix.test second.test"
    ways = {
        "kept.test": f"lmtp:inet:[{network.address(22)}]:{LMTP_PORT}",
        "socket.kept.test": f"lmtp:unix:{kept_socket(root)}",
        "smtp.kept.test": f"smtp:[{network.address(22)}]:{SMTP_PORT}",
    }
    peer = start_postfix(root, network, certificate, domains=domains, relayed="relayed.test", ways=ways)
    yield peer
    peer.daemon.stop()


@pytest.fixture(scope="session")
def exim(root: Path, network: LoopbackNetwork, certificate: Path) -> Iterator[Peer]:
    """Exim, with mailboxes, greylisting `grey.test` once."""
    domains = "exim.test : relayed.test : hostless.test : www.alias.test"
    peer = start_exim(root, network, certificate, domains, grey="grey.test")
    yield peer
    peer.daemon.stop()


@pytest.fixture(scope="session")
def opensmtpd(root: Path, network: LoopbackNetwork, knot: Daemon) -> Iterator[Peer]:
    """OpenSMTPD, with a mailbox of `bob`; it asks knot about its clients."""
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("OpenSMTPD needs a file system of its own, and nothing can be mounted here")
    peer = start_opensmtpd(root, network, "opensmtpd.test")
    yield peer
    peer.daemon.stop()


@pytest.fixture(scope="session")
def dovecot(root: Path, network: LoopbackNetwork, certificate: Path) -> Iterator[Dovecot]:
    """Dovecot's LMTP server, with mailboxes of `bob`, `eve` and the small one of `full`."""
    dovecot = start_dovecot(root, network, certificate)
    yield dovecot
    dovecot.daemon.stop()


@pytest.fixture(scope="session")
def peers(knot: Daemon, postfix: Peer, exim: Peer, dovecot: Dovecot) -> None:
    """Whatever the server under test talks to, running."""


@pytest.fixture(scope="session")
def server(root: Path, network: LoopbackNetwork, certificate: Path, peers: None) -> Iterator[MailServer]:
    """The server under test, running, with the account of `login`."""
    server = make_server(root, network, certificate)
    user, password = LOGIN
    server.command("account", "add", user, "--password-stdin", text=password + "\n")
    server.start()
    yield server
    server.daemon.stop()


@pytest.fixture(scope="session")
def login() -> tuple[str, str]:
    """The account's address and password."""
    return LOGIN


@pytest.fixture(scope="session")
def imap_site() -> Iterator[ImapSite]:
    """An IMAP server with accounts."""
    with running_imap_site() as site:
        yield site


@pytest.fixture
def account(imap_site: ImapSite) -> Account:
    """An account on it that nobody has used."""
    return imap_site.account()
