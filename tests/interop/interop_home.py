"""A user's home whose Maildir a Dovecot serves that is run as a program on a pipe, already logged in."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from imaplib import IMAP4_stream
from pathlib import Path
from typing import Any

from interop_imap import IMAP_SERVER
from interop_peers import MAIL_USER, folder, write

POP3_SERVER = IMAP_SERVER.with_name("pop3")


class Home:
    """The home; its directory is made, the Maildir by whoever comes first."""

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
