"""A database beside the main one: for what is noted about mail, never for mail, so its last seconds may be lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar, cast

import apsw

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.files import MARGIN
from twistedmail_mta.store.replies import DISK_FULL, STORE_FAILED
from twistedmail_mta.store.schema import Migration, UnusableDatabase, migrate
from twistedmail_mta.store.space import free_octets
from twistedmail_mta.store.sqlite import (
    connect,
    connect_reader,
    create_file,
    is_disk_failure,
    is_disk_full,
    read_transaction,
    roll_back,
    set_format,
)

T = TypeVar("T")

_NORMAL: Final = 1
"""A commit waits for no disk; a crash, even of the system, leaves a sound file that lacks the last of them."""
_CHECKPOINT_EVERY: Final = 4000
"""Pages in the WAL."""
_BROKEN: Final = (apsw.CorruptError, apsw.NotADBError)


class AsideDatabase:
    """Runs functions on the file at once; blocks, so on a thread, or in a command.

    Other processes may read and write it at the same time.
    """

    def __init__(
        self, path: Path, migrations: Sequence[Migration], free: Callable[[Path], int] = free_octets, cache: int = 4
    ) -> None:
        """Open the file, and make it and its schema where needed.

        Args:
            path: the SQLite file.
            migrations: its schema.
            free: asks the system for the free octets of a disk.
            cache: MiB of it that are kept in memory.

        Raises:
            SchemaError: a newer release has written it.
            UnusableDatabase: it is no database, or a broken one.
            TemporaryError: it can't be opened now: the disk fails, or another process keeps it for long.
            OSError: it can't be made.
        """
        self._path = path
        self._free = free
        create_file(path)
        try:
            self._connection = connect(path, checkpoint_every=_CHECKPOINT_EVERY)
            try:
                self._prepare(migrations, cache)
            except BaseException:
                self._connection.close(force=True)
                raise
        except apsw.Error as error:
            words = self._in_our_words(error)
            raise (self._unusable(error) if words is error else words) from error

    def _prepare(self, migrations: Sequence[Migration], cache: int) -> None:
        self._connection.pragma("synchronous", _NORMAL)
        self._connection.pragma("cache_size", -1024 * cache)
        set_format(self._connection)
        migrate(self._connection, migrations)

    def write(self, function: Callable[[Transaction], T]) -> T:
        """Run a function in a transaction and return what it returned.

        What isn't kept leaves the mail's database alone: below its margin of
        free space nothing is written here.

        Raises:
            TemporaryError: nothing of it was kept: the disk is full, or fails.
            UnusableDatabase: the file is broken.
        """
        if self._free(self._path.parent) < MARGIN:
            raise TemporaryError(DISK_FULL)
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = function(cast(Transaction, connection))
                connection.execute("COMMIT")
            except BaseException:
                roll_back(connection)
                raise
        except apsw.Error as error:
            raise self._in_our_words(error) from error
        return result

    def read(self, function: Callable[[Transaction], T]) -> T:
        """Run a function on one consistent state.

        Raises:
            TemporaryError: the disk fails.
            UnusableDatabase: the file is broken.
        """
        try:
            return read_transaction(self._connection, function)
        except apsw.Error as error:
            raise self._in_our_words(error) from error

    def _in_our_words(self, error: apsw.Error) -> Exception:
        if isinstance(error, _BROKEN):
            return self._unusable(error)
        if is_disk_full(error):
            return TemporaryError(DISK_FULL)
        if is_disk_failure(error) or isinstance(error, apsw.BusyError):
            return TemporaryError(STORE_FAILED)
        return error

    def _unusable(self, error: apsw.Error) -> UnusableDatabase:
        return UnusableDatabase(f"the database {self._path} can't be used: {error}")

    @property
    def used(self) -> int:
        """Return the octets of the file that hold something."""
        connection = self._connection
        pages = int(connection.pragma("page_count")) - int(connection.pragma("freelist_count"))
        return pages * int(connection.pragma("page_size"))

    def shrink(self, pages: int) -> None:
        """Give up to so many unused pages back to the system.

        Raises:
            TemporaryError: the disk fails, or another process writes.
            UnusableDatabase: the file is broken.
        """
        try:
            list(self._connection.execute(f"PRAGMA incremental_vacuum({pages:d})"))
        except apsw.Error as error:
            raise self._in_our_words(error) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close(force=True)


def look_aside(path: Path, migrations: Sequence[Migration], function: Callable[[Transaction], T]) -> T | None:
    """Run a function on one consistent state of such a file, whoever writes it meanwhile.

    Args:
        path: the SQLite file; one of an older release is brought to the newest schema.
        migrations: its schema.
        function: reads.

    Returns:
        What it returned; None where there is no such file.

    Raises:
        SchemaError: a newer release has written it.
        UnusableDatabase: it is no database, or can't be read.
        TemporaryError: one of an older release can't be written now.
        OSError: it can't be opened.
    """
    if not path.exists():
        return None
    try:
        connection = connect_reader(path)
        try:
            if int(connection.pragma("user_version")) == len(migrations):
                return read_transaction(connection, function)
        finally:
            connection.close(force=True)
        database = AsideDatabase(path, migrations)
        try:
            return database.read(function)
        finally:
            database.close()
    except apsw.Error as error:
        raise UnusableDatabase(f"the database {path} can't be used: {error}") from error
