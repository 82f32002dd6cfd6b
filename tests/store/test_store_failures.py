"""Full disks and failing ones: nothing half kept, the right answer, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import apsw
import pytest
from faultfs import Faults, FaultVFS
from hand_reactor import PATIENCE, HandReactor
from words_database import Gate, Open, insert, words

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store import group
from twistedmail_mta.store.ballast import Ballast
from twistedmail_mta.store.database import Database
from twistedmail_mta.store.replies import DISK_FULL, STORE_FAILED
from twistedmail_mta.store.space import DiskSpace

LARGE = "x" * 40_000


@pytest.fixture
def faults() -> Faults:
    """Return what is to fail."""
    return Faults()


@pytest.fixture
def failing(open_words: Open, faults: Faults) -> Iterator[Database]:
    """Return a database on a file system that fails on demand."""
    with FaultVFS(faults=faults) as vfs:
        database = open_words(vfs=vfs.name)
        yield database
        faults.heal()
        database._reactor.wait(database.close())


class Room:
    """A disk whose free space the test sets."""

    def __init__(self, free: int) -> None:
        self.free = free

    def __call__(self, _: Path) -> int:
        return self.free


def limit_room(database: Database) -> Room:
    """Let the database believe that the disk has no room left."""
    room = Room(0)
    database._space._free, database._space._margin = room, 1
    return room


def shrink_room(pages: int) -> Callable[[Transaction], None]:
    """Return a function that lets the database grow by so many pages and no more."""

    def run(transaction: Transaction) -> None:
        ((count,),) = transaction.execute("PRAGMA page_count")
        list(transaction.execute(f"PRAGMA max_page_count = {count + pages}"))

    return run


def test_a_full_disk_in_mid_group_refuses_only_what_has_no_room(hand: HandReactor, database: Database) -> None:
    """The large one gets 452; the small ones before and behind it are kept."""
    hand.wait(database.write(shrink_room(3)))
    gate = Gate(database)
    written = [database.write(insert(text)) for text in ("a", LARGE, "b")]
    gate.open()
    first, large, last = hand.wait_all(gate.written, *written)[1:]

    assert (first, last) == (1, 2)
    assert isinstance(large, TemporaryError)
    assert large.reply == DISK_FULL
    assert hand.wait(database.read(words)) == ["a", "b"]


def test_a_full_disk_refuses_new_mail_until_it_was_looked_at(hand: HandReactor, database: Database) -> None:
    """After 452 for one, the next is refused before it has begun; a look at the disk lifts that."""
    room = limit_room(database)
    hand.wait(database.write(shrink_room(0)))
    with pytest.raises(TemporaryError):
        hand.wait(database.write(insert(LARGE)))
    assert database.refusal() == DISK_FULL

    database._space.look()
    assert database.refusal() == DISK_FULL
    room.free = 10_000
    database._space.look()
    assert database.refusal() is None


def spill(transaction: Transaction) -> None:
    """Write more than the page cache holds, so that the WAL grows before the commit."""
    transaction.execute("PRAGMA cache_size = 5")
    for number in range(50):
        transaction.execute("INSERT INTO word (text) VALUES (?)", (f"{number} {LARGE}",))


def test_sqlite_rolls_back_by_itself(tmp_path: Path, faults: Faults) -> None:
    """The trap that the writer is built around: no transaction is left, and the next statement commits."""
    with FaultVFS(faults=faults) as vfs:
        connection = apsw.Connection(str(tmp_path / "trap.db"), vfs=vfs.name)
        connection.pragma("journal_mode", "wal")
        connection.execute("CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT)")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO word (text) VALUES ('in the group')")
        faults.fail("write", "-wal", code=apsw.SQLITE_FULL)
        with pytest.raises(apsw.FullError):
            spill(connection)
        faults.heal()

        assert not connection.in_transaction
        connection.execute("SAVEPOINT next")
        connection.execute("INSERT INTO word (text) VALUES ('stray')")
        connection.execute("RELEASE next")
        assert words(connection) == ["stray"]
        connection.close()


def test_a_group_that_sqlite_rolled_back_is_run_again(hand: HandReactor, failing: Database, faults: Faults) -> None:
    """The automatic rollback takes the whole group; its other members are kept all the same, once."""
    gate = Gate(failing)
    written = [failing.write(function) for function in (insert("a"), spill, insert("b"))]
    faults.fail("write", "-wal", code=apsw.SQLITE_FULL, times=1)
    gate.open()
    # The first commit of the gate's own transaction writes nothing, so the fault meets the spill.
    first, spilt, last = hand.wait_all(gate.written, *written)[1:]

    assert first == 1
    assert spilt is None
    assert last == 52
    assert len(hand.wait(failing.read(words))) == 52


@pytest.mark.parametrize(("operation", "suffix"), [("write", "-wal"), ("sync", "-wal")])
def test_a_failed_commit_refuses_the_group_and_the_next_works(
    hand: HandReactor, failing: Database, faults: Faults, operation: str, suffix: str
) -> None:
    """After an input/output error all get 451, nothing of theirs is kept, and the reopened database serves on."""
    gate = Gate(failing)
    written = [failing.write(insert(text)) for text in ("a", "b", "c")]
    faults.fail(operation, suffix, times=1)
    gate.open()
    outcomes = hand.wait_all(gate.written, *written)[1:]

    assert [outcome.reply for outcome in outcomes] == [STORE_FAILED] * 3
    assert hand.wait(failing.write(insert("d"))) == 1
    assert hand.wait(failing.read(words)) == ["d"]


def test_a_failed_commit_is_buried(hand: HandReactor, failing: Database, faults: Faults, tmp_path: Path) -> None:
    """The frames that the failed commit left in the WAL don't come back when it is recovered after a crash."""
    hand.wait(failing.write(insert("kept")))
    faults.fail("sync", "-wal", times=1)
    with pytest.raises(TemporaryError):
        hand.wait(failing.write(insert("refused")))

    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("words.db", "words.db-wal"):
        (copy / name).write_bytes((tmp_path / name).read_bytes())
    assert words(apsw.Connection(str(copy / "words.db"))) == ["kept"]


