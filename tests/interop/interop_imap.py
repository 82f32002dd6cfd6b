"""Dovecot's IMAP server as a program on a pipe: logged in, with one mailbox of given messages."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from imaplib import IMAP4_stream
from pathlib import Path

from interop_peers import MAIL_USER, folder, write

IMAP_SERVER = Path("/usr/lib/dovecot/imap")


class ImapMailbox:
    """A mailbox that is open in a session.

    Messages are numbered from 1, in their order.
    """

    def __init__(self, session: IMAP4_stream) -> None:
        self._session = session

    def item(self, number: int, item: str) -> bytes:
        """Return the value of one data item of a message."""
        status, answer = self._session.fetch(str(number), f"({item})")
        assert status == "OK", answer
        whole = b"".join(b"\r\n".join(piece) if isinstance(piece, tuple) else piece for piece in answer if piece)
        return whole[whole.index(b"(") + 1 : -1].split(b" ", 1)[1]

    def section(self, number: int, section: str) -> bytes:
        """Return the octets of a section; none where there is no such section."""
        status, answer = self._session.fetch(str(number), f"(BODY.PEEK[{section}])")
        assert status == "OK", answer
        return b"".join(piece[1] for piece in answer if isinstance(piece, tuple))

    def search(self, keys: bytes) -> list[int]:
        """Return the numbers of messages that keys find; literals in them don't wait."""
        status, answer = self._session.search("UTF-8", keys)  # type: ignore[arg-type]
        assert status == "OK", answer
        return [int(number) for number in answer[0].split()]

    def sort(self, criteria: str) -> list[int]:
        """Return the numbers of all messages, sorted."""
        status, answer = self._session.sort(f"({criteria})", "UTF-8", "ALL")
        assert status == "OK", answer
        return [int(number) for number in answer[0].split()]

    def thread(self, algorithm: str) -> bytes:
        """Return the threads of all messages as they were sent."""
        status, answer = self._session.thread(algorithm, "UTF-8", "ALL")
        assert status == "OK", answer
        threads: bytes = answer[0]
        return threads


@contextmanager
def dovecot_mailbox(root: Path, messages: Iterable[bytes]) -> Iterator[ImapMailbox]:
    """Run Dovecot's IMAP server on a Maildir in `root`, which its user must be able to enter."""
    home = folder(root / "imap", MAIL_USER)
    maildir = folder(home / "Maildir", MAIL_USER)
    for name in ("cur", "new", "tmp"):
        folder(maildir / name, MAIL_USER)
    for number, message in enumerate(messages, 1):
        file = maildir / "cur" / f"{number:05}.messages:2,"
        file.write_bytes(message)
        shutil.chown(file, MAIL_USER)
    lines = ["protocols = imap", f"base_dir = {home}/base", f"state_dir = {home}/state", f"log_path = {home}/log"]
    lines += ["ssl = no", f"mail_location = maildir:{maildir}", "first_valid_uid = 1", "first_valid_gid = 1"]
    configuration = write(home / "dovecot.conf", "\n".join(lines) + "\n")
    program = [*f"setpriv --reuid={MAIL_USER} --regid=nogroup --clear-groups env USER={MAIL_USER}".split()]
    session = IMAP4_stream(shlex.join([*program, f"HOME={home}", str(IMAP_SERVER), "-c", str(configuration)]))
    try:
        session.state = "AUTH"  # it greets with PREAUTH
        session.select(readonly=True)
        yield ImapMailbox(session)
    finally:
        session.logout()
