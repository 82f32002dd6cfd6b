"""Migrations: in order, each whole or not at all, never backwards."""

from __future__ import annotations

import re
from pathlib import Path

import apsw
import pytest
from hand_reactor import HandReactor

from twistedmail_mta.store.database import open_database
from twistedmail_mta.store.schema import Migration, SchemaError, apply, migrate, shipped_migrations

FIRST = Migration(1, "0001_a.sql", "CREATE TABLE a (x); INSERT INTO a VALUES (1); -- a;\nCREATE INDEX i ON a (x)")
SECOND = Migration(2, "0002_b.sql", "UPDATE a SET x = x + 1")
BROKEN = Migration(3, "0003_c.sql", "UPDATE a SET x = 100; INSERT INTO missing VALUES (1)")


@pytest.fixture
def connection() -> apsw.Connection:
    """Return an empty database."""
    return apsw.Connection(":memory:")


def state(connection: apsw.Connection) -> tuple[object, object]:
    """Return the schema's version and the one value."""
    return connection.pragma("user_version"), connection.execute("SELECT x FROM a").get


def test_all_are_applied_once_in_order(connection: apsw.Connection) -> None:
    """A second run finds nothing to do."""
    migrate(connection, [FIRST, SECOND])
    migrate(connection, [FIRST, SECOND])
    assert state(connection) == (2, 2)


def test_an_older_database_gets_what_it_lacks(connection: apsw.Connection) -> None:
    """A new release adds its migrations to those that were applied."""
    migrate(connection, [FIRST])
    assert state(connection) == (1, 1)
    migrate(connection, [FIRST, SECOND])
    assert state(connection) == (2, 2)


def test_a_broken_migration_changes_nothing(connection: apsw.Connection) -> None:
    """Those before it stay, of it nothing does."""
    with pytest.raises(apsw.SQLError):
        migrate(connection, [FIRST, SECOND, BROKEN])
    assert state(connection) == (2, 2)
    assert not connection.in_transaction


def test_a_newer_database_is_refused(connection: apsw.Connection) -> None:
    """An older release must not write what it doesn't know; the error says why."""
    migrate(connection, [FIRST, SECOND])
    with pytest.raises(SchemaError, match=r"schema version 2.*knows only 1.*newer release"):
        migrate(connection, [FIRST])
    assert state(connection) == (2, 2)


def test_two_processes_migrate_once(connection: apsw.Connection) -> None:
    """Whoever comes second sees in its transaction that the work is done."""
    migrate(connection, [FIRST, SECOND])
    apply(connection, SECOND)
    assert state(connection) == (2, 2)


def test_shipped_ones_are_numbered_without_a_gap() -> None:
    """A database must not be able to miss one."""
    migrations = shipped_migrations()
    assert [migration.number for migration in migrations] == list(range(1, len(migrations) + 1))
    assert migrations


def test_shipped_ones_leave_the_transaction_alone() -> None:
    """Each runs in one transaction, which a statement of its own would end."""
    words = re.compile(r"(?:^|;)\s*(?:BEGIN|COMMIT|ROLLBACK|SAVEPOINT|PRAGMA|VACUUM|ATTACH)\b", re.IGNORECASE)
    for migration in shipped_migrations():
        without_comments = re.sub(r"--.*", "", migration.statements)
        assert words.search(without_comments) is None, migration.name


def test_the_shipped_schema_opens(hand: HandReactor, tmp_path: Path) -> None:
    """A new site starts with it, in the form that is kept, and opens again."""
    for _ in range(2):
        database = open_database(hand, tmp_path / "mta.db", margin=0, ballast_size=4096)
        version = hand.wait(database.read(lambda transaction: list(transaction.execute("PRAGMA user_version"))))
        assert version == [(len(shipped_migrations()),)]
        hand.wait(database.close())
