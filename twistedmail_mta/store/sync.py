"""The database without a reactor: for commands that run beside the server, or without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar, cast

import apsw

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.files import DatabaseFiles
from twistedmail_mta.store.group import Committer, Job
from twistedmail_mta.store.lock import LockTimeout
from twistedmail_mta.store.replies import STORE_BUSY, STORE_FAILED
from twistedmail_mta.store.schema import Migration, UnusableDatabase, is_current
from twistedmail_mta.store.sqlite import is_disk_failure, read_transaction

T = TypeVar("T")

_CHECKPOINT_EVERY: Final = 1000  # pages


class SyncDatabase:
    """Runs the same functions as `Database`, at once, and returns when they are done.

    A context manager.  Its user first becomes the owner of the state directory
    (`owner.act_as_owner_of`).
    """

    def __init__(self, path: Path, *, migrations: Sequence[Migration] | None = None, vfs: str | None = None) -> None:
        """Open the database, making it and its schema where needed.

        Args:
            path: the SQLite file.
            migrations: the schema; that of this release unless a test says otherwise.
            vfs: the name of an SQLite VFS; the ordinary one unless a test says otherwise.

        Raises:
            SchemaError: a newer release has written it.
            UnusableDatabase: it is no database, or can't be opened.
            TemporaryError: others have kept it locked for too long.
            OSError: a file can't be made.
        """
        try:
            self._open(DatabaseFiles(path, migrations=migrations, vfs=vfs))
        except (LockTimeout, UnusableDatabase, apsw.Error) as error:
            if _is_busy(error):
                raise TemporaryError(STORE_BUSY) from error
            raise

    def _open(self, files: DatabaseFiles) -> None:
        self._lock = files.lock()
        files.prepare(self._lock)
        connect = partial(files.connect, checkpoint_every=_CHECKPOINT_EVERY)
        self._committer = Committer(connect, self._lock, files.space(), lambda _: None)
        self._reader = files.connect_reader()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._reader.close()
        self._committer.close()
        self._lock.close()

    def write(self, function: Callable[[Transaction], T], urgent: bool = False) -> T:
        """Run `function` in a transaction and return what it returned, once that is on disk.

        Args:
            function: the body of the transaction; it may run twice.
            urgent: it may use the space of the ballast when the disk is full.

        Raises:
            TemporaryError: nothing of it was kept: disk full or input/output error.
            Exception: what `function` raised; nothing of it was kept.
        """
        outcome = self._committer.commit([Job(function, urgent)])[0]
        self._lock.let_others()
        if outcome.error is not None:
            raise outcome.error
        return cast(T, outcome.result)

    def read(self, function: Callable[[Transaction], T]) -> T:
        """Run `function` on one consistent state.

        Raises:
            TemporaryError: the disk failed.
        """
        try:
            return read_transaction(self._reader, function)
        except apsw.Error as error:
            if is_disk_failure(error) or isinstance(error, apsw.BusyError):
                raise TemporaryError(STORE_FAILED) from error
            raise


def _is_busy(error: Exception) -> bool:
    return isinstance(error, LockTimeout) or isinstance(error.__cause__ or error, apsw.BusyError | apsw.LockedError)


def look_into(path: Path, function: Callable[[Transaction], T]) -> T | None:
    """Run `function` on one consistent state of a database that is left as it is.

    Returns:
        What it returned; None when the schema isn't that of this release.

    Raises:
        UnusableDatabase: it is no database, or can't be read.
    """
    files = DatabaseFiles(path)
    try:
        connection = files.connect_reader()
        try:
            return read_transaction(connection, function) if is_current(connection) else None
        finally:
            connection.close()
    except apsw.Error as error:
        raise UnusableDatabase(f"the database {path} can't be used: {error}") from error
