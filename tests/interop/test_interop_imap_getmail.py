"""getmail fetches several folders over IMAP, and removes what it has fetched."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from interop_imap_imaplib import done, kept, logged_in
from interop_imap_messages import kinds, note
from interop_imap_programs import maildir, run, settings, texts
from interop_imap_site import HOST, Account
from interop_peers import MAIL_USER

GETMAIL = Path(sys.executable).with_name("getmail")
pytestmark = [
    pytest.mark.skipif(not GETMAIL.exists(), reason="not installed: getmail (the test extra)"),
    pytest.mark.skipif(os.geteuid() != 0, reason="getmail stores mail as another user"),
]
SETTINGS = """
[retriever]
type = {kind}
server = {host}
port = {port}
username = {account.user}
password = {account.password}
mailboxes = ("INBOX", "Archive")
{more}
[destination]
type = Maildir
path = {box}/
user = nobody
[options]
{options}
delivered_to = false
received = false
verbose = 0
"""
ADDED = re.compile(rb"^(?:Return-Path|X-getmail-retrieved-from-mailbox): [^\n]*\n", re.MULTILINE)
"""Fields that getmail adds."""


def fetch(account: Account, box: Path, options: str, *, tls: bool = True) -> None:
    """Run getmail once."""
    text = SETTINGS.format(
        account=account,
        host=HOST,
        box=box,
        options=options,
        kind="SimpleIMAPSSLRetriever" if tls else "SimpleIMAPRetriever",
        port=account.implicit if tls else account.clear,
        more=f"ca_certs = {account.trusted}\nmove_on_delete = Trash" if tls else "",
    )
    run(
        [GETMAIL, f"--getmaildir={account.home}", f"--rcfile={settings(account.home / 'getmailrc', text)}"],
        account.home,
    )


@pytest.fixture
def box(account: Account) -> Path:
    """A Maildir of somebody else."""
    path = maildir(account.home / "maildir")
    for each in (path, *path.iterdir()):
        shutil.chown(each, MAIL_USER)
    for each in path.parents[:2]:
        each.chmod(0o755)
    return path


def test_everything_is_fetched_and_moved_to_trash(account: Account, box: Path) -> None:
    """Every kind of message comes as it is, and is in Trash then."""
    with logged_in(account) as client:
        for number, message in enumerate(kinds().values()):
            done(client.append(("INBOX", "Archive")[number % 2], "", "", message))

    fetch(account, box, "delete = true")

    assert sorted(ADDED.sub(b"", text) for text in texts(box)) == sorted(kinds().values())
    left = kept(account)
    assert left["INBOX"] == left["Archive"] == []
    assert sorted(body for _, _, body in left["Trash"]) == sorted(kinds().values())


def test_only_what_is_new(account: Account, box: Path) -> None:
    """What stays on the server isn't fetched again: it is known by UIDVALIDITY and UID."""
    account.deliver(note("first"))
    fetch(account, box, "read_all = false", tls=False)
    assert len(texts(box)) == 1

    account.deliver(note("second"))
    fetch(account, box, "read_all = false", tls=False)

    assert [b"\r\nSubject: second\r\n" in text for text in texts(box)].count(True) == 1
    assert len(texts(box)) == len(kept(account)["INBOX"]) == 2
