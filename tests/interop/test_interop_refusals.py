"""A Postfix that asks OpenDKIM and OpenDMARC takes what we sign, and refuses what the author's domain wants refused."""

from __future__ import annotations

import imaplib
import json
import smtplib
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from interop_daemons import SMTP_PORT, Daemon, LoopbackNetwork, eventually
from interop_milters import OPENDKIM, Place, need, opendmarc, tcp
from interop_milters import running as listening
from interop_peers import Peer, start_knot, start_postfix, write
from running_site import PASSWORD, RunningSite

KNOT, VERIFIER, JUDGE, GUARDED = 54, 51, 52, 60
"""Hosts of the network."""
SIGNED, UNSIGNED = "signing.test", "lazy.test"
"""Hosted domains that want forgeries refused: one has keys, the other signs nothing."""


@dataclass
class Site:
    """A server whose mail goes to that Postfix."""

    server: RunningSite
    postfix: Peer

    def submit(self, author: str, subject: str) -> None:
        """Send a message as an account."""
        text = f"From: {author}\r\nSubject: {subject}\r\nTo: bob@postfix.test\r\n\r\nGrüße,  und so \r\n\r\n.\r\n"
        with smtplib.SMTP(self.server.host, self.server.ports["submission"], timeout=60) as client:
            client.login(author, PASSWORD)
            client.sendmail(author, "bob@postfix.test", text.encode(), ["BODY=8BITMIME"])

    def returned(self, author: str) -> bytes:
        """Return the report in an account's mailbox."""
        return eventually(lambda: self._report(author), f"a report for {author}")

    def _report(self, author: str) -> bytes | None:
        with imaplib.IMAP4(self.server.host, self.server.ports["imap"]) as client:
            client.login(author, PASSWORD)
            count = int(client.select()[1][0] or b"0")
            return client.fetch("1", "(BODY.PEEK[])")[1][0][1] if count else None


@pytest.fixture(scope="module")
def site(root: Path, network: LoopbackNetwork, certificate: Path) -> Iterator[Site]:
    """All of them, once the first domain has keys in use."""
    need(OPENDKIM)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mta-refusals-")))
        home.chmod(0o755)
        server = _server(home, network)
        stack.callback(server.stop)
        wishes = '_dmarc TXT "v=DMARC1; p=reject"'
        knot = start_knot(home, network, {"test": "", SIGNED: wishes, UNSIGNED: wishes}, KNOT)
        stack.callback(knot.stop)
        verifier, judge = tcp(network.address(VERIFIER)), tcp(network.address(JUDGE))
        stack.enter_context(listening(_verifier(home, verifier, _records(server)), verifier))
        stack.enter_context(opendmarc(home, judge, network.address(KNOT)))
        milters = ",".join(place.ours.replace("tcp:", "inet:") for place in (verifier, judge))
        guarded = (
            f"{network.address(GUARDED)}:{SMTP_PORT} inet n - n - - smtpd"
            f" -o smtpd_milters={milters} -o milter_default_action=tempfail\n"
        )
        postfix = start_postfix(
            home, network, certificate, domains="postfix.test", relayed="none.test", ways={}, host=61, more=guarded
        )
        stack.callback(postfix.daemon.stop)
        yield Site(server.start(), postfix)


def _server(home: Path, network: LoopbackNetwork) -> RunningSite:
    tables = (
        f'[domains."{SIGNED}"]\n[domains."{UNSIGNED}"]\n[dns]\ndnssec = "off"\n'
        f'[[route]]\nmatch = {{ to_domain = ["postfix.test"] }}\n'
        f'via = "smtp://{network.address(GUARDED)}:{SMTP_PORT}"\n'
    )
    at = 'endpoint = "tcp:0:interface=127.0.0.1"\nplaintext_login = ["127.0.0.0/8"]\n'
    listeners = f'[listen.submission]\nrole = "submission"\n{at}[listen.imap]\nrole = "imap"\n{at}'
    server = RunningSite(home / "site", tables, listeners)
    for domain in (SIGNED, UNSIGNED):
        server.add_account(f"ann@{domain}", PASSWORD)
    server.mta("dkim", "create", SIGNED)
    server.mta("dkim", "rotate", SIGNED, "--force")
    return server


def _records(server: RunningSite) -> str:
    """Return the keys as OpenDKIM reads them from a file."""
    shown = json.loads(server.mta("dkim", "show", SIGNED, "--json").stdout)
    return "".join(f"{key['name']} {key['record']}\n" for key in shown)


def _verifier(home: Path, place: Place, records: str) -> Daemon:
    keys = write(home / "keys", records)
    settings = write(
        home / "opendkim.conf",
        f"Socket {place.libmilter}\nMode v\nTestPublicKeys {keys}\nInternalHosts 192.0.2.1\nAlwaysAddARHeader yes\n"
        "AuthservID mail.example.org\nBackground no\nSyslog no\nRequireSafeKeys no\n",
    )
    return Daemon("opendkim", [OPENDKIM, "-f", "-x", settings], home / "opendkim.log")


def test_takes_what_we_sign(site: Site) -> None:
    """Both signatures pass there, and so does DMARC; neither text nor fields were changed on the way."""
    site.submit(f"ann@{SIGNED}", "words of hers")

    text = site.postfix.mail.message("words of hers")
    assert text.count(b"dkim=pass") == 2
    assert b"dmarc=pass" in text


def test_refuses_what_nobody_vouches_for(site: Site) -> None:
    """Its words come back to the author; nothing is delivered."""
    site.submit(f"ann@{UNSIGNED}", "words of nobody")

    report = site.returned(f"ann@{UNSIGNED}")
    assert b"550 5.7.1 rejected by DMARC policy for lazy.test" in report
    assert site.postfix.mail.find("words of nobody") is None
