"""What a policy remembers: bounded, written behind, and never read twice at once."""

from __future__ import annotations

import pytest
from ledger_kit import Bench, run

from twistedmail_mta.model import Address
from twistedmail_mta.policy import acquaintances
from twistedmail_mta.policy.acquaintances import Acquaintances
from twistedmail_mta.policy.ledger import Ledger
from twistedmail_mta.policy.limits import Limits
from twistedmail_mta.tasks import Promise, Task


class Texts:
    """States that are lists of letters."""

    def new(self) -> list[str]:
        return []

    def read(self, octets: bytes) -> list[str]:
        return list(octets.decode())

    def write(self, state: list[str]) -> bytes:
        return "".join(state).encode()


class Book:
    """A ledger on a database; another one on the same is what comes after a restart."""

    def __init__(self, before: Book | None = None, most: int = 100, rows: int = 100, keep: float = 1e6) -> None:
        self.bench = before.bench if before else Bench(Limits)
        self.ledger: Ledger[list[str]] = Ledger(self.bench.kit, "bucket", Texts(), most=most, rows=rows, keep=keep)
        run(self.ledger.start())

    def put(self, name: str, text: str) -> None:
        state = run(self.ledger.open(name))
        state[:] = text
        self.ledger.changed(name, state)

    def get(self, name: str) -> str:
        return "".join(run(self.ledger.open(name)))

    def rows(self) -> dict[str, str]:
        rows = self.bench.database.connection.execute("SELECT name, CAST(state AS TEXT) FROM plugin_test_bucket")
        return dict(rows.fetchall())


def test_written_after_a_moment() -> None:
    """All that changed meanwhile at once; nothing changed is nothing written."""
    book = Book()
    for letter in "abc":
        book.put("x", letter)
        book.put("y", letter)
    assert book.rows() == {}

    book.bench.clock.advance(2)
    assert book.rows() == {"x": "c", "y": "c"}
    assert book.bench.database.writes == 1
    book.bench.clock.advance(100)
    assert book.bench.database.writes == 1


def test_as_good_as_new() -> None:
    """Such a state has no row."""
    book = Book()
    book.put("x", "a")
    book.bench.clock.advance(2)
    book.ledger.forget("x")
    assert book.get("x") == ""
    book.bench.clock.advance(2)
    assert book.rows() == {}


def test_bounded_in_memory() -> None:
    """What goes is read again; what isn't written yet is found all the same."""
    book = Book(most=3)
    for name in "abcdefg":
        book.put(name, name)
        book.bench.clock.advance(2)
    assert len(book.ledger) == 3
    assert "".join(map(book.get, "abcdefg")) == "abcdefg"
    assert len(book.ledger) == 3


def test_bounded_while_nothing_can_be_written() -> None:
    """The oldest changes are forgiven; the others are written when that works again."""
    book = Book(most=3)
    book.bench.database.refuses = True
    for name in "abcde":
        book.put(name, name)
    book.bench.clock.advance(2)
    assert "".join(map(book.get, "cde")) == "cde"

    book.bench.database.refuses = False
    book.bench.clock.advance(10)
    assert book.rows() == {"c": "c", "d": "d", "e": "e"}


def test_bounded_in_the_table() -> None:
    """Those written longest ago go first."""
    book = Book(rows=3)
    for name in "abcabde":
        book.put(name, name)
        book.bench.clock.advance(2)
    assert sorted(book.rows()) == ["b", "d", "e"]
    assert Book(book).ledger.names() == ["b", "d", "e"]


def test_too_old_to_count() -> None:
    """Not read, and removed by and by."""
    book = Book(keep=1000)
    book.put("x", "a")
    book.bench.clock.advance(2)
    book.bench.clock.advance(1001)
    later = Book(book, keep=1000)
    assert later.get("x") == ""
    later.put("y", "b")
    later.bench.clock.advance(2)
    assert later.rows() == {"y": "b"}


def test_read_once_for_all_who_wait() -> None:
    """They get the same state; one that waits no more takes nothing from the others."""
    book = Book()
    book.put("x", "a")
    run(book.ledger.stop())
    later = Book(book)
    database = later.bench.database
    database.gate, before = Promise(), database.reads
    first, second = Task("1", later.ledger.open("x")), Task("2", later.ledger.open("x"))
    first.cancel()
    database.gate.resolve(None)
    assert database.reads == before + 1
    assert second.done
    database.gate = None
    assert later.get("x") == "a"


def test_changed_while_it_is_written() -> None:
    """The later state is written next."""
    book = Book(most=1)
    book.put("x", "a")
    book.bench.database.gate = Promise()
    book.bench.clock.advance(2)
    book.put("y", "b")  # "x" leaves the memory
    assert book.get("x") == "a"
    book.put("x", "c")
    gate, book.bench.database.gate = book.bench.database.gate, None
    gate.resolve(None)
    book.bench.clock.advance(2)

    assert book.rows() == {"x": "c"} | ({"y": "b"} if "y" in book.rows() else {})
    assert Book(book).get("x") == "c"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small generations."""
    monkeypatch.setattr(acquaintances, "GENERATION", 10)


@pytest.mark.usefixtures("few")
def test_acquaintances_are_bounded() -> None:
    """Those met again are kept, the others go in time."""
    bench = Bench(Limits)
    known = Acquaintances(bench.kit)
    run(known.start())
    friend = Address("friend", "else.test")
    for n in range(500):
        run(known.meet("ann", [Address(f"u{n}", "else.test"), friend]))
    run(known.stop())
    known = Acquaintances(bench.kit)
    run(known.start())

    met = [run(known.knows("ann", Address(f"u{n}", "else.test"))) for n in range(500)]
    assert run(known.knows("ann", friend))
    assert not run(known.knows("bob", friend))
    assert all(met[-30:])
    assert sum(met) <= 80


def test_the_end_waits_for_what_is_being_written() -> None:
    """What the writer has already is on disk when it has stopped."""
    book = Book()
    book.put("x", "a")
    gate = book.bench.database.gate = Promise[None]()
    book.bench.clock.advance(2)

    stopped = Task("stop", book.ledger.stop())
    assert not stopped.done
    book.bench.database.gate = None
    gate.resolve(None)

    assert stopped.done
    assert book.rows() == {"x": "a"}
