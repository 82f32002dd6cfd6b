"""The database of dry runs: it reads what is there, and whatever is written to it is nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hand_reactor import HandReactor

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.schema import SchemaError, UnusableDatabase
from twistedmail_mta.store.scratch import Scratch
from twistedmail_mta.store.sync import SyncDatabase

INSERT = "INSERT INTO fruit (name, weight) VALUES (?, ?)"
NAMES = "SELECT name FROM fruit ORDER BY name"


def run(statement: str, *parameters: object) -> Any:
    def function(tx: Transaction) -> list[tuple[Any, ...]]:
        return list(tx.execute(statement, parameters))

    return function


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with a table that holds an apple, with an index and a trigger."""
    path = tmp_path / "mta.db"
    with SyncDatabase(path) as database:
        database.write(run("CREATE TABLE fruit (name TEXT UNIQUE NOT NULL, weight INTEGER NOT NULL) STRICT"))
        database.write(run("CREATE INDEX by_weight ON fruit (weight)"))
        database.write(run("CREATE TABLE eaten (name TEXT)"))
        database.write(run("CREATE TRIGGER eat AFTER DELETE ON fruit BEGIN INSERT INTO eaten VALUES (old.name); END"))
        database.write(run(INSERT, "apple", 100))
    return path


@pytest.fixture
def reactor() -> HandReactor:
    return HandReactor()


@pytest.fixture
def scratch(path: Path, reactor: HandReactor) -> Iterator[Scratch]:
    scratch = Scratch(reactor, path)
    yield scratch
    reactor.wait(scratch.close())


def kept(path: Path) -> list[tuple[Any, ...]]:
    with SyncDatabase(path) as database:
        return database.read(run(NAMES))


def test_what_is_written_is_seen_here_alone(path: Path, reactor: HandReactor, scratch: Scratch) -> None:
    """Inserts, changes and deletions; the file has what it had, and so has a dry run that begins after that."""
    reactor.wait(scratch.write(run(INSERT, "pear", 150)))
    assert reactor.wait(scratch.read(run(NAMES))) == [("apple",), ("pear",)]
    reactor.wait(scratch.write(run("UPDATE fruit SET name = 'quince' WHERE name = 'pear'")))
    reactor.wait(scratch.write(run("DELETE FROM fruit WHERE name = 'apple'")))
    assert reactor.wait(scratch.read(run(NAMES))) == [("quince",)]

    assert kept(path) == [("apple",)]
    other = Scratch(reactor, path)
    assert reactor.wait(other.read(run(NAMES))) == [("apple",)]
    reactor.wait(other.close())


def test_the_octets_of_the_file_stay(path: Path, reactor: HandReactor) -> None:
    """Also those: nothing is converted or tidied up in passing, and no file of SQLite's is left beside it."""
    before, beside = path.read_bytes(), sorted(path.parent.iterdir())

    scratch = Scratch(reactor, path)
    reactor.wait(scratch.write(run(INSERT, "pear", 150)))
    reactor.wait(scratch.close())

    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == beside


def test_constraints_hold(reactor: HandReactor, scratch: Scratch) -> None:
    """A copy is as strict as its table, and a function that fails leaves nothing behind."""

    def two(tx: Transaction) -> None:
        tx.execute(INSERT, ("pear", 1))
        tx.execute(INSERT, ("apple", 1))

    with pytest.raises(Exception, match="UNIQUE"):
        reactor.wait(scratch.write(two))
    assert reactor.wait(scratch.read(run(NAMES))) == [("apple",)]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE fruit ADD COLUMN colour TEXT",
        "CREATE INDEX by_both ON fruit (name, weight)",
        "CREATE TABLE nut (name TEXT)",
        "INSERT INTO fruit VALUES ('apple', 7) ON CONFLICT (name) DO UPDATE SET weight = 7 RETURNING name",
        "DROP INDEX by_weight",
        "DROP TABLE eaten",
    ],
)
def test_migrations_of_plugins_can_be_made(statement: str, path: Path, reactor: HandReactor, scratch: Scratch) -> None:
    """Those of a plugin that no server has started yet; the schema of the file stays as it was."""

    def schema() -> list[tuple[Any, ...]]:
        with SyncDatabase(path) as database:
            return database.read(run("SELECT type, name, sql FROM sqlite_schema ORDER BY name"))

    before = schema()
    reactor.wait(scratch.write(run(statement)))
    assert schema() == before


def test_commits_of_others_are_seen(path: Path, reactor: HandReactor, scratch: Scratch) -> None:
    """Of tables that weren't written to here, and nobody has to wait for a dry run."""
    assert reactor.wait(scratch.read(run(NAMES))) == [("apple",)]
    with SyncDatabase(path) as database:
        database.write(run(INSERT, "fig", 20))
    assert reactor.wait(scratch.read(run(NAMES))) == [("apple",), ("fig",)]
    reactor.wait(scratch.write(run(INSERT, "pear", 150)))
    with SyncDatabase(path) as database:
        database.write(run(INSERT, "plum", 30))
    assert reactor.wait(scratch.read(run(NAMES))) == [("apple",), ("fig",), ("pear",)]


def test_where_there_is_no_database(tmp_path: Path, reactor: HandReactor) -> None:
    """A site that was never started has nothing in it, and gets no file by being asked about."""
    scratch = Scratch(reactor, tmp_path / "mta.db")
    assert reactor.wait(scratch.read(run("SELECT count(*) FROM accounts"))) == [(0,)]
    reactor.wait(scratch.close())
    assert list(tmp_path.iterdir()) == []


def test_another_schema_is_said(path: Path, reactor: HandReactor, scratch: Scratch) -> None:
    """What it means to this release nobody knows."""
    with SyncDatabase(path) as database:
        database.write(run("PRAGMA user_version = 1"))
    with pytest.raises(SchemaError, match="start the server once"):
        reactor.wait(scratch.read(run(NAMES)))


def test_a_file_that_is_no_database(tmp_path: Path, reactor: HandReactor) -> None:
    """Said in words, and nothing else goes wrong with it."""
    path = tmp_path / "mta.db"
    path.write_bytes(b"no database" * 1000)
    scratch = Scratch(reactor, path)
    with pytest.raises(UnusableDatabase, match="file is not a database"):
        reactor.wait(scratch.read(run(NAMES)))
    reactor.wait(scratch.close())
    assert list(tmp_path.iterdir()) == [path]
