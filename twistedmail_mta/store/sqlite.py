"""Connections to the SQLite file, and what their errors mean."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar, cast

import apsw

from twistedmail_mta.interfaces import Transaction

T = TypeVar("T")

BUSY_POLL: Final = 0.0003
"""Seconds between two tries for a lock of SQLite's."""

PATIENCE: Final = 10.0
"""Seconds after which a lock that another process holds is an error."""

_PAGE_SIZE: Final = 4096
_CACHE_SIZE: Final = 4  # MiB
_WAL_SIZE_KEPT: Final = 64 * 1024 * 1024
_DISK_ERRORS: Final = (
    apsw.IOError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.CantOpenError,
    apsw.ProtocolError,
    apsw.NoMemError,
    apsw.InternalError,
    apsw.PermissionsError,
)


def create_file(path: Path) -> None:
    """Make an empty database file that only its owner can read, unless it exists.

    SQLite gives its other files the mode of this one.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.close(descriptor)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def connect(
    path: Path, *, vfs: str | None = None, patience: float = PATIENCE, checkpoint_every: int = 0
) -> apsw.Connection:
    """Open the file for reading and writing.

    Args:
        path: the database file; made before by `create_file`.
        vfs: the name of an SQLite VFS; None for the ordinary one.
        patience: seconds to wait for SQLite's own locks.
        checkpoint_every: pages in the WAL after which a commit checkpoints; 0
            where a thread does that.

    Raises:
        apsw.Error: it can't be opened, or is no database.
    """
    connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
    try:
        configure(connection, patience, checkpoint_every)
    except BaseException:
        connection.close(force=True)
        raise
    return connection


def configure(connection: apsw.Connection, patience: float = PATIENCE, checkpoint_every: int = 0) -> None:
    """Let a connection behave as all of ours do; arguments as `connect`."""
    connection.set_busy_handler(_waiting_for(patience))
    connection.pragma("synchronous", 2)  # full: a commit is on disk when it returns
    connection.pragma("wal_autocheckpoint", checkpoint_every)
    connection.pragma("journal_size_limit", _WAL_SIZE_KEPT)
    connection.pragma("cache_size", -1024 * _CACHE_SIZE)
    connection.pragma("temp_store", 2)  # memory
    connection.pragma("foreign_keys", 1)
    connection.pragma("trusted_schema", 0)


def set_format(connection: apsw.Connection) -> None:
    """Give an empty file the form that it keeps."""
    if not connection.pragma("page_count"):
        connection.pragma("page_size", _PAGE_SIZE)
        connection.pragma("auto_vacuum", 2)  # incremental
    connection.pragma("journal_mode", "wal")


def connect_reader(path: Path, *, vfs: str | None = None) -> apsw.Connection:
    """Open the file for reading only.

    It is opened for writing underneath: a reader may have to recover the WAL.
    """
    connection = connect(path, vfs=vfs)
    connection.pragma("query_only", 1)
    return connection


def _waiting_for(patience: float) -> Callable[[int], bool]:
    tries = int(patience / BUSY_POLL)

    def wait(count: int) -> bool:
        time.sleep(BUSY_POLL)
        return count < tries

    return wait


def roll_back(connection: apsw.Connection) -> None:
    """End the transaction that an exception has broken, if there still is one.

    After SQLITE_FULL or an input/output error SQLite may have rolled back by
    itself; whatever was executed then would be a transaction of its own.
    """
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def read_transaction(connection: apsw.Connection, function: Callable[[Transaction], T]) -> T:
    """Run `function` on one consistent state of a reader's connection."""
    connection.execute("BEGIN")
    try:
        return complete(function(cast(Transaction, connection)))
    finally:
        roll_back(connection)


def complete(result: T) -> T:
    """Return the result of a function that has read all its rows.

    Raises:
        TypeError: it returned a cursor: that would read on after its
            transaction, on another thread, and keep the WAL from ever ending.
    """
    if isinstance(result, apsw.Cursor):
        raise TypeError("a transaction's function returned a cursor; it must read the rows itself")
    return result


def is_disk_full(error: BaseException) -> bool:
    """Whether `error` says that there is no room; the shared memory's file counts too."""
    if isinstance(error, apsw.IOError):
        return bool(getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE)
    return isinstance(error, apsw.FullError)


def is_disk_failure(error: BaseException) -> bool:
    """Whether after `error` nothing that the connection holds can be trusted."""
    return isinstance(error, _DISK_ERRORS) and not is_disk_full(error)
