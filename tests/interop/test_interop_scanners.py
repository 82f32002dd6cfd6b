"""Mail shown to real scanners: rspamd, clamd and spamd decide what becomes of it, and so does their silence."""

from __future__ import annotations

import email
import json
import os
import smtplib
import tempfile
from base64 import encodebytes
from collections.abc import Iterator
from email.message import Message
from imaplib import IMAP4
from itertools import count
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from interop_daemons import LoopbackNetwork, eventually
from interop_scanners import (
    CLAMD,
    CLAMD_PORT,
    EICAR,
    GTUBE,
    RSPAMD,
    RSPAMD_PORT,
    SPAMD,
    SPAMD_PORT,
    start_clamd,
    start_rspamd,
    start_spamd,
)
from running_site import PASSWORD, RunningSite

BOB, EVE, ANN = "bob@hosted.test", "eve@hosted.test", "ann@sender.test"
VIRUS = bytes.fromhex(EICAR.decode())
_NUMBERS = count()

PLUGINS = """
[domains."hosted.test"]

[plugins.rspamd]
use      = "rspamd"
url      = "http://{rspamd}"
greylist = "1s"

[plugins.clamav]
use    = "clamav"
server = "unix:{socket}"
mark   = true
junk   = ["Heuristics.*"]

[plugins.clamav-tcp]
use       = "clamav"
server    = ["tcp:{nowhere}:3310", "tcp:{clamd}"]
max_size  = "20MB"
too_large = "refuse"

[plugins.spamd]
use    = "spamd"
server = "tcp:{spamd}"
tag    = 5.0
junk   = 10.0
refuse = 100.0
prefix = "X-Spamd"
report = true

[plugins.keeping-clamav]
use      = "clamav"
server   = "unix:{socket}"
infected = "quarantine"

[plugins.keeping-spamd]
use        = "spamd"
server     = "tcp:{spamd}"
quarantine = 6.0
refuse     = "never"
prefix     = "X-Spamd"

[plugins.no-clamav]
use    = "clamav"
server = "tcp:{nowhere}:3310"

[plugins.no-rspamd]
use = "rspamd"
url = "http://{nowhere}:11333"

[plugins.no-spamd]
use      = "spamd"
server   = "tcp:{nowhere}:783"
on_error = "refuse"
"""

LISTENERS = {
    "rspamd": ["rspamd"],
    "clamav": ["clamav"],
    "clamav-tcp": ["clamav-tcp"],
    "spamd": ["spamd"],
    "all": ["clamav", "rspamd", "spamd"],
    "keeping": ["keeping-clamav", "rspamd", "keeping-spamd"],
    "no-clamav": ["no-clamav"],
    "no-rspamd": ["no-rspamd"],
    "no-spamd": ["no-spamd"],
}


@pytest.fixture(scope="module")
def site(network: LoopbackNetwork) -> Iterator[RunningSite]:
    """The server under test, with a listener for each scanner."""
    missing = [program.name for program in (RSPAMD, CLAMD, SPAMD) if not program.exists()]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (tests/interop/install-peers.sh installs them)")
    if os.geteuid() != 0:
        pytest.skip("only root can become the user whom the scanners run as")
    root = Path(tempfile.mkdtemp(prefix="mta-scanners-"))
    root.chmod(0o755)
    daemons = []
    try:
        daemons += [start_rspamd(root, network), start_clamd(root, network, "2M"), start_spamd(root, network)]
        site = RunningSite(root / "site", _plugins(root, network), _listeners())
        for address in (BOB, EVE):
            site.add_account(address, PASSWORD)
        site.start()
        yield site
        assert site.stop() == 0
    finally:
        for daemon in daemons:
            daemon.stop()
    rmtree(root)


def _plugins(root: Path, network: LoopbackNetwork) -> str:
    return PLUGINS.format(
        rspamd=f"{network.address(40)}:{RSPAMD_PORT}",
        socket=root / "clamd" / "clamd.ctl",
        clamd=f"{network.address(41)}:{CLAMD_PORT}",
        spamd=f"{network.address(42)}:{SPAMD_PORT}",
        nowhere=network.address(99),
    )


