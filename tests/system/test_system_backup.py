"""Backups of a real server: while it takes mail, killed in the middle, and brought back elsewhere; and `mta verify`."""

from __future__ import annotations

import imaplib
import json
import signal
import smtplib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_site import PASSWORD, RunningSite, environment, wait_until

ANN = "ann@hosted.test"
LISTENERS = (
    '[listen.mx]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "mx"\n'
    '[listen.imap]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "imap"\nplaintext_login = ["127.0.0.0/8"]\n'
)
TABLES = '[domains."hosted.test"]\n[[route]]\nmatch = {}\nvia = "smtp://127.0.0.1:1"\n'
LINE = "x" * 70 + "\r\n"
LARGE = LINE * 5000
"""Text that makes a body a file."""


class Sender(threading.Thread):
    """Sends mail until it is stopped; every eighth message is large.

    Attributes:
        acknowledged: the marks of messages that were answered 250.
    """

    def __init__(self, site: RunningSite, name: str) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[str] = []
        self._mark = name
        self._port = site.ports["mx"]
        self._stop_it = threading.Event()

    def run(self) -> None:
        with smtplib.SMTP("127.0.0.1", self._port, timeout=30) as client:
            for number in range(100_000):
                if self._stop_it.is_set():
                    return
                mark = f"{self._mark}-{number}"
                text = f"Subject: {mark}\r\n\r\n" + (LARGE if number % 8 == 0 else LINE)
                client.sendmail("joe@sender.test", [ANN], text)
                self.acknowledged.append(mark)

    def stop(self) -> None:
        self._stop_it.set()
        self.join(60)


def mailbox_of(site: RunningSite) -> tuple[str, dict[int, tuple[str, bytes]]]:
    """Return the UIDVALIDITY of INBOX; and of each UID the subject, and the whole message."""
    client = imaplib.IMAP4("127.0.0.1", site.ports["imap"], timeout=30)
    client.login(ANN, PASSWORD)
    client.select("INBOX", readonly=True)
    validity = client.response("UIDVALIDITY")[1][0].decode()
    found = {}
    answer: list[Any] = client.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
    for each in answer:
        if isinstance(each, tuple):
            uid = int(each[0].split(b"UID ")[1].split()[0])
            found[uid] = (each[1].split(b"Subject: ")[1].split(b"\r\n")[0].decode(), each[1])
    client.logout()
    return validity, found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RunningSite]:
    """Return a server with an account."""
    site = RunningSite(tmp_path / "site", TABLES, LISTENERS).start()
    site.add_account(ANN, PASSWORD)
    yield site
    site.stop()
    assert "Traceback" not in site.log


def test_a_backup_of_a_busy_server(site: RunningSite, tmp_path: Path) -> None:
    """All that was acknowledged before it began is in it, with the same UIDs and texts, and the server goes on."""
    senders = [Sender(site, f"s{number}") for number in range(3)]
    for sender in senders:
        sender.start()
    wait_until(lambda: all(len(sender.acknowledged) >= 16 for sender in senders))
    before = [mark for sender in senders for mark in list(sender.acknowledged)]
    first = json.loads(site.mta("backup", str(tmp_path / "kept"), "--json").stdout)
    counts = [len(sender.acknowledged) for sender in senders]
    wait_until(lambda: all(len(sender.acknowledged) > count for sender, count in zip(senders, counts, strict=True)))
    second = json.loads(site.mta("backup", str(tmp_path / "kept"), "--history", "--json").stdout)
    for sender in senders:
        sender.stop()
    validity, there = mailbox_of(site)

    other = RunningSite(tmp_path / "other", TABLES, LISTENERS)
    named = Path(first["path"]).name
    restored = json.loads(other.mta("restore", str(tmp_path / "kept"), "--backup", named, "--json").stdout)
    other.start()
    try:
        again, found = mailbox_of(other)
        marks = {mark for mark, _ in found.values()}
        assert marks >= set(before)
        assert again == validity
        assert found == {uid: each for uid, each in there.items() if uid in found}
        assert max(found) == len(found)
        assert restored["left_out"] == []
        assert second["known"] >= first["copied"] > 0
        with smtplib.SMTP("127.0.0.1", other.ports["mx"]) as client:
            client.sendmail("joe@sender.test", [ANN], "Subject: later\r\n\r\n.\r\n")
        assert mailbox_of(other)[1][len(found) + 1][0] == "later"
    finally:
        assert other.stop() == 0


def test_mail_that_goes_meanwhile_is_in_it(site: RunningSite, tmp_path: Path) -> None:
    """A message that is expunged after its body's row was copied has its body in the backup all the same."""
    with smtplib.SMTP("127.0.0.1", site.ports["mx"]) as client:
        for number in range(40):
            client.sendmail("joe@sender.test", [ANN], f"Subject: {number}\r\n\r\n" + LARGE)
    backup = begun(site, tmp_path)
    wait_until((tmp_path / "kept" / "unfinished" / "SHA256SUMS").exists)
    expunge_all(site)
    assert backup.wait(60) == 0

    other = RunningSite(tmp_path / "other", TABLES, LISTENERS)
    other.mta("restore", str(tmp_path / "kept"))
    other.start()
    try:
        assert [mark for mark, _ in mailbox_of(other)[1].values()] == [str(number) for number in range(40)]
    finally:
        assert other.stop() == 0


