"""A database for dry runs: it knows what the real one holds, and whatever is written to it is gone in the end."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar, cast

import apsw
from twisted.internet.interfaces import IReactorFromThreads
from zope.interface import implementer

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDatabase, Transaction
from twistedmail_mta.model import Reply
from twistedmail_mta.store.replies import STORE_FAILED
from twistedmail_mta.store.schema import SchemaError, UnusableDatabase, is_current, migrate, shipped_migrations
from twistedmail_mta.store.sqlite import complete, configure, connect_reader, is_disk_failure, roll_back
from twistedmail_mta.tasks import WorkerPool

T = TypeVar("T")

_BACKLOG: Final = 1000
_KEPT: Final = "kept"
"""What SQLite calls the real database here."""
_WRITES: Final = frozenset({apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE, apsw.SQLITE_DROP_TABLE})
"""What is done to a table that SQLite names first; of these operations it names it elsewhere:"""
_NAMED_SECOND: Final = frozenset({apsw.SQLITE_DROP_INDEX, apsw.SQLITE_ALTER_TABLE})
_TABLE: Final = f"SELECT sql FROM {_KEPT}.sqlite_schema WHERE type = 'table' AND name = ?"  # noqa: S608 - constant
_INDEXES: Final = f"SELECT sql FROM {_KEPT}.sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"  # noqa: S608 - constant

_HERE: Final = "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ?"
_MISSING: Final = re.compile(r"no such table: main\.(\w+)")

OLD_SCHEMA: Final = "the database is of an earlier release; start the server once, so that it is converted"


@implementer(IDatabase)
class Scratch:
    """Reads the real database as it is at each moment, and never writes to it, nor keeps anybody from writing.

    A table that is written to is copied first, into a database of its own
    that SQLite deletes; from then on the copy is read.  Nothing is held
    between two calls, and the real file is opened for reading alone.
    """

    def __init__(self, reactor: IReactorFromThreads, path: Path) -> None:
        """Open it; the file is opened by the first call.

        Args:
            reactor: where results are handed over.
            path: the real database; where there is none, it is taken to be empty.
        """
        self._pool = WorkerPool(reactor, "scratch", 1, _BACKLOG)
        self._path = path
        self._connection: apsw.Connection | None = None
        self._wanted = ""
        self._is_first = False

    async def write(self, function: Callable[[Transaction], T], urgent: bool = False, size: int = 0) -> T:  # noqa: ARG002 - as IDatabase has it
        """Run `function`; what it writes is seen by the calls that follow, and by nobody else.

        Raises:
            SchemaError: the real database isn't of this release.
            UnusableDatabase: it can't be read.
        """
        return await self._pool.run(self._run, function)

    async def read(self, function: Callable[[Transaction], T]) -> T:
        """Run `function`; fails as `write`."""
        return await self._pool.run(self._run, function)

    def refusal(self) -> Reply | None:
        """Nothing speaks against a dry run."""
        return None

    async def close(self) -> None:
        """Forget what was written."""
        await self._pool.run(self._close)
        self._pool.stop()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close(force=True)
            self._connection = None
        if self._is_first:
            connect_reader(self._path).close()  # who may only read leaves SQLite's files behind when it goes last

    def _run(self, function: Callable[[Transaction], T]) -> T:
        try:
            connection = self._opened()
            while True:
                try:
                    return self._in_transaction(connection, function)
                except (apsw.AuthError, apsw.SQLError) as error:
                    if not self._copied(connection, self._wanted or _looked_for(error)):
                        raise
        except (apsw.BusyError, apsw.LockedError) as error:
            raise TemporaryError(STORE_FAILED) from error
        except apsw.Error as error:
            if is_disk_failure(error):
                raise UnusableDatabase(f"the database {self._path} can't be used: {error}") from error
            raise

    @staticmethod
    def _in_transaction(connection: apsw.Connection, function: Callable[[Transaction], T]) -> T:
        connection.execute("BEGIN")
        try:
            result = complete(function(cast(Transaction, connection)))
            connection.execute("COMMIT")
        except BaseException:
            roll_back(connection)
            raise
        return result

    def _opened(self) -> apsw.Connection:
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _open(self) -> apsw.Connection:
        connection = apsw.Connection("", apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI)
        try:
            configure(connection)
            connection.pragma("foreign_keys", 0)  # the rows that copies refer to aren't copied
            if self._path.exists():
                self._attach(connection)
            else:
                migrate(connection, shipped_migrations())
        except BaseException:
            connection.close(force=True)
            raise
        return connection

    def _attach(self, connection: apsw.Connection) -> None:
        is_first = not self._path.with_name(self._path.name + "-wal").exists()
        connection.execute(f"ATTACH ? AS {_KEPT}", (f"{self._path.absolute().as_uri()}?mode=ro",))
        connection.authorizer = self._allow
        is_known = is_current(connection, _KEPT)
        self._is_first = is_first
        if not is_known:
            raise SchemaError(OLD_SCHEMA)

    def _allow(self, operation: int, first: str | None, second: str | None, database: str | None, _: str | None) -> int:
        """Say whether a statement may do what it is about to do, and note which table it wants to write to.

        Changes of the schema are also writes to a table of SQLite's own, and are told by what they are.
        """
        if operation == apsw.SQLITE_ALTER_TABLE:
            database = first
        table = second if operation in _NAMED_SECOND else first
        is_write = operation in _WRITES or operation in _NAMED_SECOND
        if not is_write or database != _KEPT or table is None or table.startswith("sqlite_"):
            return apsw.SQLITE_OK
        self._wanted = table
        return apsw.SQLITE_DENY

    def _copied(self, connection: apsw.Connection, table: str) -> bool:
        """Copy a table, so that it can be written to, without its triggers; return whether there is one to copy."""
        self._wanted = ""
        connection.authorizer = None
        connection.execute("BEGIN")
        try:
            statements = list(connection.execute(_TABLE, (table,)))
            if not statements or list(connection.execute(_HERE, (table,))):
                return False
            connection.execute(statements[0][0])
            connection.execute(f'INSERT INTO main."{table}" SELECT * FROM {_KEPT}."{table}"')  # noqa: S608 - a table's name
            for (statement,) in list(connection.execute(_INDEXES, (table,))):
                connection.execute(statement)
            connection.execute("COMMIT")
        finally:
            roll_back(connection)
            connection.authorizer = self._allow
        return True


def _looked_for(error: apsw.Error) -> str:
    """Return the table that SQLite wants to make an index of: it looks for that in one database alone."""
    missing = _MISSING.search(str(error))
    return missing[1] if missing is not None else ""
