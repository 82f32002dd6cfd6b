"""The database of a running server: SQLite behind threads, with grouped commits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Thread
from typing import ClassVar, Final, TypeVar

from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.interfaces import IDatabase, Transaction
from twistedmail_mta.model import Reply
from twistedmail_mta.observe import catalogue
from twistedmail_mta.observe.catalogue import Reading
from twistedmail_mta.store.checkpoint import Checkpointer
from twistedmail_mta.store.files import BALLAST_SIZE, MARGIN, DatabaseFiles
from twistedmail_mta.store.group import Committer, Job
from twistedmail_mta.store.readers import Readers
from twistedmail_mta.store.replies import DISK_FULL
from twistedmail_mta.store.writer import Writer
from twistedmail_mta.tasks import Promise, WorkerPool

T = TypeVar("T")

_CHECKPOINT_PATIENCE: Final = 0.02
_PAGES_AT_ONCE: Final = 256


@implementer(IDatabase)
class Database:
    """Durable rows in one SQLite file; used on the reactor's thread.

    Its threads and connections don't survive a fork: it is opened after the
    program has put itself into the background.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, reactor: IReactorFromThreads, files: DatabaseFiles) -> None:
        """Open the database; `open_database` says how."""
        self._reactor = reactor
        self._lock = files.lock()
        files.prepare(self._lock)
        self._space = files.space()
        self._space.look()
        self._committer = Committer(files.connect, self._lock, self._space, self._report)
        self._checkpointer = Checkpointer(
            partial(files.connect, _CHECKPOINT_PATIENCE), self._space, self._shrink, self._report
        )
        self._readers = Readers(reactor, files.connect_reader, self._report)
        self._writer = Writer(reactor, self._committer, self._lock, self._checkpointer.wrote)
        self._closed: Promise[None] | None = None

    @property
    def commits(self) -> int:
        """How many transactions this process has committed."""
        return self._committer.commits

    def readings(self) -> list[Reading]:
        """Return how its writer does."""
        committer, writer = self._committer, self._writer
        spreads = (
            (catalogue.COMMIT, committer.took),
            (catalogue.GROUPED, committer.grouped),
            (catalogue.WAITED, writer.waited),
        )
        return [*((family, (), spread) for family, spread in spreads), (catalogue.WRITES, (), writer.waiting)]

    @property
    def pool(self) -> WorkerPool:
        """The threads that read."""
        return self._readers.pool

    def write(self, function: Callable[[Transaction], T], urgent: bool = False, size: int = 0) -> Promise[T]:
        """Run `function` in a transaction of the next group (`IDatabase.write`)."""
        return self._writer.write(Job(function, urgent, size))

    async def read(self, function: Callable[[Transaction], T]) -> T:
        """Run `function` on one consistent state (`IDatabase.read`)."""
        return await self._readers.read(function)

    def refusal(self) -> Reply | None:
        """Return why no new mail should be begun now, or None."""
        return DISK_FULL if self._space.low else self._writer.refusal()

    async def close(self) -> None:
        """Finish what waits, and close the files; from now on every write is refused."""
        if self._closed is None:
            self._closed = Promise()
            self._writer.stop()
            Thread(target=self._close, args=(self._closed,), name="store-close", daemon=True).start()
        await self._closed

    def _close(self, closed: Promise[None]) -> None:
        try:
            self._writer.join()
            self._readers.stop()
            self._checkpointer.stop()
            self._lock.close()
        except BaseException as error:  # noqa: BLE001 - carried to the one who waits
            self._reactor.callFromThread(closed.fail, error)
        else:
            self._reactor.callFromThread(closed.resolve, None)

    def _shrink(self) -> None:
        self._reactor.callFromThread(self.write, _give_pages_back, urgent=True)

    def _report(self, error: BaseException) -> None:
        self._reactor.callFromThread(
            self.log.warn, "the database failed: {reason}", reason=str(error), event="store.failed"
        )


def _give_pages_back(transaction: Transaction) -> None:
    list(transaction.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})"))


def open_database(
    reactor: IReactorFromThreads,
    path: Path,
    *,
    margin: int = MARGIN,
    ballast_size: int = BALLAST_SIZE,
    vfs: str | None = None,
) -> Database:
    """Open a database, making it and its schema where needed; blocks, so before the reactor serves.

    Args:
        reactor: where results are handed over.
        path: the SQLite file, in the state directory.
        margin: octets that must be free on its disk for new mail.
        ballast_size: octets kept back there for urgent writes.
        vfs: the name of an SQLite VFS; the ordinary one unless a test says otherwise.

    Raises:
        SchemaError: a newer release has written it.
        UnusableDatabase: it is no database, or can't be opened.
        OSError: a file beside it can't be made.
    """
    return Database(reactor, DatabaseFiles(path, margin, ballast_size, vfs=vfs))