def begun(site: RunningSite, tmp_path: Path) -> subprocess.Popen[bytes]:
    """Begin a backup as a process."""
    command = [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(site.config)]
    return subprocess.Popen([*command, "backup", str(tmp_path / "kept")], env=environment(), stderr=subprocess.DEVNULL)


def expunge_all(site: RunningSite) -> None:
    client = imaplib.IMAP4("127.0.0.1", site.ports["imap"], timeout=30)
    client.login(ANN, PASSWORD)
    client.select("INBOX")
    client.store("1:*", "+FLAGS", r"\Deleted")
    client.expunge()
    client.logout()


def test_a_backup_that_is_killed(site: RunningSite, tmp_path: Path) -> None:
    """It is no backup, nothing stays held, and the next one goes on where it was."""
    with smtplib.SMTP("127.0.0.1", site.ports["mx"]) as client:
        for number in range(60):
            client.sendmail("joe@sender.test", [ANN], f"Subject: {number}\r\n\r\n" + LARGE)
    backup = begun(site, tmp_path)
    wait_until(lambda: [*(tmp_path / "kept" / "bodies").glob("*/*[0-9a-f]")])
    backup.send_signal(signal.SIGKILL)
    assert backup.wait(60) == -signal.SIGKILL
    assert site.mta("restore", str(tmp_path / "kept"), "--dry-run", check=False).returncode == 1

    made = json.loads(site.mta("backup", str(tmp_path / "kept"), "--json").stdout)

    assert made["copied"] + made["known"] == 60
    assert made["known"] > 0
    assert not list((tmp_path / "kept").rglob("*.part"))
    assert site.mta("backup", "--list", str(tmp_path / "kept")).stdout.count("complete") == 1


def test_a_running_server_s_state_is_never_replaced(site: RunningSite, tmp_path: Path) -> None:
    """Not even with --force; the words are plain, and on a pipe they are the only ones."""
    site.mta("backup", str(tmp_path / "kept"))

    result = site.mta("restore", str(tmp_path / "kept"), "--force", check=False)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "Error: the server runs; stop it first\n"
    assert mailbox_of(site)[1] == {}


def test_damage_is_told_without_a_traceback(site: RunningSite, tmp_path: Path) -> None:
    """With what is damaged, for whoever has to decide which backup to take."""
    made = Path(json.loads(site.mta("backup", str(tmp_path / "kept"), "--json").stdout)["path"])
    octets = bytearray((made / "mta.db").read_bytes())
    octets[5000] ^= 4
    (made / "mta.db").write_bytes(octets)
    other = RunningSite(tmp_path / "other", TABLES, LISTENERS)

    result = other.mta("restore", str(tmp_path / "kept"), check=False)

    assert result.returncode == 1
    assert f"Error: {made} is damaged:\n  mta.db: isn't what was written\n" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_busy_server_is_sound(site: RunningSite) -> None:
    """What is written meanwhile is no fault, whichever row of it comes first; and nothing is mended while it runs."""
    senders = [Sender(site, f"s{number}") for number in range(3)]
    for sender in senders:
        sender.start()
    wait_until(lambda: all(len(sender.acknowledged) >= 16 for sender in senders))
    results = [site.mta("verify", "--json", check=False) for _ in range(3)]
    expunge_all(site)
    results.append(site.mta("verify", "--json", check=False))
    for sender in senders:
        sender.stop()

    values = [json.loads(result.stdout) for result in results]
    assert [value["faults"] for value in values] == [[], [], [], []]
    assert values[0]["looked_at"]["messages in mailboxes"] >= 48
    refused = site.mta("verify", "--repair", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "Error: the server runs; stop it before anything is mended\n"


def test_a_stopped_server_is_sound(site: RunningSite) -> None:
    """After it was killed, too; on a pipe a line says so."""
    with smtplib.SMTP("127.0.0.1", site.ports["mx"]) as client:
        for number in range(4):
            client.sendmail("joe@sender.test", [ANN], f"Subject: {number}\r\n\r\n" + LARGE)
    site.kill()

    result = site.mta("verify")

    assert result.stdout.startswith("All is sound: 4 messages in mailboxes, ")
    assert json.loads(site.mta("verify", "--repair", "--json").stdout)["mended"] == 0


def test_an_account_moves_between_running_servers(site: RunningSite, tmp_path: Path) -> None:
    """With its password, UIDs and mail, while both run; the new server shows it at once."""
    with smtplib.SMTP("127.0.0.1", site.ports["mx"]) as client:
        for number in range(3):
            client.sendmail("joe@sender.test", [ANN], f"Subject: {number}\r\n\r\n" + (LARGE if number else LINE))
    other = RunningSite(tmp_path / "other", TABLES, LISTENERS).start()
    try:
        site.mta("account", "export", ANN, str(tmp_path / "ann"), "--with-password-hash")
        told = json.loads(other.mta("account", "import", str(tmp_path / "ann"), "--json").stdout)

        assert sum(each["imported"] for each in told["mailboxes"]) == 3
        assert mailbox_of(other) == mailbox_of(site)
    finally:
        assert other.stop() == 0
