"""Mail sent through amavisd behind the queue, and taken back from it: nothing is lost on that way, nor who sent it."""

from __future__ import annotations

import email
import json
import os
import re
import smtplib
import tempfile
from collections.abc import Iterator
from email.message import Message
from imaplib import IMAP4
from itertools import count
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from interop_amavis import (
    AMAVIS_PORT,
    AMAVISD,
    BACK_PORT,
    FILTER_HOST,
    SCANNED,
    SITE_HOST,
    VIRUS,
    Amavis,
)
from interop_daemons import LoopbackNetwork, eventually
from mail_sink import Received, Sink, running_sink
from running_site import PASSWORD, RunningSite
from typist import Typist

ANN, BOB, EVE = "ann@hosted.test", "bob@hosted.test", "eve@sender.test"
AWAY = "carol@elsewhere.test"
_NUMBERS = count()

SITE = """
[domains."hosted.test"]

[plugins.amavis]
use = "content_filter"
via = "lmtp://{filter}:{port}"

[plugins.by-smtp]
use = "content_filter"
via = "smtp://{filter}:{port}"
tls = "none"

[queue]
retry = ["1s", "1s", "2s"]
retry_cap = "3s"

[[route]]
match = {{}}
via = "smtp://127.0.0.1:{sink}"
"""

EXE = (
    b"--b\r\nContent-Type: text/plain\r\n\r\nsee there\r\n--b\r\n"
    b'Content-Type: application/octet-stream; name="run.exe"\r\n'
    b'Content-Disposition: attachment; filename="run.exe"\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\nTVpoZWxsbw==\r\n--b--\r\n"
)
MIXED = ("MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b"')


@pytest.fixture(scope="module")
def amavis(network: LoopbackNetwork) -> Iterator[Amavis]:
    """The filter, running."""
    if not AMAVISD.exists():
        pytest.skip("not installed: amavisd-new (tests/interop/install-peers.sh installs it)")
    if os.geteuid() != 0:
        pytest.skip("only root can become the user whom the filter runs as")
    root = Path(tempfile.mkdtemp(prefix="mta-amavis-"))
    root.chmod(0o755)
    amavis = Amavis(root, network)
    try:
        amavis.start()
        yield amavis
    finally:
        amavis.stop()
    rmtree(root)


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    """Where mail for elsewhere goes."""
    with running_sink(extensions=("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN")) as sink:
        yield sink


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, network: LoopbackNetwork, amavis: Amavis, sink: Sink
) -> Iterator[RunningSite]:
    """The server under test: what comes in by its two doors goes to the filter, and comes back by a third."""
    at = 'endpoint = "tcp:0:interface=127.0.0.1"\n'
    listeners = (
        f'[listen.mx]\n{at}role = "mx"\nplugins = ["amavis"]\n'
        f'[listen.other]\n{at}role = "mx"\nplugins = ["by-smtp"]\n'
        f'[listen.submission]\n{at}role = "submission"\nplaintext_login = ["127.0.0.0/8"]\nplugins = ["amavis"]\n'
        f'[listen.back]\nendpoint = "tcp:{BACK_PORT}:interface={network.address(SITE_HOST)}"\nrole = "reinject"\n'
        f'[listen.imap]\n{at}role = "imap"\nplaintext_login = ["127.0.0.0/8"]\n'
    )
    tables = SITE.format(filter=network.address(FILTER_HOST), port=AMAVIS_PORT, sink=sink.port)
    site = RunningSite(tmp_path_factory.mktemp("site"), tables, listeners)
    for address in (ANN, BOB):
        site.add_account(address, PASSWORD)
    site.start()
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def message(token: str, body: bytes, *fields: str) -> bytes:
    """A message; its Message-ID tells it from others."""
    header = [*fields, f"From: {ANN}", "To: somebody", f"Subject: {token}", f"Message-ID: <{token}@sender.test>"]
    header.append("Date: Mon, 30 Nov 2026 18:00:00 +0000")
    return "\r\n".join([*header, "", ""]).encode() + body


def send(
    site: RunningSite,
    body: bytes,
    *fields: str,
    to: tuple[str, ...] = (BOB,),
    sender: str = EVE,
    listener: str = "mx",
    mail: tuple[str, ...] = (),
    rcpt: tuple[str, ...] = (),
) -> str:
    """Send a message, by a login if the sender has one; return its token."""
    token = f"filtered{next(_NUMBERS)}"
    has_login = sender == ANN
    port = site.ports["submission" if has_login else listener]
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.test") as client:
        if has_login:
            client.login(ANN, PASSWORD)
        client.sendmail(sender, to, message(token, body, *fields), mail, rcpt)
    return token


