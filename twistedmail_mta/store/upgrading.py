"""What a database of an older release lacks: told, tried on a copy, or done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from twistedmail_mta.store.schema import Migration, UnusableDatabase, apply, demand_known, pending
from twistedmail_mta.store.snapshot import Snapshot, faults, still
from twistedmail_mta.store.sqlite import connect, set_format

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Step:
    """A migration that a database lacks.

    Attributes:
        name: its file.
        seconds: how long it took; None: it wasn't applied.
    """

    name: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What is to be done to a database, or was.

    Attributes:
        version: of its schema; 0: it has none yet.
        newest: that of this release.
        octets: of the database.
        steps: in between.
        faults: what SQLite finds wrong with it afterwards.
    """

    version: int
    newest: int
    octets: int
    steps: tuple[Step, ...]
    faults: tuple[str, ...] = field(default=())


def version_of(path: Path) -> int:
    """Return the version of a database's schema, 0 where there is none yet; its file isn't changed.

    Raises:
        UnusableDatabase: it is no database, or can't be read.
    """
    if not path.exists() or not path.stat().st_size:
        return 0
    with Snapshot(path) as snapshot:
        return snapshot.version


def outlook(path: Path, migrations: Sequence[Migration]) -> Upgrade:
    """Return what a database lacks; nothing of one that isn't there.

    Raises:
        SchemaError: it was written by a newer release.
        UnusableDatabase: it is no database, or can't be read.
    """
    newest = migrations[-1].number
    if not path.exists() or not path.stat().st_size:
        return Upgrade(0, newest, 0, ())
    with Snapshot(path) as snapshot:
        demand_known(path.name, snapshot.version, migrations)
        steps = tuple(Step(each.name) for each in migrations if each.number > snapshot.version)
        return Upgrade(snapshot.version, newest, snapshot.octets, steps)


def rehearsal(path: Path, migrations: Sequence[Migration], copy: Path, advance: Advance) -> Upgrade:
    """Do to a copy what a database lacks, and look at what has become of it.

    Args:
        path: the database; its server may run.
        migrations: of this release.
        copy: where the copy is made; the caller's to remove.
        advance: told of the octets copied.

    Raises:
        GaveUp: there is no room for that.
        SchemaError: as `outlook`.
        UnusableDatabase: likewise; or a migration failed, and the text says which.
    """
    with Snapshot(path) as snapshot:
        snapshot.copy(copy, advance)
        version, octets = snapshot.version, snapshot.octets
    steps = upgrade(copy, migrations)
    with still(copy) as tx:
        found = faults(tx, thorough=False)
        found += [f"{table}, row {row}, names a row of {parent} that isn't there"
                  for table, row, parent, _ in tx.execute("PRAGMA foreign_key_check")]  # fmt: skip
    return Upgrade(version, migrations[-1].number, octets, steps, tuple(found))


def upgrade(path: Path, migrations: Sequence[Migration]) -> tuple[Step, ...]:
    """Do to a database what it lacks, each step in a transaction of its own.

    Raises:
        SchemaError: as `outlook`.
        UnusableDatabase: likewise; or a migration failed, and changed nothing, while those before it stay.
    """
    try:
        connection = connect(path)
        try:
            set_format(connection)
            return tuple(_applied(connection, each) for each in pending(connection, migrations))
        finally:
            connection.close()
    except apsw.Error as error:
        raise UnusableDatabase(f"the database {path} can't be used: {error}") from error


def _applied(connection: apsw.Connection, migration: Migration) -> Step:
    begun = time.monotonic()
    try:
        apply(connection, migration)
    except apsw.Error as error:
        raise UnusableDatabase(f"the migration {migration.name} failed, and changed nothing: {error}") from error
    return Step(migration.name, time.monotonic() - begun)
