"""The database's files and how it is set up, with a reactor or without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import apsw

from twistedmail_mta.store.ballast import Ballast
from twistedmail_mta.store.lock import WriteLock
from twistedmail_mta.store.schema import Migration, UnusableDatabase, migrate, shipped_migrations
from twistedmail_mta.store.space import DiskSpace
from twistedmail_mta.store.sqlite import PATIENCE, connect, connect_reader, create_file, set_format

DATABASE_NAME: Final = "mta.db"
"""The database's file in the state directory."""

BODIES_NAME: Final = "bodies"
"""The directory of large bodies in the state directory."""

MARGIN: Final = 128 * 1024 * 1024
"""Octets that must be free for new mail."""

BALLAST_SIZE: Final = 32 * 1024 * 1024
"""Octets kept back for urgent writes."""


@dataclass(frozen=True, slots=True)
class DatabaseFiles:
    """Where a database is, and what belongs to it.

    Attributes:
        path: the SQLite file; the others lie beside it.
        margin: octets that must be free on its disk for new mail.
        ballast_size: octets kept back for urgent writes.
        migrations: its schema; None for that of this release.
        vfs: the name of an SQLite VFS; None for the ordinary one.
    """

    path: Path
    margin: int = MARGIN
    ballast_size: int = BALLAST_SIZE
    migrations: Sequence[Migration] | None = None
    vfs: str | None = None

    def prepare(self, lock: WriteLock) -> None:
        """Make the file unless it exists, and bring it to the newest schema.

        Raises:
            SchemaError: a newer release has written it.
            UnusableDatabase: it is no database, or can't be opened.
        """
        create_file(self.path)
        with lock:
            try:
                self._prepare()
            except apsw.Error as error:
                raise UnusableDatabase(f"the database {self.path} can't be used: {error}") from error

    def _prepare(self) -> None:
        connection = self.connect()
        try:
            set_format(connection)
            migrate(connection, shipped_migrations() if self.migrations is None else self.migrations)
        finally:
            connection.close()

    def lock(self) -> WriteLock:
        """Open the lock that its writers share."""
        return WriteLock(self.path)

    def space(self) -> DiskSpace:
        """Return the watch on its disk."""
        ballast = Ballast(self.path.with_name("ballast"), self.ballast_size)
        return DiskSpace(self.path.parent, ballast, self.margin)

    def connect(self, patience: float = PATIENCE, checkpoint_every: int = 0) -> apsw.Connection:
        """Open it for writing."""
        return connect(self.path, vfs=self.vfs, patience=patience, checkpoint_every=checkpoint_every)

    def connect_reader(self) -> apsw.Connection:
        """Open it for reading."""
        return connect_reader(self.path, vfs=self.vfs)