def test_a_disk_that_stays_broken(
    hand: HandReactor, failing: Database, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it can't be reopened all writes and new mail are refused at once; then the writer finds back by itself."""
    monkeypatch.setattr(group, "RECOVER_EVERY", 0.01)
    faults.fail("sync", "-wal")
    with pytest.raises(TemporaryError):
        hand.wait(failing.write(insert("a")))
    assert failing.refusal() == STORE_FAILED
    for outcome in hand.wait_all(*(failing.write(insert(text)) for text in "bcd")):
        assert outcome.reply == STORE_FAILED

    faults.heal()
    while failing.refusal() is not None:
        hand.wait_all(failing.write(lambda _: None))
    assert hand.wait(failing.write(insert("e"))) == 1


def test_a_failed_read_is_temporary(hand: HandReactor, failing: Database, faults: Faults) -> None:
    """An unreadable disk gives 451, and the next read gets a new connection."""
    hand.wait(failing.write(insert("a")))
    faults.fail("read")
    with pytest.raises(TemporaryError) as refused:
        hand.wait(failing.read(words))
    assert refused.value.reply == STORE_FAILED
    faults.heal()
    assert hand.wait(failing.read(words)) == ["a"]


def test_space_below_the_margin_refuses_new_mail(tmp_path: Path) -> None:
    """The margin decides, and what was free once may be so again."""
    room = Room(1000)
    space = DiskSpace(tmp_path, Ballast(tmp_path / "ballast", 100), 500, room)
    seen = []
    for free in (1000, 499, 500):
        room.free = free
        space.look()
        seen.append(space.low)
    assert seen == [False, True, False]


def test_the_ballast_comes_back_when_there_is_room_for_it(tmp_path: Path) -> None:
    """Once released it is made again only when the margin stays free beside it."""
    room = Room(10_000)
    ballast = Ballast(tmp_path / "ballast", 1000)
    space = DiskSpace(tmp_path, ballast, 500, room)
    space.look()
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= 1000

    assert space.release_ballast()
    assert not space.release_ballast()
    assert (space.low, space.reserved) == (True, True)
    room.free = 1499
    space.look()
    assert (space.low, space.reserved, ballast.held) == (True, True, False)
    room.free = 1500
    space.look()
    assert (space.low, space.reserved, ballast.held) == (False, False, True)


class Ration:
    """Lets a database grow only while the ballast is there to be released."""

    def __init__(self, database: Database) -> None:
        self._release = database._space._ballast.release
        self._database = database

    def release(self) -> bool:
        released = self._release()
        if released:
            self._database._committer._connection.pragma("max_page_count", 1_000_000)
        return released


def test_urgent_writes_use_the_ballast_and_others_do_not(
    hand: HandReactor, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk a settle still gets through; what it freed isn't given to new mail."""
    room = limit_room(database)
    hand.wait(database.write(shrink_room(0)))
    monkeypatch.setattr(database._space._ballast, "release", Ration(database).release)
    gate = Gate(database)
    written = [database.write(insert(LARGE)), database.write(insert("u" + LARGE), urgent=True)]
    gate.open()
    ordinary, urgent = hand.wait_all(gate.written, *written)[1:]

    assert urgent == 1
    assert ordinary.reply == DISK_FULL
    assert not (tmp_path / "ballast").exists()
    assert database.refusal() == DISK_FULL
    room.free = 10_000
    database._space.look()
    assert hand.wait(database.write(insert("small"))) == 2


def test_the_thread_survives_a_bug(hand: HandReactor, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong inside, those who wait are answered and the writer works on."""

    def explode(_: Any) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(database._committer, "commit", explode)
        with pytest.raises(TemporaryError):
            hand.wait(database.write(insert("a")))
    assert hand.wait(database.write(insert("b"))) == 1


def test_a_checkpoint_that_fails_is_tried_again(hand: HandReactor, failing: Database, faults: Faults) -> None:
    """The rows stay in the WAL until the database file takes them."""
    synced = Event()
    reported: list[BaseException] = []
    failing._checkpointer._report = lambda error: (reported.append(error), synced.set())
    faults.fail("write", "words.db")
    hand.wait(failing.write(insert("a")))
    assert synced.wait(PATIENCE)
    assert isinstance(reported[0], apsw.IOError)
    assert hand.wait(failing.read(words)) == ["a"]
