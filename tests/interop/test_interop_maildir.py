"""Mail delivered into a Maildir, read by the Dovecot that owns it."""

from __future__ import annotations

import os
import shutil
import smtplib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from interop_home import Home
from interop_imap import IMAP_SERVER
from interop_mail import hostile_bodies
from interop_peers import MAIL_USER
from running_site import RunningSite, wait_until

BODIES = hostile_bodies()


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A folder that Dovecot's user can reach."""
    if not IMAP_SERVER.exists():
        pytest.skip("Dovecot is not installed (tests/interop/install-peers.sh installs it)")
    if os.geteuid() != 0:
        pytest.skip("Dovecot needs root")
    path = Path(tempfile.mkdtemp(prefix="mta-maildir-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def bob(root: Path) -> Home:
    """Return the home of bob, who has no Maildir yet."""
    home = Home(root / "kept.test" / "bob")
    home.maildir.parent.parent.chmod(0o755)
    return home


@pytest.fixture(scope="module")
def site(root: Path, bob: Home) -> Iterator[RunningSite]:
    """Run a site that keeps mail for kept.test in Maildirs."""
    kept = f'[domains."kept.test"]\nrelay_to = "maildir:{root}/{{domain}}/{{local}}/Maildir"\n'
    site = RunningSite(root / "site", kept)
    site.start()
    yield site
    site.stop()


def test_octets_arrive(site: RunningSite, bob: Home) -> None:
    """Every body, of all sizes and line ends, as it was sent; Dovecot takes the Maildir for its own."""
    with smtplib.SMTP("127.0.0.1", site.ports["mx"], timeout=20) as client:
        for name, body in BODIES.items():
            client.sendmail("ann@x.test", "Bob@kept.test", f"Subject: {name}\r\n\r\n".encode() + body)
    wait_until(lambda: site.log.count("delivered Bob@kept.test") >= len(BODIES))

    found = {}
    for _, flags, _, text in bob.mail()["INBOX"][1]:
        header, _, body = text.partition(b"\r\n\r\n")
        lines = header.split(b"\r\n")
        assert lines[:2] == [b"Return-Path: <ann@x.test>", b"Delivered-To: Bob@kept.test"]
        assert not flags
        found[lines[-1].partition(b": ")[2].decode()] = body

    assert found == BODIES
    assert {path.owner() for path in bob.maildir.rglob("*")} == {MAIL_USER}


def test_recipients_without_a_place_are_refused(site: RunningSite, bob: Home) -> None:
    """At RCPT, so that nobody has to bounce it; hostile names likewise."""
    with smtplib.SMTP("127.0.0.1", site.ports["mx"], timeout=20) as client:
        client.ehlo()
        client.mail("ann@x.test")
        for name in ("carl", '"../bob"', '".."', '"a/b"'):
            code, text = client.rcpt(f"{name}@kept.test")
            assert (code, text[:5]) == (550, b"5.1.1"), name
        assert client.rcpt("bob@kept.test")[0] == 250
