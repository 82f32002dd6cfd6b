"""offlineimap keeps an account and a folder of Maildirs the same, in both directions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from interop_imap_imaplib import done, kept, logged_in
from interop_imap_messages import kinds, note
from interop_imap_programs import file_of, files, flag, maildir, run, settings, texts
from interop_imap_site import HOST, SPECIAL, Account

OFFLINEIMAP = Path("/usr/bin/offlineimap")
pytestmark = pytest.mark.skipif(
    not OFFLINEIMAP.exists(), reason="not installed: offlineimap (tests/interop/install-peers.sh)"
)
TLS = {"clear": "ssl = no\nstarttls = no", "implicit": "ssl = yes"}
"""Without STARTTLS: its library, imaplib2 3.05, sometimes waits for itself then."""
MESSAGES = kinds()
SETTINGS = """
[general]
accounts = it
metadata = {account.home}/metadata
fsync = no
[Account it]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {mail}
sync_deletes = yes
utf8foldernames = no
[Repository far]
type = IMAP
remotehost = {host}
remoteport = {port}
remoteuser = {account.user}
remotepass = {account.password}
sslcacertfile = {account.trusted}
{tls}
"""
MOVED = re.compile(r"(?:Copy message|Deleting \d+ messages|Adding flags|Deleting flags|Moving|Creating folder)")
"""Its words for all that it moves or changes."""


class Mirror:
    """The Maildirs beside an account."""

    def __init__(self, account: Account, way: str) -> None:
        self.account, self.mail = account, account.home / "mail"
        self.mail.mkdir()
        text = SETTINGS.format(account=account, host=HOST, port=getattr(account, way), tls=TLS[way], mail=self.mail)
        self._settings = settings(account.home / "offlineimaprc", text)

    def run(self) -> int:
        """Run offlineimap; return how many things it moved or changed."""
        said = run([OFFLINEIMAP, "-o", "-u", "basic", "-c", self._settings], self.account.home)
        assert "ERROR" not in said
        return len(MOVED.findall(said))

    def settled(self) -> None:
        """Run it again: nothing moves, and nothing is changed on either side."""
        before = kept(self.account), files(self.mail)
        assert self.run() == 0
        assert (kept(self.account), files(self.mail)) == before

    def same(self, name: str) -> None:
        """Both sides have the same messages in a folder."""
        assert texts(self.mail / name) == sorted(body for _, _, body in kept(self.account)[name])


@pytest.mark.parametrize("way", TLS)
def test_both_ways(account: Account, way: str) -> None:
    """All that was on one side is on the other, octet for octet; the second run moves nothing."""
    mirror = Mirror(account, way)
    with logged_in(account) as client:
        for message in MESSAGES.values():
            done(client.append("Archive", r"(\Answered)", "", message))
    near = maildir(mirror.mail / "Letters")
    for name, message in MESSAGES.items():
        (near / "cur" / f"1.{name}:2,FS").write_bytes(message.replace(b"\r\n", b"\n"))

    assert mirror.run() >= 2 * len(MESSAGES)

    assert {*SPECIAL.values(), "INBOX", "Letters"} <= {each.name for each in mirror.mail.iterdir()}
    mirror.same("Archive")
    mirror.same("Letters")
    assert all(flags == {rb"\Seen", rb"\Flagged"} for _, flags, _ in kept(account)["Letters"])
    mirror.settled()


def test_changes(account: Account) -> None:
    """Flags, new messages, removals and moves on either side reach the other."""
    mirror = Mirror(account, "implicit")
    for number in range(8):
        account.deliver(note(f"token-{number}"))
    mirror.run()
    with logged_in(account) as client:
        done(client.select())
        done(client.store("1", "+FLAGS", r"(\Flagged \Seen)"))
        done(client.uid("MOVE", "2", "Archive"))
    account.deliver(note("token-8"))
    inbox = mirror.mail / "INBOX"
    flag(file_of(inbox, "token-4"), "RS")
    file_of(inbox, "token-5").unlink()
    moved = file_of(inbox, "token-6")
    moved.rename(mirror.mail / "Archive" / "cur" / f"{moved.name.partition(',U=')[0]}:2,S")

    mirror.run()

    assert file_of(inbox, "token-0").name.endswith(":2,FS")
    mirror.same("INBOX")
    mirror.same("Archive")
    flags = {body.partition(b"Subject: ")[2].split()[0].decode(): flags for _, flags, body in kept(account)["INBOX"]}
    assert set(flags) == {f"token-{number}" for number in (0, 2, 3, 4, 7, 8)}
    assert flags["token-4"] == {rb"\Answered", rb"\Seen"}
    assert len(texts(mirror.mail / "Archive")) == 2
    mirror.settled()
