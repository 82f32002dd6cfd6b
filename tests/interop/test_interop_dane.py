"""DANE with zones that knot signs, an unbound that validates them, and Postfix as the host that takes the mail.

Each host of the zone shows a certificate to its TLSA records or not; Postfix's own client, given the same resolver, is
the second judge.
"""

from __future__ import annotations

import json
import os
import re
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_made import chain_file, made
from interop_daemons import DNS_PORT, SMTP_PORT, LoopbackNetwork, eventually
from interop_peers import Peer, start_postfix, write
from interop_signed import NO_KEY, UNBOUND, Signed, Zone, start_signed
from mail_sink import running_sink
from running_site import ACCOUNT, PASSWORD, RunningSite

from twistedmail_mta.dane.records import TLSA

FINGER = Path("/usr/sbin/posttls-finger")
GOOD, EXPIRED, CLEAR, BARE = 70, 71, 72, 73
"""Hosts of the network: a good certificate, one whose time is over, no TLS, and a good one without its authority's."""

RESOLVER_ONLY = ("--skip=dns", "--skip=outbound", "--skip=blocklists")


class Certificates:
    """An authority and what it signed."""

    def __init__(self) -> None:
        self.authority = made("Authority", is_authority=True)
        names = [f"{host}.dane.test" for host in ("ta", "in-authority", "ta-bare-key", "ta-bare-whole")]
        self.good = made("good", self.authority, names=names)
        self.expired = made("expired", self.authority, names=["ta-expired.dane.test"], age=100)
        self.other = made("other")

    def zone(self, network: LoopbackNetwork) -> str:
        """Return the zone: for each host an address, its TLSA records, and a domain whose MX host it is."""
        good, expired, wrong, authority = self.good, self.expired, self.other, self.authority
        hosts: dict[str, tuple[int, list[TLSA]]] = {
            "ee": (GOOD, [good.record(3)]),
            "ee-whole": (GOOD, [good.record(3, 0, 0)]),
            "ee-512": (GOOD, [good.record(3, 1, 2), wrong.record(3, 1, 1)]),
            "ee-key": (GOOD, [good.record(3, 1, 0)]),
            "ee-beside": (GOOD, [wrong.record(3), good.record(3)]),
            "ee-expired": (EXPIRED, [expired.record(3)]),
            "ta": (GOOD, [authority.record(2, 0, 1)]),
            "ta-expired": (EXPIRED, [authority.record(2, 0, 1)]),
            "ta-name": (GOOD, [authority.record(2, 1, 1)]),
            "ta-bare-key": (BARE, [authority.record(2, 1, 0)]),
            "ta-bare-whole": (BARE, [authority.record(2, 0, 0)]),
            "ta-bare": (BARE, [authority.record(2, 1, 1)]),
            "wrong": (GOOD, [wrong.record(3)]),
            "wrong-512": (GOOD, [wrong.record(3, 1, 2), good.record(3, 1, 1)]),
            "none": (GOOD, []),
            "unusable": (GOOD, [wrong.record(1)]),
            "unusable-clear": (CLEAR, [wrong.record(1)]),
            "clear": (CLEAR, [good.record(3)]),
            "bogus": (GOOD, []),
        }
        lines = [f"aliased CNAME ta\nto-aliased MX 10 aliased\n_tcp.bogus NS ns\n_tcp.bogus {NO_KEY}"]
        for name, (host, records) in hosts.items():
            lines.append(f"{name} A {network.address(host)}\nto-{name} MX 10 {name}")
            lines += [
                f"_{SMTP_PORT}._tcp.{name} TLSA {each.usage} {each.selector} {each.matching} {each.data.hex()}"
                for each in records
            ]
        return "\n".join(lines)


GETS = {
    "to-ee": "DANE",
    "to-ee-whole": "DANE",
    "to-ee-512": "DANE",
    "to-ee-key": "DANE",
    "to-ee-beside": "DANE",
    "to-ee-expired": "DANE",
    "to-ta": "DANE",
    "to-ta-bare-key": "DANE",
    "to-ta-bare-whole": "DANE",
    "to-aliased": "DANE",
    "to-none": "",
    "to-unusable": "",
}
WAITS = {
    "to-wrong": "DANE: TLS could not be set up: no TLSA record means the certificate",
    "to-wrong-512": "DANE: TLS could not be set up: no TLSA record means the certificate",
    "to-ta-bare": "DANE: TLS could not be set up: no TLSA record means the certificate",
    "to-ta-name": "DANE: TLS could not be set up: the certificate is not for ta-name.dane.test",
    "to-ta-expired": "TLS could not be set up: the authority of the TLSA record doesn't vouch for the certificate",
    "to-clear": "DANE: TLS is required and the host does not offer it",
    "to-unusable-clear": "DANE: TLS is required and the host does not offer it",
    "to-bogus": "DANE: the DNS doesn't say now what proves the mail host's identity",
}
DOMAINS = [f"{name}.dane.test" for name in (*GETS, *WAITS)]


