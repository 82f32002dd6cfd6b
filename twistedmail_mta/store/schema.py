"""Brings a database to the newest schema, one numbered migration after the other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

import apsw

from twistedmail_mta.store.sqlite import roll_back

_FILE_NAME: Final = re.compile(r"(\d{4})_\w+\.sql")


class SchemaError(Exception):
    """The database can't be brought to the schema that this release knows."""


class UnusableDatabase(Exception):
    """It is no database, or it can't be opened."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema: SQL statements that run in one transaction.

    Attributes:
        number: the schema's version once it is applied, from 1 on.
        name: the file it is in.
        statements: SQL; no BEGIN, COMMIT or PRAGMA.
    """

    number: int
    name: str
    statements: str


def shipped_migrations() -> tuple[Migration, ...]:
    """Return the migrations of this release, in order.

    Raises:
        SchemaError: two files have the same number.
    """
    found = [
        Migration(int(match[1]), entry.name, entry.read_text("utf-8"))
        for entry in files("twistedmail_mta.store.migrations").iterdir()
        if (match := _FILE_NAME.fullmatch(entry.name))
    ]
    if len({migration.number for migration in found}) < len(found):
        raise SchemaError("two migrations have the same number")
    return tuple(sorted(found, key=lambda migration: migration.number))


def migrate(connection: apsw.Connection, migrations: Sequence[Migration]) -> None:
    """Apply the migrations that the database doesn't have yet, each in a transaction of its own.

    Safe to run in several processes at once.

    Raises:
        SchemaError: the database was written by a newer release.
        apsw.Error: a migration failed; those before it stay applied.
    """
    for migration in pending(connection, migrations):
        apply(connection, migration)


def pending(connection: apsw.Connection, migrations: Sequence[Migration]) -> tuple[Migration, ...]:
    """Return the migrations that the database doesn't have yet, in order.

    Raises:
        SchemaError: the database was written by a newer release.
    """
    version = _version(connection)
    demand_known(Path(connection.filename).name, version, migrations)
    return tuple(migration for migration in migrations if migration.number > version)


def demand_known(name: str, version: int, migrations: Sequence[Migration]) -> None:
    """See to it that this release knows a schema.

    Args:
        name: of the database's file; empty for one in memory.
        version: of its schema.
        migrations: those of this release.

    Raises:
        SchemaError: it doesn't.
    """
    known = max((migration.number for migration in migrations), default=0)
    if version > known:
        raise SchemaError(
            f"the database{f' {name}' if name else ''} has schema version {version}, but this release knows only "
            f"{known}: it was written by a newer release"
        )


def is_current(connection: apsw.Connection, database: str = "main") -> bool:
    """Return whether a database, by what the connection calls it, has the schema of this release."""
    return _version(connection, database) == max(migration.number for migration in shipped_migrations())


def _version(connection: apsw.Connection, database: str = "main") -> int:
    return int(connection.pragma("user_version", schema=database))


def apply(connection: apsw.Connection, migration: Migration) -> None:
    """Apply a migration in a transaction, unless another process was faster.

    Raises:
        apsw.Error: it failed, and changed nothing.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        if migration.number > _version(connection):
            connection.execute(migration.statements)
            connection.pragma("user_version", migration.number)
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise
