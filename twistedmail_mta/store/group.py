"""Runs the functions of a group in one transaction, and says what became of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import apsw

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.model import Reply
from twistedmail_mta.observe import catalogue
from twistedmail_mta.observe.figures import Spread
from twistedmail_mta.store.lock import LockTimeout, WriteLock
from twistedmail_mta.store.replies import DISK_FULL, STORE_FAILED
from twistedmail_mta.store.space import DiskSpace
from twistedmail_mta.store.sqlite import complete, is_disk_failure, is_disk_full, roll_back

GROUP_TIME: Final = 0.02
"""Seconds of work after which a group is committed."""

RECOVER_EVERY: Final = 1.0
"""Seconds between attempts to open a database again that has failed."""


@dataclass(frozen=True, slots=True)
class Job:
    """A function that waits for its transaction.

    Attributes:
        function: what to run.
        urgent: goes first, and may use the space of the ballast.
        size: about how many octets it writes.
    """

    function: Callable[[Transaction], Any]
    urgent: bool = False
    size: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job: a result that is on disk, or an error and nothing kept."""

    result: Any = None
    error: BaseException | None = None


class TransactionLost(Exception):
    """A function went on although SQLite had rolled its transaction back."""


class GuardedTransaction:
    """The transaction of a group: executes nothing once SQLite has rolled it back.

    A function that swallowed the error of a full disk would else go on in
    transactions of its own, each committed at once.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Iterable[tuple[Any, ...]]:
        """Run one statement (`Transaction.execute`)."""
        self.check()
        return self._connection.execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> Iterable[tuple[Any, ...]]:
        """Run one statement for each of `rows` (`Transaction.executemany`)."""
        self.check()
        return self._connection.executemany(sql, rows)

    def changes(self) -> int:
        """Return how many rows the last statement changed."""
        return self._connection.changes()

    def check(self) -> None:
        """Raise TransactionLost if the transaction is no more."""
        if not self._connection.in_transaction:
            raise TransactionLost


class DatabaseClosed(Exception):
    """The database failed and couldn't be opened again yet."""


_NOBODYS_FAULT: Final = (LockTimeout, DatabaseClosed, apsw.BusyError, apsw.LockedError)


class Committer:
    """The one connection of this process that writes; used on one thread.

    Attributes:
        commits: how many transactions were committed.
        failing: the database failed and can't be opened again.
        took: how long transactions took, in seconds.
        grouped: how many jobs shared one.
    """

    def __init__(
        self,
        connect: Callable[[], apsw.Connection],
        lock: WriteLock,
        space: DiskSpace,
        report: Callable[[BaseException], None],
    ) -> None:
        """Open the connection.

        Args:
            connect: opens a connection.
            lock: the turn to write.
            space: where the ballast is.
            report: told of every failure of the disk.

        Raises:
            apsw.Error: it couldn't be opened.
        """
        self.commits = 0
        self.failing = False
        self.took = Spread(catalogue.COMMIT.bounds)
        self.grouped = Spread(catalogue.GROUPED.bounds)
        self._connect = connect
        self._lock = lock
        self._space = space
        self._report = report
        self._tried_at = 0.0
        self._connection = connect()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close(force=True)

    def commit(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Run the jobs and commit them together; return once that is on disk.

        When one of them raises, they are run again, each in a transaction of
        its own, so that an error reaches nobody but its maker.

        Returns:
            What became of the first of them, in order: of at least one, and of
            all unless they took longer than `GROUP_TIME`.
        """
        if len(jobs) == 1:
            return [self._commit_alone(jobs[0])]
        try:
            return self._transaction(jobs)
        except BaseException as error:  # noqa: BLE001 - a job may raise anything
            if is_disk_failure(error):
                self._reopen_after(error)
            elif not isinstance(error, _NOBODYS_FAULT):
                return [self._commit_alone(job) for job in jobs]
            return [_refused(STORE_FAILED) for _ in jobs]

    def recover(self) -> None:
        """Open the database again after a failure; `failing` says whether that worked."""
        self._tried_at = time.monotonic()
        self._connection.close(force=True)
        try:
            self._connection = self._connect()
            self._bury_failed_commit()
        except (apsw.Error, OSError, LockTimeout):
            self.failing = True
        else:
            self.failing = False

    def _transaction(self, jobs: Sequence[Job]) -> list[Outcome]:
        if self.failing and time.monotonic() - self._tried_at >= RECOVER_EVERY:
            self.recover()
        if self.failing:
            raise DatabaseClosed
        connection = self._connection
        with self._lock:
            began = time.monotonic()
            try:
                connection.execute("BEGIN IMMEDIATE")
                outcomes = self._run(jobs)
                connection.execute("COMMIT")
            except BaseException:
                roll_back(connection)
                raise
        self.took.note(time.monotonic() - began)
        self.grouped.note(len(outcomes))
        self.commits += 1
        return outcomes

    def _run(self, jobs: Sequence[Job]) -> list[Outcome]:
        transaction = GuardedTransaction(self._connection)
        deadline = time.monotonic() + GROUP_TIME
        outcomes = []
        for job in jobs:
            if self._space.reserved and not job.urgent:
                outcomes.append(_refused(DISK_FULL))
                continue
            result = complete(job.function(transaction))
            transaction.check()
            outcomes.append(Outcome(result))
            if time.monotonic() > deadline:
                break
        return outcomes

    def _commit_alone(self, job: Job) -> Outcome:
        try:
            return self._transaction((job,))[0]
        except BaseException as error:  # noqa: BLE001 - handed to the one who waits
            if is_disk_full(error):
                return self._without_room(job)
            if is_disk_failure(error):
                self._reopen_after(error)
                return _refused(STORE_FAILED)
            return _refused(STORE_FAILED) if isinstance(error, _NOBODYS_FAULT) else Outcome(error=error)

    def _without_room(self, job: Job) -> Outcome:
        self._space.low = True
        if job.urgent and self._space.release_ballast():
            return self._commit_alone(job)
        return _refused(DISK_FULL)

    def _reopen_after(self, error: BaseException) -> None:
        self._report(error)
        self.recover()

    def _bury_failed_commit(self) -> None:
        """Write over the frames that a failed commit may have left at the end of the WAL.

        They count as never written as long as a process has the database open,
        but a recovery after a crash would find them whole and apply them.  The
        other connections stay open for the same reason.
        """
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.pragma("user_version", self._connection.pragma("user_version"))
                self._connection.execute("COMMIT")
            except BaseException:
                roll_back(self._connection)
                raise


def _refused(reply: Reply) -> Outcome:
    return Outcome(error=TemporaryError(reply))
