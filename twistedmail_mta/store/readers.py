"""The readers' threads, each with a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeVar, cast

import apsw
from twisted.internet.interfaces import IReactorFromThreads

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.replies import STORE_FAILED
from twistedmail_mta.store.sqlite import is_disk_failure, read_transaction
from twistedmail_mta.tasks import WorkerPool

T = TypeVar("T")

_THREADS: Final = 3
_BACKLOG: Final = 1000


class Readers:
    """Runs functions in read transactions: each sees one consistent state.

    Attributes:
        pool: the threads.
    """

    def __init__(
        self,
        reactor: IReactorFromThreads,
        connect: Callable[[], apsw.Connection],
        report: Callable[[BaseException], None],
    ) -> None:
        """Make the pool; its threads and connections come with the first reads.

        Args:
            reactor: where results are handed over.
            connect: opens a connection; called on the threads.
            report: told of every failure of the disk.
        """
        self.pool = WorkerPool(reactor, "store-reader", _THREADS, _BACKLOG)
        self._connect = connect
        self._report = report
        self._own = threading.local()
        self._open: set[apsw.Connection] = set()

    async def read(self, function: Callable[[Transaction], T]) -> T:
        """Run `function` on a thread and return what it returned.

        Raises:
            TemporaryError: too many reads wait, or the disk failed.
        """
        return await self.pool.run(self._read, function)

    def stop(self) -> None:
        """End the threads once the waiting reads are done; on another thread than the reactor's."""
        self.pool.stop()
        for connection in self._open:
            connection.close(force=True)

    def _read(self, function: Callable[[Transaction], T]) -> T:
        try:
            return read_transaction(self._connection(), function)
        except apsw.BusyError as error:
            raise TemporaryError(STORE_FAILED) from error
        except apsw.Error as error:
            if not is_disk_failure(error):
                raise
            self._report(error)
            self._drop_connection()
            raise TemporaryError(STORE_FAILED) from error

    def _connection(self) -> apsw.Connection:
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._connect()
            self._open.add(connection)
        return cast(apsw.Connection, connection)

    def _drop_connection(self) -> None:
        connection = self._own.__dict__.pop("connection", None)
        if connection is not None:
            self._open.discard(connection)
            connection.close(force=True)