@pytest.fixture(scope="module")
def certificates() -> Certificates:
    return Certificates()


@pytest.fixture(scope="module")
def signed(root: Path, network: LoopbackNetwork, certificates: Certificates) -> Iterator[Signed]:
    """The zones: one that is signed, one below it and one beside it that are bogus, and one without signatures."""
    if not UNBOUND.exists():
        pytest.skip("not installed: unbound (tests/interop/install-peers.sh installs it)")
    plain = f"to-wrong MX 10 wrong.dane.test.\nwrong A {network.address(GOOD)}"
    zones = {
        "dane.test": Zone(certificates.zone(network), anchor="right"),
        "_tcp.bogus.dane.test": Zone(f"_{SMTP_PORT} TLSA 3 1 1 {'00' * 32}", is_signed=False),
        "bogus.test": Zone("@ MX 10 ee.dane.test.", anchor="wrong"),
        "plain.test": Zone(plain, is_signed=False),
    }
    daemons = start_signed(root, network, zones)
    yield daemons
    daemons.stop()


@pytest.fixture(scope="module")
def host(root: Path, network: LoopbackNetwork, certificates: Certificates) -> Iterator[Peer]:
    """Postfix, with four faces."""
    good = chain_file(root / "good.pem", certificates.good, certificates.authority)
    expired = chain_file(root / "expired.pem", certificates.expired, certificates.authority)
    bare = chain_file(root / "bare.pem", certificates.good)
    more = (
        f"{network.address(EXPIRED)}:{SMTP_PORT} inet n - n - - smtpd -o smtpd_tls_chain_files={expired}\n"
        f"{network.address(BARE)}:{SMTP_PORT} inet n - n - - smtpd -o smtpd_tls_chain_files={bare}\n"
        f"{network.address(CLEAR)}:{SMTP_PORT} inet n - n - - smtpd -o smtpd_tls_security_level=none\n"
    )
    domains = " ".join([*DOMAINS, "bogus.test", "to-wrong.plain.test"])
    peer = start_postfix(root, network, good, domains=domains, relayed="relayed.test", ways={}, host=GOOD, more=more)
    yield peer
    peer.daemon.stop()


def tables(network: LoopbackNetwork, resolver: str) -> str:
    """Return what a site file says of a resolver."""
    return (
        f'[dns]\nnameservers = ["{resolver}"]\nport = {DNS_PORT}\n'
        f'probe = {{ signed = "dane.test", broken = "bogus.test" }}\n'
        f'[outbound]\nport = {SMTP_PORT}\nallow_networks = ["{network.mask}"]\nmta_sts = false\n'
    )


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, network: LoopbackNetwork, signed: Signed, host: Peer
) -> Iterator[RunningSite]:
    """A server that asks unbound."""
    site = RunningSite(tmp_path_factory.mktemp("dane"), tables(network, signed.address))
    try:
        site.start()
        site.add_account(ACCOUNT, PASSWORD)
        yield site
    finally:
        site.stop()


def submit(site: RunningSite, recipient: str) -> None:
    """Send a message that is known by its recipient."""
    message = f"From: {ACCOUNT}\r\nSubject: to {recipient}\r\n\r\nhello\r\n".encode()
    with smtplib.SMTP(site.host, site.ports["submission"], timeout=20) as client:
        client.login(ACCOUNT, PASSWORD)
        client.sendmail(ACCOUNT, recipient, message)


def delivered(site: RunningSite, recipient: str) -> str:
    """Return the line that says so."""
    found = eventually(lambda: re.search(rf"delivered {re.escape(recipient)} .*", site.log), f"mail for {recipient}")
    return found[0]


def deferred(site: RunningSite, recipient: str) -> str:
    """Return why, as `mta queue` shows it."""

    def answers() -> list[str]:
        listed = json.loads(site.mta("--json", "queue", "list", "--to", recipient).stdout)
        return [each["reply"] for message in listed for each in message["recipients"] if each["reply"]]

    return eventually(answers, f"an attempt for {recipient}")[0]