def found(site: RunningSite, wanted: str, user: str = BOB, field: str = "Message-ID") -> bytes:
    """Return a message from a mailbox, octet for octet."""
    with IMAP4("127.0.0.1", site.ports["imap"]) as client:
        client.login(user, PASSWORD)

        def look() -> bytes | None:
            if client.select("INBOX", readonly=True)[0] != "OK":
                return None
            numbers = client.search(None, "HEADER", field, wanted)[1][0].split()
            return client.fetch(numbers[-1], "(BODY[])")[1][0][1] if numbers else None

        return eventually(look, f"{wanted} is in the mailbox of {user}")


def taken(sink: Sink, token: str) -> Received:
    """Return a message that was sent elsewhere."""
    return eventually(
        lambda: next((each for each in sink.messages if token.encode() in each.data), None), f"{token} is sent on"
    )


def parsed(octets: bytes) -> tuple[Message, bytes]:
    """Return the header of a message, and its body as it is."""
    return email.message_from_bytes(octets), octets.partition(b"\r\n\r\n")[2]


def waiting(site: RunningSite) -> list[dict[str, Any]]:
    """Return the recipients that are in the queue."""
    messages = json.loads(site.mta("queue", "list", "--json").stdout)
    return [recipient for each in messages for recipient in each["recipients"]]


def accepted(site: RunningSite, ident: str) -> str:
    """Return the line that tells of a message's second acceptance."""
    return next(line for line in site.log.splitlines() if f"before the filter {ident}" in line)


def ident_of(octets: bytes) -> str:
    """Return by what a message was known when it came first."""
    below = email.message_from_bytes(octets).get_all("Received") or []
    return re.search(r"by mail\.example\.org with \w+ id (\w+)", below[-1])[1]  # type: ignore[index]


def test_a_mailbox(site: RunningSite) -> None:
    """A stranger's message is there with the filter's field, its text as it was, and the log tells of the stranger."""
    body = b"..dots\r\n.\r\n\tend \r\n" + bytes(range(160, 256)) + b"\r\n" + b"x" * 900 + b"\r\n"
    octets = found(site, token := send(site, body, mail=("BODY=8BITMIME",)))

    header, text = parsed(octets)
    assert text == body
    assert header["Subject"] == token
    assert header[SCANNED] is not None
    assert header["Return-Path"] == f"<{EVE}>"
    ways = header.get_all("Received") or []
    assert [bool(re.search(r"by filter\.example\.org|amavis", each)) for each in ways] == [False, True, False]
    line = accepted(site, ident_of(octets))
    assert f"from <{EVE}>" in line
    assert "by ESMTP from 127.0.0.1, session" in line


def test_by_smtp(site: RunningSite) -> None:
    """It speaks that as well, with one answer for all recipients, and is told of the client all the same."""
    octets = found(site, token := send(site, b"hello\r\n", to=(BOB, ANN), listener="other"))
    found(site, token, ANN)

    header, text = parsed(octets)
    assert text == b"hello\r\n"
    assert header[SCANNED] is not None
    assert "from 127.0.0.1, session" in accepted(site, ident_of(octets))


def test_elsewhere(site: RunningSite, sink: Sink) -> None:
    """What a login submits goes out, with all that the sender asked of reports, and stays that login's."""
    wanted = ("NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;carol+2Bx@elsewhere.test")
    token = send(site, b"hello\r\n", to=(AWAY,), sender=ANN, mail=("RET=HDRS", "ENVID=here+2Bnow"), rcpt=wanted)

    received = taken(sink, token)

    header, text = parsed(received.data)
    assert text == b"hello\r\n"
    assert header[SCANNED] is not None
    assert received.sender.startswith(f"<{ANN}> ")
    assert set(received.sender.split()[1:]) >= {"RET=HDRS", "ENVID=here+2Bnow"}
    (recipient,) = received.recipients
    assert recipient.startswith(f"<{AWAY}> ")
    assert "ORCPT=rfc822;carol+2Bx@elsewhere.test" in recipient
    assert re.search(r"NOTIFY=(SUCCESS,DELAY|DELAY,SUCCESS)", recipient)
    assert f"login {ANN}" in accepted(site, ident_of(received.data))


def test_here_and_elsewhere(site: RunningSite, sink: Sink) -> None:
    """One message through the filter for both kinds of recipients."""
    token = send(site, b"hello\r\n", to=(AWAY, BOB, ANN), sender=ANN)

    taken(sink, token)
    for user in (BOB, ANN):
        found(site, token, user)
    eventually(lambda: not waiting(site), "nothing is left in the queue")


def test_international_mail(site: RunningSite, sink: Sink) -> None:
    """An address and a header that need SMTPUTF8 stay what they are."""
    token = f"filtered{next(_NUMBERS)}"
    with smtplib.SMTP("127.0.0.1", site.ports["submission"], local_hostname="client.test") as client:
        client.login(ANN, PASSWORD)
        client.ehlo()
        text = message(token, "grüße\r\n".encode(), "X-Greeting: grüß dich")
        client.sendmail(ANN, ["jürgen@elsewhere.test"], text, ("SMTPUTF8", "BODY=8BITMIME"))

    received = taken(sink, token)

    assert received.recipients[0].startswith("<jürgen@elsewhere.test>")
    assert "SMTPUTF8" in received.sender
    assert "X-Greeting: grüß dich\r\n".encode() in received.data
    assert received.data.endswith("grüße\r\n".encode())


