"""A database with one small table, for tests of the store."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

from hand_reactor import PATIENCE

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.database import Database
from twistedmail_mta.store.schema import Migration

WORDS = (
    Migration(1, "0001_words.sql", "CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT"),
)

Open = Callable[..., Database]


def insert(text: str) -> Callable[[Transaction], int]:
    """Return a function that inserts a word and returns its id."""

    def run(transaction: Transaction) -> int:
        ((number,),) = transaction.execute("INSERT INTO word (text) VALUES (?) RETURNING id", (text,))
        return int(number)

    return run


def words(transaction: Transaction) -> list[str]:
    """Return all words, in the order of their ids."""
    return [text for (text,) in transaction.execute("SELECT text FROM word ORDER BY id")]


class Gate:
    """A job that keeps the writer until it is opened, so that what comes after forms one group."""

    def __init__(self, database: Database) -> None:
        self._reached, self._opened = Event(), Event()
        self.written = database.write(self._wait)
        assert self._reached.wait(PATIENCE)

    def _wait(self, _: Transaction) -> None:
        self._reached.set()
        assert self._opened.wait(PATIENCE)

    def open(self) -> None:
        self._opened.set()
