"""Mail that leaves a real server is signed: submissions and reports, small and large; strangers' mail isn't."""

from __future__ import annotations

import json
import smtplib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import pytest_twisted
from dkim_made import verdicts
from dns_responder import Responder
from mail_sink import Received, Sink, running_sink
from running_site import ACCOUNT, PASSWORD, RunningSite, wait_until
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

FAR = 2e9
"""A time after every signature of this test."""


class Signing:
    """A site that signs for example.org, and where its mail goes."""

    def __init__(self, site: RunningSite, sink: Sink) -> None:
        self.site = site
        self.sink = sink

    def zone(self) -> dict[str, bytes]:
        """Return the records that are to be published."""
        shown = json.loads(self.site.mta("dkim", "show", "example.org", "--json").stdout)
        return {key["name"]: key["record"].encode() for key in shown}

    def submit(self, recipient: str, body: bytes = b"hello  there \r\n", author: str = ACCOUNT) -> Received:
        """Send a message as the login; return it, or what was said about it, as it arrived."""
        mark = uuid.uuid4().hex.encode()
        message = b"From: %s\r\nTo: %s\r\nSubject: %s\r\n\r\n" % (author.encode(), recipient.encode(), mark) + body
        with smtplib.SMTP("127.0.0.1", self.site.ports["submission"], timeout=20) as client:
            client.login(ACCOUNT, PASSWORD)
            client.sendmail(ACCOUNT, recipient, message, ["BODY=8BITMIME"])
        return self.arrived(mark)

    def arrived(self, mark: bytes) -> Received:
        """Wait for the message with the mark."""
        wait_until(lambda: [message for message in self.sink.messages if mark in message.data])
        return next(message for message in self.sink.messages if mark in message.data)


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signing]:
    """A running site, whose keys were made and put to use while it ran."""
    with running_sink() as sink:
        routes = (
            '[[route]]\nmatch = { to_domain = ["closed.test"] }\nvia = "error:550 5.1.2 Nobody lives there"\n'
            f'[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{sink.port}"\n'
            f'[domains."relayed.test"]\nrelay_to = "smtp://127.0.0.1:{sink.port}"\nrecipients = "any"\n'
        )
        site = RunningSite(tmp_path_factory.mktemp("dkim"), routes)
        site.add_account(ACCOUNT, PASSWORD)
        site.start()
        signing = Signing(site, sink)
        before = signing.submit("joe@far.test")
        assert b"DKIM-Signature" not in before.data
        site.mta("dkim", "create", "example.org")
        assert b"DKIM-Signature" not in signing.submit("joe@far.test").data, "the DNS doesn't show them"
        site.mta("dkim", "rotate", "example.org", "--force")
        yield signing
        assert site.stop() == 0


def assert_signed(message: bytes, zone: dict[str, bytes]) -> None:
    """Demand both signatures of example.org."""
    results = verdicts(message, zone, FAR)
    assert [(result.word, result.domain) for result in results] == [("pass", "example.org")] * 2, results
    assert [result.algorithm for result in results] == ["rsa-sha256", "ed25519-sha256"]


def test_submission_is_signed(signing: Signing) -> None:
    """What arrives at the next hop passes by the records that `mta dkim show` prints, until it is changed."""
    message, zone = signing.submit("joe@far.test").data, signing.zone()

    assert_signed(message, zone)
    assert message.startswith(b"Received: ")
    changed = message.replace(b"hello  there", b"hello where")
    assert [result.word for result in verdicts(changed, zone, FAR)] == ["fail", "fail"]
    assert [result.word for result in verdicts(b"Subject: x\r\n" + message, zone, FAR)] == ["fail", "fail"]


def test_another_judge(signing: Signing) -> None:
    """dkimpy says the same of what arrived."""
    dkim = pytest.importorskip("dkim")
    pytest.importorskip("nacl")
    zone = signing.zone()
    message = signing.submit("joe@far.test", "Grüße\r\n\r\n.dots.\r\n..\r\n".encode()).data

    for index in (0, 1):
        found = dkim.DKIM(message).verify(idx=index, dnsfunc=lambda name, timeout=5: zone[name.decode().rstrip(".")])
        assert found


def test_large_body(signing: Signing) -> None:
    """A body that is a file is hashed in pieces."""
    lines = b"".join(b"line %d  of\tmany \r\n" % number for number in range(150_000))

    message = signing.submit("joe@far.test", lines + b"\r\n\r\n").data

    assert len(message) > 3_000_000
    assert_signed(message, signing.zone())


def test_report_is_signed(signing: Signing) -> None:
    """A bounce, which is from this host, is signed by the domain that the host's name belongs to."""
    report = signing.submit("joe@closed.test").data

    assert b"MAILER-DAEMON@mail.example.org" in report
    assert_signed(report, signing.zone())


def test_mail_of_strangers_is_not_signed(signing: Signing) -> None:
    """Mail that only passes through gets no signature, whatever it says its author is."""
    mark = uuid.uuid4().hex.encode()
    with smtplib.SMTP("127.0.0.1", signing.site.ports["mx"], timeout=20) as client:
        client.sendmail(
            "joe@far.test", "x@relayed.test", b"From: %s\r\nSubject: %s\r\n\r\nhi\r\n" % (ACCOUNT.encode(), mark)
        )

    assert b"DKIM-Signature" not in signing.arrived(mark).data


def test_rotation_while_it_runs(signing: Signing) -> None:
    """After a rotation mail is signed with the new keys at once, and what was signed before still passes."""
    old = signing.submit("joe@far.test").data
    first = next(iter(signing.zone()))

    signing.site.mta("dkim", "rotate", "example.org")  # makes a pair
    refused = signing.site.mta("dkim", "rotate", "example.org", check=False)
    assert refused.returncode == 1
    assert "Not switched" in refused.stderr
    signing.site.mta("dkim", "rotate", "example.org", "--force")
    new = signing.submit("joe@far.test").data

    zone = signing.zone()
    assert_signed(old, zone)
    assert_signed(new, zone)
    assert first.partition(".")[0] not in {result.selector for result in verdicts(new, zone, FAR)}


def sign_by_itself(site: RunningSite, sink: Sink, publish: Callable[[dict[str, bytes]], None]) -> None:
    """Publish the keys of a site before it starts, and demand that it signs without any command."""
    signing = Signing(site, sink)
    site.add_account(ACCOUNT, PASSWORD)
    site.mta("dkim", "create", "example.org")
    publish(signing.zone())
    site.start()
    wait_until(lambda: "mail is signed with the keys" in site.log)

    assert_signed(signing.submit("joe@far.test").data, signing.zone())
    assert site.stop() == 0


@pytest_twisted.ensureDeferred
async def test_first_keys_sign_once_the_dns_shows_them(tmp_path: Path) -> None:
    """The server asks its name server itself."""
    responder = Responder()
    responder.start(reactor)

    def publish(zone: dict[str, bytes]) -> None:
        for name, record in zone.items():
            text = record.decode()
            strings = " ".join(f'"{text[begin : begin + 255]}"' for begin in range(0, len(text), 255))
            responder.add(name, "TXT", strings)

    try:
        with running_sink() as sink:
            tables = (
                f'[dns]\nnameservers = ["{responder.address}"]\nport = {responder.port}\ndnssec = "off"\n'
                f'[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{sink.port}"\n'
            )
            await deferToThread(sign_by_itself, RunningSite(tmp_path, tables), sink, publish)
    finally:
        await responder.stop()

    assert {asked.rdtype for asked in responder.asked} == {"TXT"}
