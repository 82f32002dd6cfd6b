"""One state of a database, held while others write: copied into another file, or looked into."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self, cast

import apsw

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.schema import UnusableDatabase
from twistedmail_mta.store.space import free_octets
from twistedmail_mta.store.sqlite import connect_reader, create_file, is_disk_full

WAL_LIMIT: Final = 2 * 1024 * 1024 * 1024
"""Octets of WAL up to which a state is held: what others commit meanwhile can't be moved out of there."""

ROOM_LEFT: Final = 256 * 1024 * 1024
"""Octets that must stay free on the database's disk: twice what the server demands for new mail."""

_PAGES_AT_ONCE: Final = 256
_PAUSE: Final = 0.0005
"""Seconds between two pieces, in which a busy server has the disk and the processor."""
_SYNCED_AT_ONCE: Final = 16 * 1024 * 1024
"""Octets of the copy that go to disk together: of more the server's commits would have to wait for longer."""
_FAULTS_SHOWN: Final = 20
_LOOK_EVERY: Final = 100_000
"""Steps of SQLite's machine between looks at the room, in statements that take long."""


class GaveUp(Exception):
    """The state couldn't be held to the end: the database's disk got too full, or the WAL too large."""


class Snapshot:
    """A state of a database that doesn't change for us; a context manager.

    A server goes on writing meanwhile.  All of that stays in the WAL, so
    whoever holds a state for long calls `demand_room` again and again.

    Attributes:
        version: of the schema.
        octets: of the database.
    """

    def __init__(self, path: Path, wal_limit: int = WAL_LIMIT, free: Callable[[Path], int] = free_octets) -> None:
        """Hold the state that is committed now.

        Args:
            path: the database.
            wal_limit: octets of WAL up to which it is held.
            free: asks the system for the free octets of a disk.

        Raises:
            UnusableDatabase: it is no database, or can't be read.
        """
        self._path = path
        self._wal = path.with_name(path.name + "-wal")
        self._wal_limit = wal_limit
        self._free = free
        try:
            self._connection = connect_reader(path)
            try:
                self._connection.pragma("temp_store", 1)  # a file: what is sorted may be large
                self._connection.execute("BEGIN")
                self.version = int(self._connection.pragma("user_version"))
                pages, size = self._connection.pragma("page_count"), self._connection.pragma("page_size")
                list(self._connection.execute("SELECT count(*) FROM sqlite_schema"))
            except BaseException:
                self._connection.close(force=True)
                raise
        except apsw.Error as error:
            raise UnusableDatabase(f"the database {path} can't be used: {error}") from error
        self.octets = int(pages) * int(size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close(force=True)

    @property
    def transaction(self) -> Transaction:
        """What reads it; statements that take long end with `GaveUp` when there is no room any more."""
        self._connection.set_progress_handler(self._look, _LOOK_EVERY)
        return cast(Transaction, self._connection)

    def _look(self) -> bool:
        # An exception that is raised here comes out of the statement.
        self.demand_room()
        return False

    def demand_room(self) -> None:
        """See to it that holding this state doesn't harm the server.

        Raises:
            GaveUp: it would, from now on.
        """
        if self._free(self._path.parent) < ROOM_LEFT:
            raise GaveUp(f"the disk of {self._path.parent} is too full: less than {ROOM_LEFT >> 20} MiB are free")
        if self._wal.exists() and self._wal.stat().st_size > self._wal_limit:
            raise GaveUp(
                f"{self._wal} has grown above {self._wal_limit >> 20} MiB, since the server writes much more quickly "
                "than this reads; do this at a quieter time"
            )

    def copy(self, target: Path, advance: Callable[[int], None]) -> None:
        """Write this state into a new file of its own, which is on disk when this returns.

        Args:
            target: the file; one that exists is written anew.
            advance: told how many octets were copied, again and again.

        Raises:
            GaveUp: see `demand_room`, or no room for the copy.
            UnusableDatabase: the database can't be read to its end.
            OSError: the file can't be made.
        """
        target.unlink(missing_ok=True)
        create_file(target)
        try:
            self._copy(target, advance)
        except apsw.Error as error:
            if is_disk_full(error):
                raise GaveUp(f"there is no room for {target}") from error
            raise UnusableDatabase(f"the database {self._path} can't be copied: {error}") from error
        _sync(target)

    def _copy(self, target: Path, advance: Callable[[int], None]) -> None:
        copy = apsw.Connection(str(target), apsw.SQLITE_OPEN_READWRITE)
        written = os.open(target, os.O_RDWR | os.O_CLOEXEC)
        try:
            copy.pragma("journal_mode", "off")
            copy.pragma("synchronous", 0)
            done, size = 0, int(self._connection.pragma("page_size"))
            with copy.backup("main", self._connection, "main") as backup:
                while not backup.done:
                    self.demand_room()
                    backup.step(_PAGES_AT_ONCE)
                    before, done = done, backup.page_count - backup.remaining
                    advance((done - before) * size)
                    if done * size // _SYNCED_AT_ONCE > before * size // _SYNCED_AT_ONCE:
                        os.fdatasync(written)
                    time.sleep(_PAUSE)
        finally:
            copy.close(force=True)
            os.close(written)


@contextmanager
def still(path: Path) -> Iterator[Transaction]:
    """Read a database that nobody writes, such as a copy; no file is made beside it.

    Raises:
        UnusableDatabase: it is no database, or can't be read.
    """
    try:
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        connection = apsw.Connection(f"{path.absolute().as_uri()}?immutable=1", flags)
        try:
            connection.pragma("cell_size_check", 1)
            yield cast(Transaction, connection)
        finally:
            connection.close(force=True)
    except apsw.Error as error:
        raise UnusableDatabase(f"the database {path} can't be used: {error}") from error


def faults(tx: Transaction, *, thorough: bool = True) -> list[str]:
    """Return what SQLite finds wrong with a database; nothing when it is sound.

    Args:
        tx: reads it.
        thorough: compare indexes with their tables, too.

    Raises:
        GaveUp: see `Snapshot.transaction`.
    """
    pragma = "integrity_check" if thorough else "quick_check"
    try:
        rows: Iterable[tuple[str]] = list(tx.execute(f"PRAGMA {pragma}({_FAULTS_SHOWN})"))
    except (apsw.CorruptError, apsw.NotADBError) as error:
        return [str(error)]
    return [text for (text,) in rows if text != "ok"]


def _sync(path: Path) -> None:
    for each, flags in ((path, os.O_RDWR), (path.parent, os.O_RDONLY | os.O_DIRECTORY)):
        descriptor = os.open(each, flags | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
