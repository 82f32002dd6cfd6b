"""A Maildir that Dovecot has made, brought here and written again: Dovecot finds in both the same."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from imaplib import IMAP4_stream
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from interop_imap import IMAP_SERVER
from interop_peers import MAIL_USER, folder, write

from twistedmail_mta.cli.main import mta
from twistedmail_mta.directory.passwords import StoredPassword
from twistedmail_mta.directory.tables import add_account
from twistedmail_mta.privileges import running_user
from twistedmail_mta.store.sync import SyncDatabase

POP3_SERVER = IMAP_SERVER.with_name("pop3")
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


class Home:
    """A user's home of a Dovecot that is run as a program on a pipe, already logged in."""

    def __init__(self, path: Path) -> None:
        self.maildir = folder(path, MAIL_USER, 0o700) / "Maildir"
        lines = ["protocols = imap pop3", f"base_dir = {path}/base", f"state_dir = {path}/state"]
        lines += [f"log_path = {path}/log", "ssl = no", f"mail_location = maildir:{self.maildir}"]
        lines += ["first_valid_uid = 1", "first_valid_gid = 1"]
        self._configuration = write(path / "dovecot.conf", "\n".join(lines) + "\n")
        self._home = path

    def _program(self, program: Path) -> list[str]:
        user = f"setpriv --reuid={MAIL_USER} --regid=nogroup --clear-groups env USER={MAIL_USER}".split()
        return [*user, f"HOME={self._home}", str(program), "-c", str(self._configuration)]

    @contextmanager
    def imap(self) -> Iterator[IMAP4_stream]:
        session = IMAP4_stream(shlex.join(self._program(IMAP_SERVER)))
        try:
            session.state = "AUTH"  # it greets with PREAUTH
            yield session
        finally:
            session.logout()

    def uidls(self) -> list[str]:
        """Return what POP3 calls the messages of INBOX."""
        done = subprocess.run(self._program(POP3_SERVER), input=b"UIDL\r\nQUIT\r\n", capture_output=True, check=False)
        return re.findall(r"^\d+ (\S+)\r$", done.stdout.decode(), re.MULTILINE)

    def mail(self) -> dict[str, Any]:
        """Return all that IMAP tells of it."""
        with self.imap() as session:
            lines = [line.decode() for line in session.list()[1] if b"Noselect" not in line]  # type: ignore[union-attr]
            names = [line.rpartition(" ")[2].strip('"') for line in lines]
            found: dict[str, Any] = {name: _selected(session, name) for name in names}
            found["subscriptions"] = sorted(session.lsub()[1])
        return found

    def give(self) -> None:
        """Make everything belong to the user."""
        for path in (self.maildir, *self.maildir.rglob("*")):
            shutil.chown(path, MAIL_USER)


def _selected(session: IMAP4_stream, name: str) -> Any:
    _, (exists,) = session.select(f'"{name}"', readonly=True)
    state = (session.response("UIDVALIDITY")[1], session.response("UIDNEXT")[1])
    _, answer = session.fetch("1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])") if exists != b"0" else ("", [])
    return state, [
        (re.search(rb"UID (\d+)", each[0])[1], _flags(each[0]), re.search(rb'DATE "([^"]+)', each[0])[1], each[1])  # type: ignore[index]
        for each in answer
        if isinstance(each, tuple)
    ]


def _flags(answer: bytes) -> set[str]:
    flags = re.search(rb"FLAGS \(([^)]*)\)", answer)
    assert flags is not None
    return set(flags[1].decode().split()) - {r"\Recent"}


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