@pytest.mark.parametrize(("name", "proof"), GETS.items())
def test_gets_mail(site: RunningSite, host: Peer, name: str, proof: str) -> None:
    """The host shows what its records mean, or they mean nothing."""
    recipient = f"bob@{name}.dane.test"
    submit(site, recipient)

    line = delivered(site, recipient)

    assert " over TLS" in line
    assert ("verified by DANE" in line) == bool(proof)
    assert f"to=<{recipient}>" in eventually(lambda: recipient in host.logged() and host.logged(), "Postfix's line")


@pytest.mark.parametrize(("name", "reason"), WAITS.items())
def test_waits(site: RunningSite, host: Peer, name: str, reason: str) -> None:
    """The host doesn't, so nothing is given to it, and the queue says why."""
    recipient = f"bob@{name}.dane.test"
    submit(site, recipient)

    assert reason in deferred(site, recipient)
    assert recipient not in host.logged()


def test_given_up(tmp_path: Path, network: LoopbackNetwork, signed: Signed, host: Peer) -> None:
    """At the end of its lifetime the mail comes back, and its sender reads why."""
    with running_sink() as home:
        more = (
            f'[[route]]\nmatch.to_domain = ["example.org"]\nvia = "smtp://127.0.0.1:{home.port}"\n'
            '[queue]\nretry = ["1s"]\nlifetime = "1s"\n'
        )
        site = RunningSite(tmp_path, tables(network, signed.address) + more)
        try:
            site.start()
            site.add_account(ACCOUNT, PASSWORD)
            submit(site, "dave@to-wrong.dane.test")

            (report,) = eventually(lambda: home.messages, "the report")
            assert b"DANE: TLS could not be set up" in report.data.replace(b"\r\n ", b" ")
            assert "dave@to-wrong.dane.test" not in host.logged()
        finally:
            site.stop()


def test_bogus_domain(site: RunningSite) -> None:
    """What unbound finds forged has no answer."""
    submit(site, "bob@bogus.test")

    assert deferred(site, "bob@bogus.test").startswith("451 4.4.3 ")


def test_unsigned_domain(site: RunningSite) -> None:
    """MX records that anybody may have forged make the host's TLSA records worth nothing."""
    submit(site, "bob@to-wrong.plain.test")

    assert "verified" not in delivered(site, "bob@to-wrong.plain.test")


def test_said_once(site: RunningSite) -> None:
    """The log says that DANE is on, and `mta check` finds nothing."""
    submit(site, "bob@to-none.dane.test")
    delivered(site, "bob@to-none.dane.test")

    assert site.log.count("DANE is on") == 1
    assert "DANE" not in site.mta("check", *RESOLVER_ONLY).stdout


def test_resolver_that_does_not_validate(tmp_path: Path, network: LoopbackNetwork, signed: Signed, host: Peer) -> None:
    """With the authoritative server as resolver nothing is proven: one warning, and the mail goes as ever."""
    site = RunningSite(tmp_path, tables(network, network.address(54)))
    try:
        site.start()
        site.add_account(ACCOUNT, PASSWORD)
        for _ in range(2):
            submit(site, "carol@to-wrong.dane.test")

        eventually(lambda: site.log.count("delivered carol@to-wrong.dane.test") == 2, "both messages")
        assert site.log.count("so DANE is off") == 1
        assert "so DANE is off" in site.mta("check", *RESOLVER_ONLY).stdout
    finally:
        site.stop()


@pytest.mark.parametrize("name", [name for name in (*GETS, *WAITS) if name not in {"to-unusable", "to-none"}])
def test_postfix_agrees(root: Path, signed: Signed, host: Peer, name: str) -> None:
    """Postfix's client verifies the hosts that we verify, and no other."""
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("the resolver of Postfix's client can't be chosen here: nothing can be mounted")
    resolver = root / "resolv-unbound.conf"
    write(resolver, f"nameserver {signed.address}\noptions edns0 trust-ad\n")
    script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
    finger = [
        FINGER,
        "-c",
        "-t",
        "20",
        "-l",
        "dane",
        "-o",
        "inet_protocols=ipv4",
        "-o",
        "smtp_dns_support_level=dnssec",
    ]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, resolver, *finger, f"{name}.dane.test:{SMTP_PORT}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "MAIL_CONFIG": str(host.log.parent)},
    )

    said = done.stdout + done.stderr
    assert "fatal" not in said
    assert ("Verified TLS connection established" in said) == (GETS.get(name) == "DANE"), said