def test_a_large_message(site: RunningSite) -> None:
    """Octet for octet."""
    body = b"".join(b".%06d " % number + b"y" * 60 + b"\r\n" for number in range(60_000))

    assert parsed(found(site, send(site, body)))[1] == body


def test_what_it_refuses(site: RunningSite) -> None:
    """Whoever submitted it is told, in the filter's words: the refusal is the account's, as it would be without."""
    token = send(site, EXE, *MIXED, to=(AWAY,), sender=ANN)

    report = told_of(site, token, "MAILER-DAEMON")

    assert b"Action: failed" in report
    assert AWAY.encode() in report
    assert re.search(rb"run\.exe|BANNED|banned", report)


def told_of(site: RunningSite, token: str, sender: str) -> bytes:
    """Return what somebody has told ann of a message."""
    with IMAP4("127.0.0.1", site.ports["imap"]) as client:
        client.login(ANN, PASSWORD)

        def look() -> bytes | None:
            client.select("INBOX", readonly=True)
            numbers = client.search(None, "FROM", sender, "BODY", token)[1][0].split()
            return client.fetch(numbers[-1], "(BODY[])")[1][0][1] if numbers else None

        return eventually(look, f"a report about {token}")


def test_what_it_keeps(site: RunningSite, amavis: Amavis) -> None:
    """A virus goes into its quarantine, and nowhere else; the queue is done with it.

    What the filter has to say of it comes the same way: mail of its own, whose client it is itself.
    """
    token = send(site, b"look: " + VIRUS + b"\r\n")

    eventually(lambda: any(token in path.read_text() for path in amavis.quarantine.rglob("virus-*")), "it is kept")
    eventually(lambda: not waiting(site), "nothing is left in the queue")
    with pytest.raises(AssertionError, match="never"):
        _soon(site, token)
    assert re.search(rb"virus", told_of(site, token, "filter@hosted.test"), re.IGNORECASE)
    lines = [each for each in site.log.splitlines() if "accepted from <filter@hosted.test>" in each]
    assert lines
    assert all(f"delivered to <{ANN}>" in each and "before the filter" not in each for each in lines)


def _soon(site: RunningSite, token: str) -> None:
    with IMAP4("127.0.0.1", site.ports["imap"]) as client:
        client.login(BOB, PASSWORD)
        client.select("INBOX", readonly=True)
        eventually(lambda: client.noop() and client.search(None, "HEADER", "Message-ID", token)[1][0], token, 0.5)


def test_without_it(site: RunningSite, network: LoopbackNetwork, amavis: Amavis, sink: Sink) -> None:
    """While it is down mail is taken and waits, whoever it is for; then it goes on by itself."""
    amavis.stop()
    try:
        stranger, own = send(site, b"hello\r\n"), send(site, b"hello\r\n", to=(AWAY,), sender=ANN)
        eventually(lambda: sum(each["attempts"] > 0 for each in waiting(site)) == 2, "both have been tried")
        assert {each["via"] for each in waiting(site)} == {
            f"filter+lmtp://{network.address(FILTER_HOST)}:{AMAVIS_PORT}"
        }
        assert not any(own.encode() in each.data for each in sink.messages)
    finally:
        amavis.start()

    found(site, stranger)
    taken(sink, own)


def test_killed_in_the_midst(site: RunningSite, sink: Sink) -> None:
    """Whatever was accepted arrives, be it before the filter, there, or behind it when the server is killed."""
    before = len(sink.messages)
    tokens = [send(site, b"hello\r\n" * 1000, to=(AWAY, BOB), sender=ANN) for _ in range(30)]
    eventually(lambda: len(sink.messages) > before + 3, "some have come back")

    site.kill()
    unsent = [token for token in tokens if not any(token.encode() in each.data for each in sink.messages)]
    site.start()

    assert unsent, "it was killed too late to show anything"
    for token in tokens:
        taken(sink, token)
        found(site, token)
    eventually(lambda: not waiting(site), "nothing is left in the queue")


def test_nobody_else(site: RunningSite, network: LoopbackNetwork) -> None:
    """Where mail comes back only this host can connect; what it says of others counts there alone."""
    with Typist(site.ports["mx"]) as typist:
        typist.reply()
        assert "XFORWARD" not in typist.type("EHLO me")
        assert typist.type("XFORWARD ADDR=192.0.2.1").startswith("500")
    with Typist(BACK_PORT, network.address(SITE_HOST)) as typist:
        typist.reply()
        assert "250-XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE" in typist.type("EHLO filter")
