"""Dovecot's IMAP server as a program on a pipe that a client of the tests talks to; it greets with PREAUTH."""

from __future__ import annotations

import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imap_client import PATIENCE, Client, SocketWire
from interop_imap import IMAP_SERVER
from interop_peers import MAIL_USER, folder, write


@contextmanager
def dovecot_client(root: Path) -> Iterator[Client]:
    """Run Dovecot's IMAP server with empty mailboxes in `root`, which its user must be able to enter."""
    home = folder(root / "dovecot", MAIL_USER)
    lines = ["protocols = imap", f"base_dir = {home}/base", f"state_dir = {home}/state", f"log_path = {home}/log"]
    lines += ["ssl = no", f"mail_location = sdbox:{home}/mail", "first_valid_uid = 1", "first_valid_gid = 1"]
    lines += ["namespace inbox {", "inbox = yes", "separator = /", "}"]
    configuration = write(home / "dovecot.conf", "\n".join(lines) + "\n")
    program = shlex.split(f"setpriv --reuid={MAIL_USER} --regid=nogroup --clear-groups env USER={MAIL_USER}")
    command = [*program, f"HOME={home}", str(IMAP_SERVER), "-c", str(configuration)]
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL) as process:
        theirs.close()
        with Client(SocketWire(ours)) as client:
            yield client
        process.wait(PATIENCE)
