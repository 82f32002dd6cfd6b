"""mbsync keeps an account and a folder of Maildirs the same, in both directions."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from interop_imap_imaplib import WAYS, done, folders, kept, logged_in
from interop_imap_many import MANY, fill
from interop_imap_messages import kinds, note
from interop_imap_programs import file_of, files, flag, maildir, run, settings, texts
from interop_imap_site import HOST, SPECIAL, Account

MBSYNC = Path("/usr/bin/mbsync")
pytestmark = pytest.mark.skipif(not MBSYNC.exists(), reason="not installed: mbsync (tests/interop/install-peers.sh)")
TLS = {"clear": "None", "starttls": "STARTTLS", "implicit": "IMAPS"}
MESSAGES = {name: message for name, message in kinds().items() if name != "unfinished"}  # SMTP ends every line
SETTINGS = """
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
FSync no
SyncState {account.home}/state/

IMAPAccount far
Host {host}
Port {port}
User {account.user}
Pass "{account.password}"
SSLType {tls}
SystemCertificates no
CertificateFile {account.trusted}
AuthMechs *

IMAPStore far
Account far

MaildirStore near
Path {mail}/
Inbox {mail}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
"""
TOKEN = re.compile(rb"^X-TUID: .{12}\r\n", re.MULTILINE)
"""A field that it adds to what it copies, to find its copy again."""
MOVES = {
    "brought": r"UID FETCH .*BODY\.PEEK\[\]",
    "taken": "APPEND",
    "flagged": "UID STORE",
    "removed": "(?:UID )?EXPUNGE",
}
"""What moves or changes a message, of what mbsync says to the server."""


def letters(found: Iterable[bytes]) -> list[bytes]:
    """Return messages without what mbsync adds, sorted."""
    return sorted(TOKEN.sub(b"", text, count=1) for text in found)


class Mirror:
    """The Maildirs beside an account."""

    def __init__(self, account: Account, way: str) -> None:
        self.account, self.mail = account, account.home / "mail"
        self.mail.mkdir()
        text = SETTINGS.format(account=account, host=HOST, port=getattr(account, way), tls=TLS[way], mail=self.mail)
        self._settings = settings(account.home / "mbsyncrc", text)
        (account.home / "state").mkdir()

    def run(self) -> dict[str, int]:
        """Run mbsync; return how many commands it gave of those that move or change messages, where there were any."""
        for each in self.mail.rglob("*"):
            if each.is_dir():
                os.utime(each, (0, 0))  # else it waits for a second to be over
        said = run([MBSYNC, "-c", self._settings, "-Dn", "-a"], self.account.home)
        found = {
            name: len(re.findall(rf"^(?:\(.*\) )?>>> \d+ {words}", said, re.MULTILINE)) for name, words in MOVES.items()
        }
        return {name: count for name, count in found.items() if count}

    def settled(self) -> None:
        """Run it again: nothing moves, and nothing is changed on either side."""
        before = kept(self.account), files(self.mail)
        assert self.run() == {}
        assert (kept(self.account), files(self.mail)) == before

    def same(self, name: str) -> None:
        """Both sides have the same messages in a folder."""
        assert letters(texts(self.mail / name)) == letters(body for _, _, body in kept(self.account)[name])


@pytest.mark.parametrize("way", WAYS)
def test_both_ways(account: Account, way: str) -> None:
    """All that was on one side is on the other, octet for octet; the second run moves nothing."""
    mirror = Mirror(account, way)
    for message in MESSAGES.values():
        account.deliver(message)
    near = maildir(mirror.mail / "Letters")
    for name, message in MESSAGES.items():
        (near / "cur" / f"1.{name}:2,FS").write_bytes(message.replace(b"\r\n", b"\n"))

    count = len(MESSAGES)
    assert mirror.run() == {"brought": count, "taken": count}

    assert {*SPECIAL.values(), "INBOX", "Letters"} <= {each.name for each in mirror.mail.iterdir()}
    mirror.same("INBOX")
    stored = kept(account)["Letters"]
    assert letters(body for _, _, body in stored) == sorted(MESSAGES.values())
    assert all({rb"\Seen", rb"\Flagged"} <= flags for _, flags, _ in stored)
    mirror.settled()


def test_changes(account: Account) -> None:
    """Flags, removals and moves on either side reach the other."""
    mirror = Mirror(account, "implicit")
    for number in range(8):
        account.deliver(note(f"token-{number}"))
    mirror.run()
    with logged_in(account) as client:
        done(client.select())
        done(client.store("1", "+FLAGS", r"(\Flagged \Seen)"))
        done(client.uid("MOVE", "2", "Archive"))
        done(client.store("3", "+FLAGS", r"(\Deleted)"))
        done(client.expunge())
    inbox = mirror.mail / "INBOX"
    flag(file_of(inbox, "token-4"), "RS")
    flag(file_of(inbox, "token-5"), "T")
    moved = file_of(inbox, "token-6")
    moved.rename(mirror.mail / "Archive" / "cur" / f"{moved.name.partition(',U=')[0]}:2,S")

    mirror.run()

    mirror.same("INBOX")
    mirror.same("Archive")
    assert file_of(inbox, "token-0").name.endswith(":2,FS")
    flags = {body.partition(b"Subject: ")[2].split()[0]: flags for _, flags, body in kept(account)["INBOX"]}
    assert set(flags) == {b"token-0", b"token-2", b"token-4", b"token-7"}
    assert flags[b"token-4"] == {rb"\Answered", rb"\Seen"}
    assert len(texts(mirror.mail / "Archive")) == 2
    mirror.settled()


def test_folders(account: Account) -> None:
    """Folders are made on the side where they are missing, whatever their names, and removed when they are gone."""
    mirror = Mirror(account, "implicit")
    for name in ("Work/Deeper", "&AOQ-", "Tom &- Jerry"):
        maildir(mirror.mail / name)
    with logged_in(account) as client:
        done(client.create('"Far away/&ZeVnLA-"'))
        done(client.append('"Far away/&ZeVnLA-"', "", "", note("distant")))

    mirror.run()

    assert {"Work/Deeper", "&AOQ-", "Tom &- Jerry"} <= folders(account)
    mirror.same("Far away/&ZeVnLA-")
    with logged_in(account) as client:
        done(client.delete("Work/Deeper"))
    mirror.settled()
    assert not (mirror.mail / "Work/Deeper/cur").exists()


def test_many_messages(account: Account) -> None:
    """Two thousand messages come here in one run, and as many go there, one after the other without waiting."""
    mirror = Mirror(account, "implicit")
    fill(account, "Archive")
    near = maildir(mirror.mail / "Letters")
    for number in range(MANY):
        (near / "cur" / f"{number}.x:2,S").write_bytes(note(f"letter-{number}").replace(b"\r\n", b"\n"))

    assert mirror.run() == {"brought": MANY, "taken": MANY}

    mirror.same("Archive")
    mirror.same("Letters")
    assert mirror.run() == {}
