"""Reports of others that come by mail: read beside all other work, kept once, shown by `mta report`."""

from __future__ import annotations

import gzip
import json
import smtplib
import time
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest
from dkim_made import ed25519_key, ed25519_record
from dmarc_reports_seen import GOOGLE, MICROSOFT
from running_site import PASSWORD, RunningSite, wait_until
from test_system_reputation import NameServer
from tls_reports_seen import GOOGLE as GOOGLE_TLS

from twistedmail_mta.dkim.body import hash_of
from twistedmail_mta.dkim.fields import fields_of
from twistedmail_mta.dkim.signing import Signer, signature_fields
from twistedmail_mta.mail.header import Header, split

INBOX = "reports@example.org"
BOMB = b'<!DOCTYPE a [<!ENTITY b "c">]><feedback>&b;</feedback>'


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    """A DNS with the key of a large receiver."""
    server = NameServer()
    server.responder.add("e._domainkey.google.com", "TXT", f'"{ed25519_record().decode()}"')
    yield server
    server.close()


@pytest.fixture
def site(directory: Path, names: NameServer) -> Iterator[RunningSite]:
    """A site with an account that reports come to."""
    site = RunningSite(
        directory,
        f'[dns]\nnameservers = ["127.0.0.1"]\nport = {names.port}\ntimeout = "2s"\ndnssec = "off"\n'
        f'[domains."example.org"]\n[domains."shop.test"]\n[reports]\ninbox = ["{INBOX}"]\nkeep = "36500d"\n',
    ).start()
    site.add_account(INBOX, PASSWORD)
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def of_yesterday(document: bytes) -> bytes:
    """Return a report that was seen as if it were about yesterday: those about other times may not be kept."""
    begin = int(time.time()) // 86_400 * 86_400 - 86_400
    for seen, moved in ((1_796_083_200, begin), (1_796_169_599, begin + 86_399), (1_796_169_600, begin + 86_400)):
        document = document.replace(b"%d" % seen, b"%d" % moved)
    return document.replace(b"2026-12-01", time.strftime("%Y-%m-%d", time.gmtime(begin)).encode())


def mail_with(document: bytes, name: str = "r.xml.gz") -> bytes:
    message = EmailMessage()
    message["From"] = "noreply-dmarc-support@google.com"
    message["To"] = INBOX
    message["Subject"] = "Report domain: example.org"
    message.set_content("See the attachment.\n")
    message.add_attachment(gzip.compress(of_yesterday(document)), "application", "gzip", filename=name)
    return message.as_bytes(policy=SMTP)


def signed(mail: bytes) -> bytes:
    header, body = split(mail)
    signer = Signer("google.com", "e", ed25519_key())
    return signature_fields(fields_of(Header(header)), hash_of(body), [signer], 1_700_000_000) + mail


def send(site: RunningSite, *mails: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", site.ports["mx"], timeout=20) as client:
        for mail in mails:
            client.sendmail("noreply@google.com", INBOX, mail)


def listed(site: RunningSite) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(site.mta("report", "list", "--days", "36500", "--json").stdout)
    return sorted(found, key=lambda each: (each["kind"], each["organization"], each["proof"]))


def test_from_the_mail_to_the_command(site: RunningSite) -> None:
    """Signed and unsigned, twice, broken: what is right is kept once, each broken one is a line, no mail is lost."""
    assert site.mta("report", "list").stdout == "No reports: none has come, or none is meant.\n"
    good = signed(mail_with(GOOGLE))
    send(site, good, mail_with(BOMB), good, signed(mail_with(GOOGLE_TLS, "t.json.gz")), mail_with(MICROSOFT))
    send(site, b"From: a@b.test\r\nSubject: lunch\r\n\r\nnone of these\r\n", mail_with(b"<feedback>"))

    wait_until(
        lambda: site.log.count("a report isn't kept") == 2 and "Enterprise Outlook about example.org" in site.log
    )

    assert [(each["kind"], each["organization"], each["proof"], each["signer"]) for each in listed(site)] == [
        ("dmarc", "Enterprise Outlook", "none", ""),
        ("dmarc", "google.com", "pass", "google.com"),
        ("tls", "Google Inc.", "pass", "google.com"),
    ]
    assert site.log.count("7245120958367458291 of google.com about example.org: was there before") == 1
    assert "it has a document type, which no report needs" in site.log
    (inbox,) = [each for each in json.loads(site.mta("mailbox", "list", INBOX, "--json").stdout) if each["messages"]]
    assert (inbox["name"], inbox["messages"]) == ("INBOX", 7)
    summary = site.mta("report", "summary", "--days", "36500").stdout
    assert "Mail in the name of example.org: 41 of 43 pass" in summary
    assert "not counted: 1 that may be anybody's" in summary
    assert "your certificate had expired" in summary


def test_stopped_and_started(site: RunningSite) -> None:
    """Reports are shown without a server, too; what came while nobody read is read then, and nothing twice."""
    send(site, signed(mail_with(GOOGLE)))
    site.kill()
    assert site.mta("report", "summary").returncode == 0
    site.start()
    wait_until(lambda: len(listed(site)) == 1)
    assert site.stop() == 0

    shown = json.loads(site.mta("report", "show", "1", "--json").stdout)
    assert (shown["published"]["domain"], len(shown["lines"])) == ("example.org", 2)
    assert "signed by google.com" in site.mta("report", "show", "1").stdout
    site.start()


def test_published(site: RunningSite) -> None:
    """The records that `mta dns` prints lead to where reports are read."""
    printed = site.mta("dns").stdout

    assert f'_dmarc.example.org. 3600 IN TXT "v=DMARC1; p=none; rua=mailto:{INBOX}"' in printed
    assert f'_smtp._tls.shop.test. 3600 IN TXT "v=TLSRPTv1; rua=mailto:{INBOX}"' in printed
    assert 'shop.test._report._dmarc.example.org. 3600 IN TXT "v=DMARC1"' in printed
