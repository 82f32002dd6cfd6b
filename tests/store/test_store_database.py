"""The database of a running server: groups, order, isolation of errors, reads, the end."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any, cast

import apsw
import pytest
from hand_reactor import PATIENCE, HandReactor
from twisted.internet.defer import Deferred
from words_database import Gate, Open, insert, words
from zope.interface.verify import verifyObject

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDatabase, Transaction
from twistedmail_mta.observe.figures import Spread
from twistedmail_mta.store import writer
from twistedmail_mta.store.database import Database
from twistedmail_mta.store.group import TransactionLost
from twistedmail_mta.store.replies import STORE_BUSY, STORE_CLOSED


def test_provides_the_seam(database: Database) -> None:
    """What roles are given is what the interface promises."""
    assert verifyObject(IDatabase, database)


def test_write_returns_what_the_function_returned(hand: HandReactor, database: Database) -> None:
    """A single write is committed and gives its result."""
    assert hand.wait(database.write(insert("one"))) == 1
    assert hand.wait(database.read(words)) == ["one"]


def test_what_waits_shares_one_commit(hand: HandReactor, database: Database) -> None:
    """Functions that queue while the writer is busy go to disk together, with one call to the reactor."""
    gate = Gate(database)
    written = [database.write(insert(f"word {n}")) for n in range(100)]
    before = database.commits

    gate.open()
    hand.wait(gate.written)
    calls = hand.calls
    results = hand.wait_all(*written)

    assert results == list(range(1, 101))
    assert database.commits - before == 2  # the gate's own, and one for a hundred
    assert hand.calls - calls == 1


def test_results_come_in_commit_order(hand: HandReactor, database: Database) -> None:
    """Views and counters that follow the results see changes in the order of the database."""
    gate = Gate(database)
    order: list[str] = []

    async def follow(text: str, urgent: bool) -> None:
        await database.write(insert(text), urgent=urgent)
        order.append(text)

    following = [Deferred.fromCoroutine(follow(text, text.isupper())) for text in ("a", "B", "c", "D")]
    gate.open()
    for deferred in following:
        hand.wait(deferred)

    assert order == ["B", "D", "a", "c"] == hand.wait(database.read(words))


def test_a_group_ends_at_its_size(hand: HandReactor, database: Database) -> None:
    """What is said to be large is committed in several groups, so that nobody waits too long."""
    gate = Gate(database)
    written = [database.write(insert(f"word {n}"), size=writer.GROUP_SIZE // 2) for n in range(6)]
    before = database.commits

    gate.open()
    hand.wait_all(gate.written, *written)

    assert database.commits - before == 4


def test_a_group_ends_after_its_time(hand: HandReactor, database: Database) -> None:
    """A slow function makes those behind it wait for the next group, in their order."""
    gate = Gate(database)
    never = Event()

    def slow(transaction: Transaction) -> None:
        never.wait(0.03)
        insert("slow")(transaction)

    written = [database.write(slow), database.write(insert("next")), database.write(insert("last"))]
    before = database.commits
    gate.open()
    hand.wait_all(gate.written, *written)

    assert database.commits - before == 3
    assert hand.wait(database.read(words)) == ["slow", "next", "last"]


def test_an_exception_reaches_only_its_maker(hand: HandReactor, database: Database) -> None:
    """One function of a group fails: it alone is told, and nothing of it is kept."""
    gate = Gate(database)
    runs: list[str] = []

    def counted(text: str) -> Any:
        def run(transaction: Transaction) -> int:
            runs.append(text)
            return insert(text)(transaction)

        return run

    def broken(transaction: Transaction) -> None:
        insert("broken")(transaction)
        raise ZeroDivisionError

    written = [database.write(function) for function in (counted("a"), broken, insert("a"), counted("b"))]
    gate.open()
    first, second, third, fourth = hand.wait_all(gate.written, *written)[1:]

    assert (first, fourth) == (1, 2)
    assert isinstance(second, ZeroDivisionError)
    assert isinstance(third, apsw.ConstraintError)
    assert hand.wait(database.read(words)) == ["a", "b"]
    assert runs == ["a", "a", "b"]  # a function may run twice


def test_a_function_that_loses_its_transaction_is_refused(hand: HandReactor, database: Database) -> None:
    """SQLite rolled back under a function that swallowed the error: nothing it does then is committed by itself."""

    def stubborn(transaction: Transaction) -> None:
        transaction.execute("ROLLBACK")  # as SQLite does by itself when the disk is full
        insert("stray")(transaction)

    gate = Gate(database)
    written = [database.write(insert("before")), database.write(stubborn), database.write(insert("after"))]
    gate.open()
    before, lost, after = hand.wait_all(gate.written, *written)[1:]

    assert (before, after) == (1, 2)
    assert isinstance(lost, TransactionLost)
    assert hand.wait(database.read(words)) == ["before", "after"]


def test_a_read_sees_one_state(hand: HandReactor, database: Database) -> None:
    """A commit in the middle of a read isn't seen by it, and doesn't wait for it."""
    hand.wait(database.write(insert("old")))
    reading, written = Event(), Event()

    def look_twice(transaction: Transaction) -> tuple[list[str], list[str]]:
        first = words(transaction)
        reading.set()
        assert written.wait(PATIENCE)
        return first, words(transaction)

    looked = Deferred.fromCoroutine(database.read(look_twice))
    assert reading.wait(PATIENCE)
    hand.wait(database.write(insert("new")))
    written.set()

    assert hand.wait(looked) == (["old"], ["old"])


def test_reads_cannot_write(hand: HandReactor, database: Database) -> None:
    """A function given to read by mistake fails instead of writing outside the writer."""
    with pytest.raises(apsw.ReadOnlyError):
        hand.wait(database.read(insert("stray")))
    assert hand.wait(database.read(words)) == []


def test_a_cursor_does_not_leave_its_transaction(hand: HandReactor, database: Database) -> None:
    """A function that forgot to read its rows is told so; a cursor at large would keep the WAL from ending."""

    def careless(transaction: Transaction) -> Any:
        return transaction.execute("SELECT text FROM word")

    with pytest.raises(TypeError):
        hand.wait(database.read(careless))
    with pytest.raises(TypeError):
        hand.wait(database.write(careless))
    assert hand.wait(database.write(insert("a"))) == 1


def test_a_failed_read_leaves_the_reader_usable(hand: HandReactor, database: Database) -> None:
    """An exception of a read reaches its caller; the thread's transaction ends."""
    for _ in range(5):
        with pytest.raises(apsw.SQLError):
            hand.wait(database.read(lambda transaction: list(transaction.execute("SELECT nonsense"))))
    hand.wait(database.write(insert("seen")))
    assert [hand.wait(database.read(words)) for _ in range(5)] == [["seen"]] * 5


