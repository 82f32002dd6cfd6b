"""How fast, how dear and how late grouped writes are: run it by hand, `python tests/bench/store_writes.py [DIRECTORY]`.

Each write inserts a row of 4 KB and a small one, as an acceptance does.  Some
runs keep the reactor's thread computing in slices of 2 ms, for all or half of
the time.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.database import Database
from twistedmail_mta.store.files import DatabaseFiles
from twistedmail_mta.store.schema import Migration
from twistedmail_mta.tasks import TaskGroup, sleep

reactor: Any = global_reactor

SCHEMA = (
    Migration(1, "0001_body.sql", "CREATE TABLE body (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT"),
    Migration(2, "0002_row.sql", "CREATE TABLE row (id INTEGER PRIMARY KEY, body INTEGER, text TEXT) STRICT"),
)
BODY = b"x" * 4096
SLICE = 0.002
WRITES = 8000


def insert(transaction: Transaction) -> None:
    """Write what an acceptance of 4 KB writes."""
    transaction.execute("INSERT INTO body (data) VALUES (?)", (BODY,))
    transaction.execute("INSERT INTO row (body, text) VALUES (last_insert_rowid(), 'someone@example.org')")


async def write(database: Database, count: int, latencies: list[float]) -> None:
    """Write one after the other."""
    for _ in range(count):
        begun = time.perf_counter()
        await database.write(insert, size=len(BODY))
        latencies.append(time.perf_counter() - begun)


async def compute(share: float) -> None:
    """Keep the reactor's thread busy for that share of the time, until cancelled."""
    while True:
        end = time.perf_counter() + SLICE
        while time.perf_counter() < end:
            sum(range(50))
        await sleep(reactor, SLICE / share - SLICE)


async def measure(database: Database, writers: int, busy: float) -> str:
    """Return one line of results."""
    tasks, latencies = TaskGroup(), list[float]()
    computing = tasks.start("compute", compute(busy)) if busy else None
    commits, cpu, begun = database.commits, time.process_time(), time.perf_counter()
    share = (WRITES // 8 if busy or writers == 1 else WRITES) // writers
    for writing in [tasks.start("write", write(database, share, latencies)) for _ in range(writers)]:
        await writing
    spent, cpu = time.perf_counter() - begun, time.process_time() - cpu
    if computing is not None:
        computing.cancel()
    latencies.sort()
    middle, late = (1000 * latencies[int(len(latencies) * part)] for part in (0.5, 0.99))
    return (
        f"busy {busy:4.0%} writers {writers:3} rate {len(latencies) / spent:6.0f}/s median {middle:6.2f} ms "
        f"p99 {late:6.2f} ms max {1000 * latencies[-1]:6.2f} ms cpu {1e6 * cpu / len(latencies):5.0f} us/write "
        f"group {len(latencies) / (database.commits - commits):5.1f}"
    )


async def run(directory: Path) -> None:
    """Measure all cases."""
    database = Database(reactor, DatabaseFiles(directory / "bench.db", migrations=SCHEMA))
    for busy in (0, 0.5, 1):
        for writers in (1, 10, 50):
            print(await measure(database, writers, busy))  # noqa: T201 - what the program is for
    await database.close()
    reactor.stop()


def main() -> None:
    """Run on a temporary directory, in the folder given as an argument."""
    sys.setswitchinterval(1e-4)
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as directory:
        reactor.callWhenRunning(Deferred.fromCoroutine, run(Path(directory)))
        reactor.run()


if __name__ == "__main__":
    main()