def _listeners() -> str:
    at = 'endpoint = "tcp:0:interface=127.0.0.1"\n'
    tables = [f'[listen.{name}]\n{at}role = "mx"\nplugins = {plugins!r}\n' for name, plugins in LISTENERS.items()]
    return "".join(tables) + f'[listen.imap]\n{at}role = "imap"\nplaintext_login = ["127.0.0.0/8"]\n'


def send(site: RunningSite, listener: str, text: bytes | str, *fields: str, to: tuple[str, ...] = (BOB,)) -> str:
    """Send a message; return its token.

    Raises:
        SMTPDataError: it isn't taken.
    """
    token = f"scanned{next(_NUMBERS)}"
    body = text.encode() if isinstance(text, str) else text
    header = [*fields, f"From: {ANN}", f"To: {BOB}", f"Subject: {token}", f"Message-ID: <{token}@sender.test>"]
    header.append("Date: Mon, 30 Nov 2026 18:00:00 +0000")
    with smtplib.SMTP("127.0.0.1", site.ports[listener], local_hostname="client.test") as client:
        client.sendmail(ANN, to, "\r\n".join([*header, "", ""]).encode() + body)
    return token


def refused(site: RunningSite, listener: str, text: bytes | str, *fields: str) -> str:
    """Send a message that isn't taken; return why."""
    with pytest.raises(smtplib.SMTPDataError) as caught:
        send(site, listener, text, *fields)
    return f"{caught.value.smtp_code} {caught.value.smtp_error.decode()}"


def found(site: RunningSite, token: str, mailbox: str = "INBOX", user: str = BOB) -> Message:
    """Return a message from a mailbox."""
    return eventually(lambda: at_once(site, token, mailbox, user), f"{token} is in {mailbox}")


def at_once(site: RunningSite, token: str, mailbox: str, user: str = BOB) -> Message | None:
    """Return a message from a mailbox if it is there by now."""
    with IMAP4("127.0.0.1", site.ports["imap"]) as client:
        client.login(user, PASSWORD)
        if client.select(mailbox, readonly=True)[0] != "OK":
            return None
        numbers = client.search(None, "HEADER", "Message-ID", token)[1][0].split()
        return email.message_from_bytes(client.fetch(numbers[0], "(BODY[])")[1][0][1]) if numbers else None


