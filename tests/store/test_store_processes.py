"""Several processes that write to one database: no update lost, nobody starved."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hand_reactor import HandReactor
from words_database import WORDS, Open, insert

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store import lock as module
from twistedmail_mta.store.lock import LockTimeout, WriteLock
from twistedmail_mta.store.sync import SyncDatabase

COUNT = "INSERT INTO word (text) SELECT ? || (1 + (SELECT count(*) FROM word))"

BUSY_WRITER = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from hand_reactor import HandReactor
from words_database import WORDS
from twistedmail_mta.store.database import Database
from twistedmail_mta.store.files import DatabaseFiles

hand = HandReactor()
database = Database(hand, DatabaseFiles(Path(sys.argv[1]), margin=0, ballast_size=4096, migrations=WORDS))
print("ready", flush=True)
sys.stdin.readline()

def count(transaction):
    transaction.execute("INSERT INTO word (text) SELECT 'word ' || (1 + (SELECT count(*) FROM word))")

def turn():
    return [database.write(count) for _ in range(20)]

async def write():
    waiting = turn()
    for _ in range(20):
        more = turn()  # so that work always waits here
        for promise in waiting:
            await promise
        waiting = more
    for promise in waiting:
        await promise

hand.wait(write())
print(database.commits, flush=True)
hand.wait(database.close())
"""


def test_no_update_is_lost(tmp_path: Path) -> None:
    """Three processes count in the same table; each number is there once, and all come to their end."""
    path = tmp_path / "words.db"
    tests, tree = (str(Path(__file__).parents[level]) for level in (1, 2))
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", BUSY_WRITER, str(path), tests, tree],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    outputs = [writer.communicate(timeout=60)[0] for writer in writers]

    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert all(int(output) > 1 for output in outputs)
    with SyncDatabase(path, migrations=WORDS) as database:
        numbers = database.read(lambda t: [int(text.split()[1]) for (text,) in t.execute("SELECT text FROM word")])
    assert sorted(numbers) == list(range(1, 3 * 21 * 20 + 1))


def test_a_command_gets_its_turn_beside_a_busy_server(hand: HandReactor, open_words: Open, tmp_path: Path) -> None:
    """While work always waits in both, each gets its turn between the other's transactions."""
    database = open_words()
    written: list[int] = []

    def command() -> None:
        with SyncDatabase(tmp_path / "words.db", migrations=WORDS) as commands:
            written.extend(commands.write(insert(f"command {number}")) for number in range(50))

    async def serve() -> int:
        number = 0
        waiting = [database.write(insert("server"))]
        while thread.is_alive():
            more = [database.write(insert(f"server {number} {n}")) for n in range(10)]
            for promise in waiting:
                await promise
            waiting, number = more, number + 1
        for promise in waiting:
            await promise
        return number

    thread = threading.Thread(target=command)
    thread.start()
    groups = hand.wait(serve())
    thread.join()

    assert len(written) == 50
    assert written[-1] - written[0] > 50, "the server stood still"
    assert groups


def test_who_waits_is_let_in(tmp_path: Path) -> None:
    """The turn tells a writer that another one waits, and lets that one have the lock first."""
    mine, other = WriteLock(tmp_path / "x.db"), WriteLock(tmp_path / "x.db")
    got = threading.Event()

    def wait() -> None:
        with other:
            got.set()

    with mine:
        thread = threading.Thread(target=wait)
        thread.start()
        while module._taken(mine._turn):  # until the other holds the turn
            fcntl.flock(mine._turn, fcntl.LOCK_UN)
    mine.let_others()
    thread.join()
    assert got.is_set()
    assert mine._others
    mine._looked_at = 0.0
    mine.let_others()
    assert not mine._others
    mine.close()
    other.close()


def test_a_stopped_process_does_not_stop_the_server(
    hand: HandReactor, open_words: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that isn't given back becomes a temporary error for the whole group; later writes work."""
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    database = open_words()
    descriptor = os.open(tmp_path / "words.db-lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    for outcome in hand.wait_all(*(database.write(insert(text)) for text in "abc")):
        assert isinstance(outcome, TemporaryError)
    os.close(descriptor)
    assert hand.wait(database.write(insert("d"))) == 1


def test_a_function_does_not_hold_the_lock_after_its_error(tmp_path: Path) -> None:
    """An exception in the transaction gives the lock back."""
    with SyncDatabase(tmp_path / "words.db", migrations=WORDS) as one:

        def broken(_: Transaction) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            one.write(broken)
        lock = WriteLock(tmp_path / "words.db")
        try:
            with lock:
                pass
        except LockTimeout:  # pragma: no cover - the failure this test is about
            pytest.fail("the lock is still held")
        lock.close()
