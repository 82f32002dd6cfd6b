"""What a real server makes of a day's mail in a domain's name: one aggregate report, to who asked for it, signed."""

from __future__ import annotations

import gzip
import json
import smtplib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from dkim_made import rsa_key, rsa_record, verdicts
from mail_sink import Received, Sink
from report_form import flaws
from running_site import RunningSite, wait_until
from test_system_reputation import NameServer

from twistedmail_mta.dkim.body import hash_of
from twistedmail_mta.dkim.fields import fields_of
from twistedmail_mta.dkim.signing import Signer, signature_fields
from twistedmail_mta.dmarc.report import AggregateReport, Override, SenderResult, SignatureResult
from twistedmail_mta.dmarc.report_reader import read_report
from twistedmail_mta.mail.header import Header, split
from twistedmail_mta.store.files import DATABASE_NAME

BANK_HOST, EVIL_HOST, LIST_HOST = "127.0.0.51", "127.0.0.66", "127.0.0.77"
FAR = 2e9
TEXT = b"From: Ann <ann@bank.test>\r\nTo: bob@home.test\r\nSubject: your account\r\n\r\nHello\r\n"

SITE = """
[plugins.authentication]
use = "authentication"
exempt_networks = []
trusted_forwarders = ["{list_host}/32"]
[dns]
nameservers = ["127.0.0.1"]
port = {dns}
timeout = "2s"
[domains."home.test"]
[domains."example.org"]
[[route]]
match = {{}}
via = "smtp://127.0.0.1:{sink}"
"""


def txt(text: bytes) -> str:
    """Return a TXT record in the form of a zone file."""
    pieces = [text[start : start + 200].decode() for start in range(0, len(text), 200)]
    return " ".join(f'"{piece}"' for piece in pieces)


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    """A bank that wants reports, also at somebody's who doesn't; and a forger that wants none."""
    server = NameServer()
    add = server.responder.add
    add("bank.test", "TXT", f'"v=spf1 ip4:{BANK_HOST} -all"')
    add("evil.test", "TXT", f'"v=spf1 ip4:{EVIL_HOST} -all"')
    rua = "mailto:dmarc@bank.test,mailto:victim@bystander.test,mailto:bank@service.test!10m"
    add("_dmarc.bank.test", "TXT", txt(f"v=DMARC1; p=reject; adkim=s; rua={rua}".encode()))
    add("bank.test._report._dmarc.service.test", "TXT", '"v=DMARC1;"')
    add("r._domainkey.bank.test", "TXT", txt(rsa_record()))
    yield server
    server.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, sink: Sink, names: NameServer) -> Iterator[RunningSite]:
    """A site that signs for example.org, whose postmaster reports."""
    listeners = '[listen.mx]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "mx"\nplugins = ["authentication"]\n'
    toml = SITE.format(dns=names.port, sink=sink.port, list_host=LIST_HOST)
    site = RunningSite(tmp_path_factory.mktemp("site"), toml, listeners).start()
    site.add_account("bob@home.test", "correct horse")
    site.mta("dkim", "create", "example.org")
    site.mta("dkim", "rotate", "example.org", "--force")
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def signed() -> bytes:
    """Return a message as the bank signs it."""
    header, body = split(TEXT)
    signer = Signer("bank.test", "r", rsa_key(2048))
    return signature_fields(fields_of(Header(header)), hash_of(body), [signer], int(time.time())) + TEXT


def send(site: RunningSite, text: bytes, host: str, sender: str) -> int:
    """Send a message; return the answer's code."""
    with smtplib.SMTP("127.0.0.1", site.ports["mx"], source_address=(host, 0), timeout=20) as client:
        client.ehlo("client.test")
        client.mail(sender)
        client.rcpt("bob@home.test")
        return client.data(text)[0]


def rows(site: RunningSite, sql: str) -> list[tuple[object, ...]]:
    """Run SQL in the site's database."""
    with closing(sqlite3.connect(Path(site.state) / DATABASE_NAME, timeout=20)) as database, database:
        return database.execute(sql).fetchall()


