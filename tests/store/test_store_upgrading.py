"""What a database of an older release lacks: told, tried on a copy, done."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from twistedmail_mta.store.schema import Migration, SchemaError, UnusableDatabase, shipped_migrations
from twistedmail_mta.store.upgrading import outlook, rehearsal, upgrade, version_of

FIRST = Migration(1, "0001_a.sql", "CREATE TABLE a (x); INSERT INTO a VALUES (1)")
SECOND = Migration(2, "0002_b.sql", "UPDATE a SET x = x + 1")
BROKEN = Migration(3, "0003_c.sql", "UPDATE a SET x = 100; INSERT INTO missing VALUES (1)")
DANGLING = Migration(
    3, "0003_d.sql", "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id) DEFERRABLE)"
)


def _ignored(_: int) -> None:
    """Nobody looks at the progress."""


def state(path: Path) -> tuple[object, object]:
    connection = apsw.Connection(str(path))
    try:
        return connection.pragma("user_version"), connection.execute("SELECT x FROM a").get
    finally:
        connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a database of the first release."""
    path = tmp_path / "mta.db"
    apsw.Connection(str(path)).close()
    upgrade_from_nothing(path, [FIRST])
    return path


def upgrade_from_nothing(path: Path, migrations: list[Migration]) -> None:
    path.touch()
    upgrade(path, migrations)


def test_what_is_to_be_done(path: Path) -> None:
    """It is told, and nothing is done."""
    found = outlook(path, [FIRST, SECOND])

    assert (found.version, found.newest, [each.name for each in found.steps]) == (1, 2, ["0002_b.sql"])
    assert found.steps[0].seconds is None
    assert state(path) == (1, 1)


def test_a_rehearsal_changes_a_copy(path: Path, tmp_path: Path) -> None:
    """What is applied to it is timed; the database stays what it was."""
    found = rehearsal(path, [FIRST, SECOND], tmp_path / "copy", _ignored)

    assert [each.name for each in found.steps] == ["0002_b.sql"]
    assert found.steps[0].seconds is not None
    assert found.faults == ()
    assert (state(path), state(tmp_path / "copy")) == ((1, 1), (2, 2))


def test_it_is_done(path: Path) -> None:
    """Once."""
    assert [each.name for each in upgrade(path, [FIRST, SECOND])] == ["0002_b.sql"]
    assert upgrade(path, [FIRST, SECOND]) == ()
    assert state(path) == (2, 2)


def test_a_migration_that_fails_is_named(path: Path, tmp_path: Path) -> None:
    """In the rehearsal already, which leaves the database alone; what was before it is done else."""
    with pytest.raises(UnusableDatabase, match=r"migration 0003_c\.sql failed, and changed nothing: .*missing"):
        rehearsal(path, [FIRST, SECOND, BROKEN], tmp_path / "copy", _ignored)
    assert state(path) == (1, 1)
    with pytest.raises(UnusableDatabase, match=r"0003_c\.sql"):
        upgrade(path, [FIRST, SECOND, BROKEN])
    assert state(path) == (2, 2)


def test_rows_that_name_nothing_are_found_afterwards(path: Path, tmp_path: Path) -> None:
    """They may have been there before: whoever upgrades should know."""
    upgrade(path, [FIRST, SECOND, DANGLING])
    connection = apsw.Connection(str(path))
    connection.execute("INSERT INTO c VALUES (7)")
    connection.close()

    found = rehearsal(path, [FIRST, SECOND, DANGLING], tmp_path / "copy", _ignored)

    assert found.faults == ("c, row 1, names a row of p that isn't there",)


def test_a_newer_database_is_refused(path: Path, tmp_path: Path) -> None:
    """By its name, in all three, and by nobody changed."""
    upgrade(path, [FIRST, SECOND])
    words = r"the database mta\.db has schema version 2, but this release knows only 1"
    with pytest.raises(SchemaError, match=words):
        outlook(path, [FIRST])
    with pytest.raises(SchemaError, match=words.replace(r"mta\.db", "copy")):
        rehearsal(path, [FIRST], tmp_path / "copy", _ignored)
    with pytest.raises(SchemaError, match=words):
        upgrade(path, [FIRST])
    assert state(path) == (2, 2)


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    """Where there is no database, or an empty file, there is none."""
    (tmp_path / "empty.db").touch()

    assert version_of(tmp_path / "mta.db") == version_of(tmp_path / "empty.db") == 0
    assert outlook(tmp_path / "mta.db", shipped_migrations()).steps == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.db"]
