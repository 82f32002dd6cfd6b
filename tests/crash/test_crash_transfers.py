"""A process killed while it copies, moves, renames and deletes: every message is in one place, every copy is whole."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import apsw
from crash_child import Transfers
from crash_site import CrashSite, child, content, state_of

LIVES = 12


class Copies:
    """Into which mailboxes a process has copied, by what it said."""

    def __init__(self) -> None:
        self.begun: dict[int, int] = {}
        self.done: set[int] = set()

    def read(self, line: bytes) -> None:
        what, *numbers = line.split()
        if what == b"copying":
            self.begun[int(numbers[0])] = int(numbers[1])
        elif what == b"copied":
            self.done.add(int(numbers[0]))

    def check(self, mailbox: int, messages: int) -> None:
        if mailbox in self.done or messages:
            assert messages == self.begun[mailbox], "a copy is incomplete"


def kill_in_the_midst(site: Path, seed: int, lines: int, copies: Copies) -> None:
    """Run a process until it has said so much, and kill it."""
    command, environment = child("transfers", str(site), str(seed))
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(lines):
            copies.read(process.stdout.readline())
        process.kill()
        for line in process.stdout.read().splitlines(keepends=True):
            if line.endswith(b"\n"):
                copies.read(line)


def rows(site: Path, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    connection = apsw.Connection(str(site / "mta.db"))
    try:
        return list(connection.execute(sql, parameters))
    finally:
        connection.close()


def texts(site: Path, names: str) -> Counter[bytes]:
    """Return how often each text is in mailboxes of these names."""
    found = rows(
        site,
        "SELECT o.data FROM mail m JOIN mailbox b ON b.id = m.mailbox JOIN content c ON c.id = m.content"
        " JOIN body o ON o.id = c.body WHERE b.name IN (SELECT value FROM json_each(?))",
        names,
    )
    return Counter(octets for (octets,) in found)


def test_kill_while_messages_go_from_mailbox_to_mailbox(tmp_path: Path) -> None:
    """In slices, each of which may be the last; what was begun of a copy is gone after the next start."""
    chance, unfinished, hidden = Random(3), 0, 0
    whole = Counter(content(number, 200) for number in range(Transfers.COUNT))
    copies = Copies()
    for seed in range(LIVES):
        kill_in_the_midst(tmp_path, seed, chance.randrange(40, 200), copies)
        state_of(tmp_path)
        assert texts(tmp_path, '["a", "b"]') == whole, "a message is lost, or in two places"
        unfinished += bool(rows(tmp_path, "SELECT 1 FROM unfinished"))
        hidden += bool(rows(tmp_path, "SELECT 1 FROM mailbox WHERE name < ' '"))

        site = CrashSite(tmp_path)
        site.close()

        assert rows(tmp_path, "SELECT * FROM unfinished") == []
        for mailbox, count in rows(tmp_path, "SELECT id, messages FROM mailbox WHERE name > 'cop' AND name < 'coq'"):
            copies.check(mailbox, count)
        state_of(tmp_path)

    assert len(copies.done) > LIVES
    assert unfinished
    assert hidden