def attached(name: bytes = b"") -> tuple[bytes, tuple[str, ...]]:
    """Return a message whose attachment is a virus, and its fields."""
    fields = ("MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="b"')
    part = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encodebytes(VIRUS)
    return b"--b\r\n\r\nhello\r\n--b\r\n" + name + part.replace(b"\n", b"\r\n") + b"--b--\r\n", fields


# rspamd


def test_rspamd_takes_mail(site: RunningSite) -> None:
    """It is told who sent what to whom, and its changes are made; a stranger's own verdict is gone."""
    token = send(site, "rspamd", "text\r\n", "X-Unwanted: 1", "X-Spam-Flag: NO", to=(BOB, EVE))

    message = found(site, token, user=EVE)
    assert message["X-Told"] == f"127.0.0.1 client.test {ANN} {BOB}+{EVE} nil unknown"
    assert message["X-Unwanted"] is None
    assert message["X-Spam-Flag"] is None
    assert message["X-Spam-Score"] == "0.00"
    assert message["X-Spam-Status"].startswith("No, score=0.00 required=15.00")


def test_rspamd_sees_large_messages_whole(site: RunningSite) -> None:
    """Octet for octet."""
    body = b"x" * 70 + b"\r\n"
    token = send(site, "rspamd", body * 60_000)
    message = found(site, token)
    assert int(message["X-Length"]) > 60_000 * 72
    assert int(message["X-Length"]) < 60_000 * 72 + 300


def test_gtube(site: RunningSite) -> None:
    """What every filter knows is refused in rspamd's words."""
    assert refused(site, "rspamd", GTUBE + "\r\n") == "554 5.7.1 Gtube pattern"


def test_rspamd_refuses_by_score(site: RunningSite) -> None:
    assert refused(site, "rspamd", "text\r\n", "X-Test-Score: 16").startswith("554 5.7.1 ")


@pytest.mark.parametrize("score", [7, 11])
def test_rspamd_marks(site: RunningSite, score: int) -> None:
    """For Junk; the subject is rewritten from 10 points on."""
    token = send(site, "rspamd", "text\r\n", f"X-Test-Score: {score}")
    message = found(site, token, "Junk")
    assert message["X-Spam-Flag"] == "YES"
    assert message["X-Spam-Status"] == f"Yes, score={score}.00 required=15.00\r\n\ttests=TEST_SCORE"
    assert message["Subject"] == (f"*** {token}" if score > 10 else token)


def test_rspamd_recommends_greylisting(site: RunningSite) -> None:
    """The first try is put off, a later one isn't."""
    fields = ("X-Test-Score: 5",)
    assert refused(site, "rspamd", "text\r\n", *fields) == "451 4.7.1 Please try again later"

    def retried() -> str:
        try:
            return send(site, "rspamd", "text\r\n", *fields)
        except smtplib.SMTPDataError:
            return ""

    assert found(site, eventually(retried, "greylisting ends"))["X-Spam-Score"] == "5.00"


def test_rspamd_puts_off(site: RunningSite) -> None:
    assert refused(site, "rspamd", "text\r\n", "X-Test-Action: soft reject") == "451 4.7.1 as you wish"


def test_no_rspamd(site: RunningSite) -> None:
    """Mail is taken as it is."""
    assert "X-Spam-Score" not in found(site, send(site, "no-rspamd", GTUBE + "\r\n"))


# ClamAV


@pytest.mark.parametrize("listener", ["clamav", "clamav-tcp"])
def test_clean_mail(site: RunningSite, listener: str) -> None:
    """A stranger's mark isn't believed."""
    token = send(site, listener, "text\r\n", "X-Virus-Status: Clean, honestly")
    expected = ["Clean"] if listener == "clamav" else ["Clean, honestly"]
    assert found(site, token).get_all("X-Virus-Status") == expected


@pytest.mark.parametrize("listener", ["clamav", "clamav-tcp"])
def test_eicar(site: RunningSite, listener: str) -> None:
    """In the text, and attached; the reply says what it is."""
    expected = "554 5.7.1 Message refused, it holds a virus: Eicar-Test.UNOFFICIAL"
    assert refused(site, listener, VIRUS + b"\r\n") == expected
    text, fields = attached()
    assert refused(site, listener, text, *fields) == expected


@pytest.mark.parametrize("first", ["%PDF-1.4: 1", "PK: 1", "<html>: 1"])
def test_mail_that_begins_like_something_else(site: RunningSite, first: str) -> None:
    """Is mail all the same, whose attachments are looked into."""
    text, fields = attached()
    assert "Eicar-Test" in refused(site, "clamav", text, first, *fields)


def test_suspicions_are_filed(site: RunningSite) -> None:
    token = send(site, "clamav", "this looks suspicious\r\n")
    assert found(site, token, "Junk")["X-Virus-Status"] == "Suspicious (Heuristics.Test.UNOFFICIAL)"


def test_a_virus_behind_a_megabyte(site: RunningSite) -> None:
    """In the last of many chunks."""
    assert "Eicar-Test" in refused(site, "clamav", b"x" * 70 + b"\r\n" + b"y" * 900 * 1100 + b"\r\n" + VIRUS + b"\r\n")


def test_too_much_for_clamd(site: RunningSite) -> None:
    """It answers before the end; then the site's file decides."""
    large = (b"x" * 70 + b"\r\n") * 60_000
    assert refused(site, "clamav-tcp", large).startswith("552 5.3.4 ")
    assert found(site, send(site, "clamav", large))["X-Virus-Status"] is None


def test_no_clamav(site: RunningSite) -> None:
    """Mail waits."""
    assert refused(site, "no-clamav", "text\r\n").startswith("451 4.3.0 ")


# SpamAssassin


def test_spamd_takes_mail(site: RunningSite) -> None:
    """With its verdict and the fields that it would add itself."""
    message = found(site, send(site, "spamd", "Hello Bob, how are you?\r\n"))
    assert message["X-Spamd-Status"].startswith("No, score=")
    assert message["X-Spamd-Checker-Version"].startswith("SpamAssassin 4")
    assert float(message["X-Spamd-Score"]) < 5


def test_spamd_marks_and_files(site: RunningSite) -> None:
    """Each from a score on; its rules are named."""
    marked = found(site, send(site, "spamd", "Hello Bob, how are you?\r\n", "X-Test-Score: 7"))
    assert marked["X-Spamd-Flag"] == "YES"
    assert "TEST_7" in marked["X-Spamd-Status"]
    assert set(marked["X-Spamd-Level"]) == {"*"}
    filed = found(site, send(site, "spamd", "Hello Bob, how are you?\r\n", "X-Test-Score: 12"), "Junk")
    assert filed["X-Spamd-Flag"] == "YES"


def test_spamd_refuses(site: RunningSite) -> None:
    assert refused(site, "spamd", GTUBE + "\r\n") == "554 5.7.1 Message refused, it looks like spam"


def test_no_spamd(site: RunningSite) -> None:
    """Where the site's file says so, mail waits."""
    assert refused(site, "no-spamd", "text\r\n").startswith("451 4.3.0 ")


# Quarantine


def kept(site: RunningSite) -> dict[str, Any]:
    """Return the message that is in quarantine."""
    (message,) = json.loads(site.mta("quarantine", "list", "--json").stdout)
    return dict(message)


@pytest.mark.parametrize(
    ("fields", "text", "plugin", "reason", "mailbox"),
    [
        (("X-Test-Action: quarantine",), "text\r\n", "rspamd", "as you wish", "Junk"),
        ((), VIRUS + b"\r\n", "keeping-clamav", "holds a virus: Eicar-Test.UNOFFICIAL", "INBOX"),
        (("X-Test-Score: 7",), "Hello Bob, how are you?\r\n", "keeping-spamd", " points", "Junk"),
    ],
)
def test_quarantine(  # noqa: PLR0917 - cases
    site: RunningSite, fields: tuple[str, ...], text: bytes | str, plugin: str, reason: str, mailbox: str
) -> None:
    """Each scanner says why; released it arrives with what else they said, in the mailbox that they wanted."""
    token = send(site, "keeping", text, *fields)
    message = kept(site)
    assert message["detention"]["plugin"] == plugin
    assert message["detention"]["reason"].endswith(reason)
    assert f"Subject: {token}\n" in site.mta("quarantine", "show", message["id"]).stdout

    assert site.mta("quarantine", "release", message["id"]).stdout == "1 message released.\n"

    arrived = found(site, token, mailbox)
    assert (arrived["X-Spam-Flag"] == "YES") == (plugin != "keeping-clamav")
    assert (arrived["X-Spamd-Flag"] == "YES") == (plugin == "keeping-spamd")
    assert (arrived["X-Virus-Status"] or "").startswith("Infected") == (plugin == "keeping-clamav")


# All of them


def test_all_at_once(site: RunningSite) -> None:
    """Each says its own, in fields of its own."""
    message = found(site, send(site, "all", "Hello Bob, how are you?\r\n"))
    assert message["X-Virus-Status"] == "Clean"
    assert message["X-Spam-Score"] == "0.00"
    assert message["X-Spamd-Score"] is not None
    assert "Eicar" in refused(site, "all", VIRUS + b"\r\n")
    assert "554 5.7.1" in refused(site, "all", GTUBE + "\r\n")
