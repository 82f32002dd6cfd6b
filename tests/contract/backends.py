"""The databases of this release, each as an operator or a server has it."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar, cast

from hand_reactor import HandReactor

from twistedmail_mta.cli.offline import ImmediateDatabase, ImmediatePool
from twistedmail_mta.interfaces import IDatabase
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.database import Database
from twistedmail_mta.store.files import DatabaseFiles
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.tasks import WorkerPool

T = TypeVar("T")

ACCOUNT = """
INSERT INTO accounts (id, address, enabled, protocols, credential_version, created_at) VALUES (?, ?, 1, 'pop3', 1, 0.0)
ON CONFLICT DO NOTHING
"""


class Backend:
    """A database and a body store in a directory, and a way to wait for them."""

    database: IDatabase
    bodies: BodyStore

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Return the result of what is awaited."""
        raise NotImplementedError

    def close(self) -> None:
        """Close every file."""
        raise NotImplementedError

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Read rows."""
        return self.wait(self.database.read(lambda tx: list(tx.execute(sql, parameters))))

    def add_accounts(self, count: int) -> None:
        """Add accounts that mail can be kept for."""
        rows = [(number, f"user{number}@example.org") for number in range(1, count + 1)]
        self.wait(self.database.write(lambda tx: list(tx.executemany(ACCOUNT, rows))))


class ServerBackend(Backend):
    """As a server has it: on threads."""

    def __init__(self, directory: Path) -> None:
        self._hand = HandReactor()
        self._pool = WorkerPool(self._hand, "io", 2, 100)
        self._database = Database(self._hand, DatabaseFiles(directory / "mta.db", 0, 4096))
        self.database = self._database
        self.bodies = BodyStore(self._pool, directory / "bodies", inline_limit=1000)

    def wait(self, awaitable: Awaitable[T]) -> T:
        return self._hand.wait(awaitable)

    def close(self) -> None:
        self.wait(self.bodies.close())
        self.wait(self._database.close())
        self._pool.stop()


class CommandBackend(Backend):
    """As the `mta` command has it: at once."""

    def __init__(self, directory: Path) -> None:
        self._sync = SyncDatabase(directory / "mta.db")
        self.database = ImmediateDatabase(self._sync)
        self.bodies = BodyStore(cast(WorkerPool, ImmediatePool()), directory / "bodies", inline_limit=1000)

    def wait(self, awaitable: Awaitable[T]) -> T:
        steps = awaitable.__await__()
        try:
            next(steps)
        except StopIteration as end:
            return cast(T, end.value)
        raise AssertionError("it waits, and nothing can come")

    def close(self) -> None:
        self.wait(self.bodies.close())
        self._sync.close()


BACKENDS: dict[str, type[ServerBackend | CommandBackend]] = {"server": ServerBackend, "command": CommandBackend}
