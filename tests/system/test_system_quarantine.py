"""Mail in quarantine at a running server: through crashes, out of it to IMAP and POP3, and gone with time."""

from __future__ import annotations

import json
import poplib
import smtplib
import uuid
from collections.abc import Iterator
from imaplib import IMAP4
from pathlib import Path
from typing import Any

import pytest
from mail_sink import Sink, running_sink
from running_site import PASSWORD, RunningSite, wait_until

BOB, ABUSE = "bob@home.test", "abuse@home.test"
EVE = "eve@strangers.test"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

TOML = """
[domains."home.test"]

[domains."far.test"]
relay_to   = "smtp://127.0.0.1:{sink}"
recipients = "any"

[quarantine]
{quarantine}

[plugins.rules]
use = "headers"

[[plugins.rules.rules]]
field      = "X-Text"
matches    = 'GTUBE-STANDARD-ANTI-UBE'
quarantine = "unsolicited"
remove     = "X-Bait"

[[plugins.rules.rules]]
field = "List-Id"
file  = "Lists"

[listen.mx]
endpoint = "tcp:0:interface=127.0.0.1"
role     = "mx"
plugins  = ["rules"]

[listen.imap]
endpoint        = "tcp:0:interface=127.0.0.1"
role            = "imap"
plaintext_login = ["127.0.0.0/8"]

[listen.pop3]
endpoint        = "tcp:0:interface=127.0.0.1"
role            = "pop3"
plaintext_login = ["127.0.0.0/8"]
"""


@pytest.fixture
def far() -> Iterator[Sink]:
    """The next hop of far.test."""
    with running_sink() as sink:
        yield sink


def running(directory: Path, far: Sink, quarantine: str = "") -> RunningSite:
    """Start a site whose rules quarantine what looks like the test of spam filters."""
    site = RunningSite(directory, TOML.format(sink=far.port, quarantine=quarantine), "").start()
    for address in (BOB, ABUSE):
        site.add_account(address, PASSWORD)
    return site


def send(site: RunningSite, *to: str, fields: str = "") -> str:
    """Send a message; return what marks it."""
    mark = uuid.uuid4().hex
    text = f"Subject: {mark}\r\nX-Text: {GTUBE}\r\nX-Bait: yes\r\n{fields}\r\n{mark} \x1b[2J\r\n"
    with smtplib.SMTP("127.0.0.1", site.ports["mx"], timeout=20) as client:
        client.sendmail(EVE, to or [BOB], text)
    return mark


