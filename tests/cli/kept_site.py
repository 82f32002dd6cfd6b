"""A site that has something to lose: an account with small and large mail, and a key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mta_command import Command

from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.sync import SyncDatabase

USER = "ann@example.org"
LARGE = 300_000
"""Octets of a body that is a file."""


def filled(command: Command, tmp_path: Path) -> Command:
    """Return a site with an account, and small and large mail."""
    assert command("account", "add", USER, "--password-stdin", stdin="secret\n").exit_code == 0
    bring(command, tmp_path, "a", 3, LARGE)
    bring(command, tmp_path, "b", 3, 100)
    (command.state_dir / "acme").mkdir(mode=0o700)
    (command.state_dir / "acme" / "account.pem").write_text("a key")
    (command.state_dir / "acme" / "account.pem").chmod(0o600)
    return command


def bring(command: Command, tmp_path: Path, mark: str, number: int, size: int) -> None:
    """Import some messages."""
    root = tmp_path / f"Maildir-{mark}"
    for below in ("cur", "new", "tmp"):
        (root / below).mkdir(parents=True, exist_ok=True)
    for each in range(number):
        text = f"Subject: {mark}{each}\n\n".encode() + os.urandom(size // 2).hex().encode() + b"\n"
        (root / "cur" / f"{mark}{each}.h:2,S").write_bytes(text)
    assert command("mailbox", "import", USER, str(root)).exit_code == 0


def in_database(command: Command, sql: str) -> list[tuple[Any, ...]]:
    with SyncDatabase(command.state_dir / DATABASE_NAME) as database:
        return database.write(lambda tx: list(tx.execute(sql)))
