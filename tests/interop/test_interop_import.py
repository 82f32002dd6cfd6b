"""A Maildir that Dovecot has made, brought here and written again: Dovecot finds in both the same."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from interop_home import POP3_SERVER, Home
from interop_imap import IMAP_SERVER

from twistedmail_mta.cli.main import mta
from twistedmail_mta.directory.passwords import StoredPassword
from twistedmail_mta.directory.tables import add_account
from twistedmail_mta.privileges import running_user
from twistedmail_mta.store.sync import SyncDatabase

SITE = f"""\
config_version = 1
[server]
hostname = "mail.example.org"
state_dir = "state"
admin = "postmaster@example.org"
user = "{running_user().name}"
[listen.mx]
endpoint = "tcp:2525"
role = "mx"
"""
USER = "user@example.org"
DATE = "19-Nov-2026 10:11:12 +0100"
NAMES = ("Entw&APw-rfe", "Archive.2020.Fr&APw-hling", "Sent")


def message(number: int, octets: int = 50) -> bytes:
    text = b"".join(b"%08d .line\r\n" % line for line in range(octets // 16 + 1))
    return b"Subject: %d\r\nFrom: <ann@example.org>\r\n\r\n.From here\r\nFrom there\r\n" % number + text


def fill(home: Home) -> None:
    """Let Dovecot make folders and messages of all kinds, with gaps between UIDs."""
    with home.imap() as session:
        for name in NAMES:
            session.create(f'"{name}"')
        session.subscribe(f'"{NAMES[0]}"')
        for number, flags in enumerate((r"\Seen", r"\Flagged $work", r"\Answered \Draft Junk", "", r"\Deleted"), 1):
            session.append("INBOX", f"({flags})", f'"{DATE}"', message(number))
            session.append(f'"{NAMES[number % 3]}"', f"({flags})", f'"{DATE}"', message(number + 10, 200_000))
        session.append("INBOX", "", f'"{DATE}"', message(6))
        session.select("INBOX")
        session.store("2", "+FLAGS", r"(\Deleted)")
        session.uid("EXPUNGE", "2")
        session.store("4", "-FLAGS", r"(\Deleted)")


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder that Dovecot's user can reach."""
    if not (IMAP_SERVER.exists() and POP3_SERVER.exists()):
        pytest.skip("Dovecot is not installed (tests/interop/install-peers.sh installs it)")
    if os.geteuid() != 0:
        pytest.skip("Dovecot needs root")
    path = Path(tempfile.mkdtemp(prefix="mta-import-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def run(root: Path, *arguments: str) -> str:
    done = CliRunner().invoke(mta, ["--config", str(root / "mta.toml"), *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_dovecots_maildir_here_and_back(root: Path) -> None:
    """Texts, flags, keywords, dates, UIDs, UIDVALIDITY, names, subscriptions, and what POP3 calls messages."""
    theirs, written = Home(root / "theirs"), Home(root / "written")
    fill(theirs)
    before, uidls = theirs.mail(), theirs.uidls()
    (root / "mta.toml").write_text(SITE)
    (root / "state").mkdir()
    with SyncDatabase(root / "state" / "mta.db") as database:
        database.write(lambda tx: add_account(tx, USER, StoredPassword("hash", None), 0.0) and None)

    run(root, "mailbox", "import", USER, str(theirs.maildir))
    run(root, "mailbox", "export", USER, str(written.maildir))
    written.give()

    after = written.mail()
    assert set(before) == {"INBOX", *NAMES, "subscriptions"}
    assert sum(len(mail[1]) for name, mail in before.items() if name != "subscriptions") == 10
    assert set(before) <= set(after)
    for name, mail in before.items():
        if name != "subscriptions":
            assert after[name] == mail, name
    assert set(before["subscriptions"]) <= set(after["subscriptions"])
    assert written.uidls() == uidls
    assert len(uidls) == 5