def test_the_queue_is_bounded(hand: HandReactor, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past its bounds ordinary writes are refused at once, then urgent ones; room comes back."""
    monkeypatch.setattr(writer, "MAX_WAITING", 2)
    gate = Gate(database)
    ordinary = [database.write(insert("a")), database.write(insert("b"))]
    urgent = [database.write(insert(text), urgent=True) for text in ("c", "d", "e")]

    assert database.refusal() == STORE_BUSY
    gate.open()
    outcomes = hand.wait_all(gate.written, *ordinary, *urgent)[1:]

    assert [isinstance(outcome, TemporaryError) for outcome in outcomes] == [False, True, False, False, True]
    assert database.refusal() is None
    assert hand.wait(database.write(insert("f"))) == 4


def test_the_queue_is_bounded_in_octets(hand: HandReactor, database: Database) -> None:
    """Large writes that wait don't fill the memory."""
    gate = Gate(database)
    large = database.write(insert("large"), size=writer.MAX_WAITING_SIZE)
    refused = database.write(insert("more"), size=1)
    gate.open()
    assert hand.wait(large) == 1
    with pytest.raises(TemporaryError):
        hand.wait(refused)


def test_close_finishes_what_waits(hand: HandReactor, database: Database, tmp_path: Path) -> None:
    """What was queued before the end is committed; what comes after is refused; one file holds it all."""
    gate = Gate(database)
    written = [database.write(insert(f"word {n}")) for n in range(10)]
    closing = Deferred.fromCoroutine(database.close())
    late = database.write(insert("late"))
    gate.open()
    hand.wait(closing)

    assert hand.wait_all(*written) == list(range(1, 11))
    with pytest.raises(TemporaryError):
        hand.wait(late)
    assert database.refusal() == STORE_CLOSED
    assert not (tmp_path / "words.db-wal").exists()
    assert words(apsw.Connection(str(tmp_path / "words.db"))) == [f"word {n}" for n in range(10)]


def test_the_file_is_set_up_for_its_work(hand: HandReactor, database: Database) -> None:
    """The settings that safety and later shrinking depend on are in force on the writer's connection."""
    names = ("journal_mode", "synchronous", "auto_vacuum", "wal_autocheckpoint", "foreign_keys")

    def settings(transaction: Transaction) -> list[Any]:
        return [next(iter(transaction.execute(f"PRAGMA {name}")))[0] for name in names]

    assert hand.wait(database.write(settings)) == ["wal", 2, 2, 0, 1]


def test_only_the_owner_can_read_the_files(hand: HandReactor, database: Database, tmp_path: Path) -> None:
    """Mail is nobody else's business, whatever the umask."""
    hand.wait(database.write(insert("secret")))
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert {"words.db", "words.db-wal", "words.db-shm", "ballast"} < modes.keys()
    assert set(modes.values()) == {0o600}


def test_opening_again_finds_the_rows(hand: HandReactor, open_words: Open) -> None:
    """Rows and schema survive a stop."""
    database = open_words()
    hand.wait(database.write(insert("kept")))
    hand.wait(database.close())
    assert hand.wait(open_words().read(words)) == ["kept"]


def test_what_the_writer_does_is_measured(hand: HandReactor, database: Database) -> None:
    """How long transactions took, how many writes shared one, and how long each waited."""
    before = {family.name: value for family, _, value in database.readings()}
    gate = Gate(database)
    written = [database.write(insert(f"word {n}")) for n in range(20)]
    waiting = {family.name: value for family, _, value in database.readings()}["mta_store_waiting_writes"]

    gate.open()
    hand.wait_all(gate.written, *written)
    told = {family.name: value for family, _, value in database.readings()}

    assert waiting == 21
    assert told["mta_store_waiting_writes"] == 0
    spreads = [told[f"mta_store_{name}"] for name in ("commit_seconds", "group_writes", "wait_seconds")]
    assert all(isinstance(each, Spread) for each in spreads)
    took, grouped, waited = (cast(Spread, each) for each in spreads)
    assert took.number == grouped.number == database.commits
    assert grouped.total == waited.number == 21
    assert took.total > 0
    assert before["mta_store_commit_seconds"] is took