def listed(site: RunningSite, *selection: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(site.mta("quarantine", "list", "--json", *selection).stdout)
    return found


def by_imap(site: RunningSite, mark: str, user: str = BOB, mailbox: str = "INBOX") -> bytes:
    """Return a message from a mailbox, if it is there."""
    with IMAP4("127.0.0.1", site.ports["imap"]) as client:
        client.login(user, PASSWORD)
        if client.select(mailbox, readonly=True)[0] != "OK":
            return b""
        numbers = client.search(None, "SUBJECT", mark)[1][0].split()
        return bytes(client.fetch(numbers[0], "(BODY[])")[1][0][1]) if numbers else b""


def by_pop3(site: RunningSite, mark: str) -> bool:
    client = poplib.POP3("127.0.0.1", site.ports["pop3"], timeout=20)
    client.user(BOB)
    client.pass_(PASSWORD)
    found = [b"\n".join(client.retr(number)[1]) for number in range(1, client.stat()[0] + 1)]
    client.quit()
    return any(mark.encode() in each for each in found)


def test_until_an_operator_decides(directory: Path, far: Sink) -> None:
    """Listed and shown, there after a crash; released with the server running and without, deleted, for good."""
    site = running(directory, far)
    released, fetched, deleted, other = (send(site, *to) for to in ((BOB, "kim@far.test"), (), (), ()))
    ids = {mark: each["id"] for mark, each in zip((released, fetched, deleted, other), listed(site), strict=True)}
    site.kill()

    site.start()
    assert [each["id"] for each in listed(site)] == list(ids.values())
    (first,) = listed(site, "--to", "*@far.test")
    assert first["id"] == ids[released]
    assert first["detention"] == {"kind": "quarantine", "reason": "unsolicited", "plugin": "rules"}
    assert (first["sender"], first["peer"], first["listener"]) == (EVE, "127.0.0.1", "mx")
    shown = site.mta("quarantine", "show", ids[released], "--body").stdout
    assert f"Subject: {released}\nX-Text: {GTUBE}\n" in shown
    assert f"{released} \ufffd[2J\n" in shown
    assert site.mta("queue", "release", "--all").stdout == "Nothing that matches is on hold.\n"
    assert site.mta("queue", "bounce", ids[other], check=False).returncode == 1
    assert not any(by_imap(site, mark) for mark in ids)

    site.mta("quarantine", "release", ids[released])
    wait_until(lambda: by_imap(site, released))
    message = by_imap(site, released)
    assert message.startswith(b"Return-Path: <eve@strangers.test>\r\nDelivered-To: bob@home.test\r\nReceived:")
    assert b"X-Bait" not in message
    wait_until(lambda: any(released.encode() in each.data for each in far.messages))
    site.mta("quarantine", "release", ids[other], "--to", ABUSE)
    wait_until(lambda: by_imap(site, other, ABUSE))
    assert site.stop() == 0

    site.mta("quarantine", "release", ids[fetched])
    site.mta("quarantine", "delete", ids[deleted])
    site.start()
    wait_until(lambda: by_pop3(site, fetched))
    assert listed(site) == []
    assert json.loads(site.mta("queue", "list", "--json").stdout) == []
    assert not by_imap(site, deleted)
    assert not by_imap(site, other)
    assert site.stop() == 0
    assert "Traceback" not in site.log
    assert ", quarantined: " in site.log
    assert len(far.messages) == 1, "nobody was told anything"


def test_filed_when_released(directory: Path, far: Sink) -> None:
    """Where another rule wanted it, for its recipients; not for somebody who gets it instead of them."""
    site = running(directory, far)
    filed, sent_on = (send(site, fields="List-Id: <a.list>\r\n") for _ in range(2))
    first, second = (each["id"] for each in listed(site))

    site.mta("quarantine", "release", first)
    site.mta("quarantine", "release", second, "--to", ABUSE)

    wait_until(lambda: by_imap(site, filed, mailbox="Lists"))
    wait_until(lambda: by_imap(site, sent_on, ABUSE))
    assert not by_imap(site, sent_on, mailbox="Lists")
    assert site.stop() == 0
    assert "Traceback" not in site.log


def test_time_decides(directory: Path, far: Sink) -> None:
    """What is older than `keep` is deleted by the server, and logged; nobody is told."""
    site = running(directory, far)
    send(site)
    (message,) = listed(site)
    assert site.stop() == 0
    site.config.write_text(site.config.read_text().replace("[quarantine]\n", '[quarantine]\nkeep = "1s"\n'))

    site.start()

    wait_until(lambda: not listed(site))
    later = send(site)
    wait_until(lambda: not listed(site))
    assert json.loads(site.mta("queue", "list", "--json").stdout) == []
    assert not by_imap(site, later)
    assert site.stop() == 0
    assert f"{message['id']} deleted from the quarantine, its time is over" in site.log
    assert "Traceback" not in site.log
    assert not far.messages


def test_no_room(directory: Path, far: Sink) -> None:
    """The client is told to come back; what isn't to be quarantined is taken."""
    site = running(directory, far, 'max_size = "1KB"')
    send(site)
    for _ in range(5):
        try:
            send(site)
        except smtplib.SMTPDataError as error:
            refusal = error
            break
    assert (refusal.smtp_code, refusal.smtp_error[:5]) == (452, b"4.3.1")
    kept = listed(site)
    with smtplib.SMTP("127.0.0.1", site.ports["mx"], timeout=20) as client:
        client.sendmail(EVE, [BOB], "Subject: hello\r\n\r\nhello\r\n")
    assert by_imap(site, "hello")

    site.mta("quarantine", "delete", "--all")
    send(site)
    assert len(listed(site)) == 1
    assert kept
    assert site.stop() == 0
    assert "Traceback" not in site.log


def test_into_a_mailbox(directory: Path, far: Sink) -> None:
    """At once, with what the envelope was; and into the queue while nobody has that address."""
    site = running(directory, far, 'mailbox = "suspects@home.test"')
    waiting = send(site)
    (message,) = listed(site)
    site.add_account("suspects@home.test", PASSWORD)

    mark = send(site, BOB, "kim@far.test")

    text = by_imap(site, mark, "suspects@home.test")
    assert b"\r\nX-Quarantine-Reason: unsolicited (rules)\r\nX-Envelope-From: <eve@strangers.test>\r\n" in text
    assert b"\r\nX-Envelope-To: <bob@home.test>,\r\n\t<kim@far.test>\r\nSubject: " in text
    assert [each["id"] for each in listed(site)] == [message["id"]]
    assert not by_imap(site, mark)
    assert not by_imap(site, waiting, "suspects@home.test")
    assert site.stop() == 0
    assert "Traceback" not in site.log
    assert not far.messages
