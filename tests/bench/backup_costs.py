"""What a backup and `mta verify` of a large site take, and what they do to the acceptance of mail meanwhile.

PYTHONPATH=plugins:.:tests python tests/bench/backup_costs.py [MESSAGES] [LARGE BODIES]
"""

# ruff: noqa: T201 - it prints

from __future__ import annotations

import json
import os
import smtplib
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
from running_site import PASSWORD, RunningSite

SENDERS = 6
SECONDS = 10.0
ANN = "ann@hosted.test"
LISTENERS = '[listen.mx]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "mx"\n'
TABLES = '[domains."hosted.test"]\n'
TEXT = "Subject: hello\r\n\r\n" + ("x" * 70 + "\r\n") * 56
FILL = """
WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
INSERT INTO {} SELECT {} FROM n
"""
ROWS = {
    "body (id, refs, size, data)": "i, 1, 3000, randomblob(3000)",
    "content": "i, 1, i, x'28', x'28', x'00', randomblob(600)",
    "mail": "1, i, 2, 0, i",
    "arrival": "1, i, 3620, 0, 0, NULL, randomblob(20)",
}


class Sender(threading.Thread):
    """Sends small messages; notes when each was answered, and how long that took."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.answers: list[tuple[float, float]] = []
        self.ended = False
        self._port = port

    def run(self) -> None:
        with smtplib.SMTP("127.0.0.1", self._port, timeout=60) as client:
            while not self.ended:
                began = time.monotonic()
                client.sendmail("joe@sender.test", [ANN], TEXT)
                now = time.monotonic()
                self.answers.append((now, now - began))


def fill(site: RunningSite, messages: int, large: int) -> None:
    """Put messages into an account's INBOX, as rows that are sound."""
    connection = apsw.Connection(str(site.state / "mta.db"))
    connection.pragma("synchronous", 0)
    ((account,),) = list(connection.execute("SELECT id FROM accounts"))
    connection.execute(
        "INSERT INTO mailbox (id, account, name, uid_validity, uid_next, modseq, messages, octets)"
        " VALUES (1, ?, 'INBOX', 7, ?2 + 1, 2, ?2, ?2 * 3620)",
        (account, messages),
    )
    connection.execute("UPDATE uid_validity SET last = 7")
    with connection:
        for table, values in ROWS.items():
            connection.execute(FILL.format(table, values), (1, messages))
        _fill_files(connection, site.state / "bodies" / "2026010100", messages, large)
    connection.close()


def _fill_files(connection: apsw.Connection, folder: Path, messages: int, large: int) -> None:
    """Let some of the bodies be files of 1 MiB."""
    folder.mkdir(parents=True)
    for number in range(1, min(large, messages) + 1):
        name = f"{number:014x}-00000000"
        (folder / name).write_bytes(os.urandom(1 << 20))
        connection.execute(
            "UPDATE body SET data = NULL, file = ?, size = 1048576 WHERE id = ?", (f"2026010100/{name}", number)
        )
        connection.execute("UPDATE arrival SET size = 1049196 WHERE uid = ?", (number,))
    connection.execute("UPDATE mailbox SET octets = (SELECT sum(size) FROM arrival)")


def told(name: str, senders: list[Sender], since: float, until: float) -> None:
    """Print what was accepted in a time."""
    waits = sorted(wait for sender in senders for at, wait in sender.answers if since <= at <= until)
    if not waits:
        return
    middle, rare = waits[len(waits) // 2], waits[int(len(waits) * 0.99)]
    slow = f"median {middle * 1e3:6.1f} ms  99% {rare * 1e3:6.1f} ms  most {waits[-1] * 1e3:6.0f} ms"
    print(f"{name:<24}{len(waits) / (until - since):8.0f}/s  {slow}")


class LogSize(threading.Thread):
    """Notes how large the WAL becomes."""

    def __init__(self, state: Path) -> None:
        super().__init__(daemon=True)
        self._path = state / "mta.db-wal"
        self.most = 0
        self.ended = False

    def run(self) -> None:
        while not self.ended:
            if self._path.exists():
                self.most = max(self.most, self._path.stat().st_size)
            time.sleep(0.02)


def measured(site: RunningSite, senders: list[Sender], name: str, *command: str) -> float:
    """Run a command; print how long it took, and what was accepted meanwhile."""
    log = LogSize(site.state)
    log.start()
    began = time.monotonic()
    site.mta(*command, patience=3600.0)
    ended = time.monotonic()
    log.ended = True
    log.join()
    told(name, senders, began, ended)
    print(f"  it took {ended - began:.1f} s; the WAL had up to {log.most / 2**20:.0f} MiB")
    return ended - began


def main() -> None:
    """Measure, and print."""
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 250_000
    large = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    with TemporaryDirectory() as folder:
        site = RunningSite(Path(folder) / "site", TABLES, LISTENERS).start()
        site.add_account(ANN, PASSWORD)
        site.stop()
        fill(site, messages, large)
        size = (site.state / "mta.db").stat().st_size / 2**20
        print(f"{messages} messages, {size:.0f} MiB and {large} files of 1 MiB")
        site.start()
        senders = [Sender(site.ports["mx"]) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        time.sleep(2.0)
        began = time.monotonic()
        time.sleep(SECONDS)
        told("nothing else", senders, began, time.monotonic())
        kept = str(Path(folder) / "kept")
        measured(site, senders, "mta backup, the first", "backup", kept)
        measured(site, senders, "mta backup, the second", "backup", kept)
        measured(site, senders, "mta verify", "verify")
        measured(site, senders, "mta verify --quick", "verify", "--quick")
        began = time.monotonic()
        time.sleep(SECONDS / 2)
        told("nothing else", senders, began, time.monotonic())
        for sender in senders:
            sender.ended = True
        for sender in senders:
            sender.join()
        site.stop()
        began = time.monotonic()
        done = json.loads(site.mta("restore", kept, "--force", "--json", patience=3600.0).stdout)
        print(f"mta restore: {time.monotonic() - began:.1f} s for {done['files']} files")


if __name__ == "__main__":
    main()