def reports(sink: Sink) -> list[Received]:
    """Return the reports that arrived."""
    return [each for each in sink.messages if b"Report Domain:" in each.data]


def report_in(message: Received) -> AggregateReport:
    """Return the report in a mail, which has the form of RFC 9990."""
    parsed = message_from_bytes(message.data, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    (attachment,) = parsed.iter_attachments()
    assert attachment.get_content_type() == "application/gzip"
    xml = gzip.decompress(attachment.get_content())
    assert flaws(xml) == []
    return read_report(xml).report


def test_a_day_is_reported_once(site: RunningSite, sink: Sink) -> None:
    """Over three restarts: all that came counts, whatever became of it, and nobody else's business is told."""
    assert send(site, signed(), BANK_HOST, "ann@bank.test") == 250
    site.stop()
    site.start()
    assert send(site, signed(), BANK_HOST, "ann@bank.test") == 250
    assert send(site, TEXT, EVIL_HOST, "eve@evil.test") == 550
    assert send(site, TEXT, LIST_HOST, "list@list.test") == 250
    assert send(site, TEXT.replace(b"bank.test", b"evil.test"), EVIL_HOST, "eve@evil.test") == 250
    site.stop()
    assert rows(site, "SELECT domain, cases, mails FROM dmarc_day") == [("bank.test", 3, 4)]

    rows(site, "UPDATE dmarc_day SET day = day - 1")  # a day goes by
    rows(site, "DELETE FROM report_day")
    site.start()
    wait_until(lambda: rows(site, "SELECT 1 FROM report_due WHERE kind = 'dmarc'"))
    site.stop()
    assert reports(sink) == []
    rows(site, "UPDATE report_due SET due_at = 0")  # and some hours
    site.start()
    wait_until(lambda: len(reports(sink)) >= 2)
    site.stop()
    site.start()
    assert send(site, TEXT, LIST_HOST, "list@list.test") == 250  # by then the server has looked
    wait_until(lambda: not rows(site, "SELECT 1 FROM report_due"))

    assert sorted(each.recipients[0] for each in reports(sink)) == ["<bank@service.test>", "<dmarc@bank.test>"]
    assert [each.sender for each in reports(sink)] == ["<>", "<>"]
    first, second = map(report_in, reports(sink))
    assert first == second
    _assert_told(first)
    shown = json.loads(site.mta("dkim", "show", "example.org", "--json").stdout)
    zone = {key["name"]: key["record"].encode() for key in shown}
    for each in reports(sink):
        assert [(result.word, result.domain) for result in verdicts(each.data, zone, FAR)] == [
            ("pass", "example.org")
        ] * 2


def _assert_told(report: AggregateReport) -> None:
    metadata, published = report.metadata, report.published
    assert (metadata.organization, metadata.email) == ("mail.example.org", "postmaster@example.org")
    assert metadata.end - metadata.begin == 86399
    assert metadata.begin % 86400 == 0
    assert (published.domain, published.policy, published.dkim, published.spf) == ("bank.test", "reject", "s", "r")
    cases = {row.case.source: (row.case, row.count) for row in report.rows}
    genuine, count = cases.pop(BANK_HOST)
    assert (genuine.disposition, genuine.dkim, genuine.spf, count) == ("pass", "pass", "pass", 2)
    assert genuine.signatures == (SignatureResult("bank.test", "r", "pass"),)
    assert genuine.sender == SenderResult("bank.test", "pass")
    forged, count = cases.pop(EVIL_HOST)
    assert (forged.disposition, forged.dkim, forged.spf, count) == ("reject", "fail", "fail", 1)
    assert forged.sender == SenderResult("evil.test", "pass")
    forwarded, count = cases.pop(LIST_HOST)
    assert (forwarded.disposition, forwarded.overrides, count) == ("none", (Override("trusted_forwarder"),), 1)
    assert (forwarded.header_from, forwarded.envelope_from, forwarded.envelope_to) == (
        "bank.test",
        "list.test",
        "home.test",
    )
    assert cases == {}
