"""A state of the database, held while others write."""

from __future__ import annotations

from pathlib import Path

import pytest

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.schema import UnusableDatabase
from twistedmail_mta.store.snapshot import GaveUp, Snapshot, faults, still
from twistedmail_mta.store.sync import SyncDatabase

ROWS = 3000


def _ignored(_: int) -> None:
    """Nobody looks at the progress."""


def _add(tx: Transaction, number: int) -> None:
    tx.execute("INSERT INTO suspension (kind, name, since) VALUES ('domain', ?, 0.0)", (f"{number}.test" * 100,))


def _count(tx: Transaction) -> int:
    ((number,),) = tx.execute("SELECT count(*) FROM suspension")
    return int(number)


@pytest.fixture
def database(tmp_path: Path) -> SyncDatabase:
    """Return a database of some MiB."""
    database = SyncDatabase(tmp_path / "mta.db")
    database.write(lambda tx: [_add(tx, number) for number in range(ROWS)])
    return database


def test_a_copy_is_the_state_of_one_moment(database: SyncDatabase, tmp_path: Path) -> None:
    """Rows that are written between any two of its pieces aren't in it, and it is sound."""
    written = 0

    def write(_: int) -> None:
        nonlocal written
        number = ROWS + written
        database.write(lambda tx: _add(tx, number))
        written += 1

    with database, Snapshot(tmp_path / "mta.db") as snapshot:
        snapshot.copy(tmp_path / "copy", write)

        assert written >= 5
        assert database.read(_count) == ROWS + written
    with still(tmp_path / "copy") as tx:
        assert _count(tx) == ROWS
        assert faults(tx) == []
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy"]
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600


def test_all_octets_are_told(database: SyncDatabase, tmp_path: Path) -> None:
    """The progress comes to the size of the copy."""
    done: list[int] = []
    with database, Snapshot(tmp_path / "mta.db") as snapshot:
        snapshot.copy(tmp_path / "copy", done.append)

    assert sum(done) == snapshot.octets == (tmp_path / "copy").stat().st_size


def test_it_gives_up_before_the_disk_is_full(database: SyncDatabase, tmp_path: Path) -> None:
    """What the server writes stays in the WAL as long as the state is held."""
    with database, Snapshot(tmp_path / "mta.db", free=lambda _: 1000) as snapshot:
        with pytest.raises(GaveUp, match="too full"):
            snapshot.copy(tmp_path / "copy", _ignored)
        with pytest.raises(GaveUp, match="too full"):
            list(snapshot.transaction.execute("SELECT count(*) FROM suspension a, suspension b"))


def test_it_gives_up_when_the_log_grows(database: SyncDatabase, tmp_path: Path) -> None:
    """A copy that is much slower than the server's writes comes to an end, not to a full disk."""

    def write_much(_: int) -> None:
        database.write(lambda tx: [_add(tx, ROWS + number) for number in range(ROWS)])

    with (
        database,
        Snapshot(tmp_path / "mta.db", wal_limit=4_000_000) as snapshot,
        pytest.raises(GaveUp, match="a quieter time"),
    ):
        snapshot.copy(tmp_path / "copy", write_much)


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    """In words, whether it is held or looked into."""
    (tmp_path / "mta.db").write_bytes(b"no database at all" * 1000)

    with pytest.raises(UnusableDatabase, match="can't be used"), Snapshot(tmp_path / "mta.db"):
        pass
    with pytest.raises(UnusableDatabase, match="can't be used"), still(tmp_path / "mta.db") as tx:
        _count(tx)


def test_a_broken_page_is_found(database: SyncDatabase, tmp_path: Path) -> None:
    """A copy takes it over as it is; looking at it finds it."""
    with database, Snapshot(tmp_path / "mta.db") as snapshot:
        snapshot.copy(tmp_path / "copy", _ignored)
    octets = bytearray((tmp_path / "copy").read_bytes())
    octets[200 * 4096 : 201 * 4096] = bytes(4096)
    (tmp_path / "copy").write_bytes(octets)

    with still(tmp_path / "copy") as tx:
        assert faults(tx, thorough=False) != []
