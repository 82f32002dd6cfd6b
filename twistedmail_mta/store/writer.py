"""The writer's thread: takes all that waits, commits it as one group, hands over the results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, ClassVar, Final, TypeVar

from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Reply
from twistedmail_mta.observe import catalogue
from twistedmail_mta.observe.figures import Spread
from twistedmail_mta.store.group import RECOVER_EVERY, Committer, Job, Outcome
from twistedmail_mta.store.lock import WriteLock
from twistedmail_mta.store.replies import STORE_BUSY, STORE_CLOSED, STORE_FAILED
from twistedmail_mta.tasks import Promise

T = TypeVar("T")

GROUP_SIZE: Final = 4 * 1024 * 1024
"""Octets written by a group, as far as its jobs said."""

MAX_WAITING: Final = 10_000
"""Jobs that may wait; urgent ones may be as many again."""

MAX_WAITING_SIZE: Final = 64 * 1024 * 1024
"""Octets that may wait; urgent ones may be as many again."""

_Waiting = tuple[Job, Promise[Any], float]
"""The last is since when, in seconds of `monotonic`."""


class Writer:
    """Queues the jobs of the reactor's thread and commits them on its own.

    `write`, `refusal` and `stop` are called on the reactor's thread.

    Attributes:
        waited: how long jobs waited until the writer began with them, in seconds.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(
        self, reactor: IReactorFromThreads, committer: Committer, lock: WriteLock, wrote: Callable[[], None]
    ) -> None:
        """Start the thread.

        Args:
            reactor: where results are handed over.
            committer: used on the thread only, from now on.
            lock: the turn to write, shared with other processes.
            wrote: called on the thread after each commit.
        """
        self._reactor = reactor
        self._committer = committer
        self._lock = lock
        self._wrote = wrote
        self.waited = Spread(catalogue.WAITED.bounds)
        self._arrivals: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._urgent: deque[_Waiting] = deque()
        self._ordinary: deque[_Waiting] = deque()
        self._waiting = 0
        self._waiting_size = 0
        self._stopped = False
        self._ended = False
        self._thread = Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()

    def write(self, job: Job) -> Promise[Any]:
        """Queue a job; the promise is kept when it is on disk, or has failed."""
        promise: Promise[Any] = Promise()
        refusal = self._refusal(2 if job.urgent else 1)
        if refusal is not None:
            promise.fail(TemporaryError(refusal))
            return promise
        self._waiting += 1
        self._waiting_size += job.size
        self._arrivals.put((job, promise, monotonic()))
        return promise

    def refusal(self) -> Reply | None:
        """Return why a job would be refused now, or None."""
        if self._committer.failing:
            return STORE_FAILED
        return self._refusal(1)

    def _refusal(self, share: int) -> Reply | None:
        if self._stopped:
            return STORE_CLOSED
        if self._waiting >= share * MAX_WAITING or self._waiting_size >= share * MAX_WAITING_SIZE:
            return STORE_BUSY
        return None

    @property
    def waiting(self) -> int:
        """How many jobs wait or are being done."""
        return self._waiting

    def stop(self) -> None:
        """Take no more jobs; those that wait are still done."""
        if not self._stopped:
            self._stopped = True
            self._arrivals.put(None)

    def join(self) -> None:
        """Wait until the thread has ended; on another thread than the reactor's."""
        self._thread.join()

    def _work(self) -> None:
        while self._gather():
            self._commit(self._next_group())
            if self._urgent or self._ordinary or not self._arrivals.empty():
                self._lock.let_others()
        self._committer.close()

    def _gather(self) -> bool:
        """Sort what has arrived, after waiting for it if need be; False when no more will come."""
        while not (self._urgent or self._ordinary or self._ended):
            self._sort(self._next_arrival())
        while not self._arrivals.empty():
            self._sort(self._arrivals.get())
        return bool(self._urgent or self._ordinary)

    def _next_arrival(self) -> _Waiting | None:
        while self._committer.failing:
            try:
                return self._arrivals.get(timeout=RECOVER_EVERY)
            except Empty:
                self._committer.recover()
        return self._arrivals.get()

    def _sort(self, arrival: _Waiting | None) -> None:
        if arrival is None:
            self._ended = True
        else:
            self._queue_of(arrival).append(arrival)

    def _queue_of(self, waiting: _Waiting) -> deque[_Waiting]:
        return self._urgent if waiting[0].urgent else self._ordinary

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        size = 0
        for queue in (self._urgent, self._ordinary):
            while queue and size < GROUP_SIZE:
                size += queue[0][0].size
                group.append(queue.popleft())
        return group

    def _commit(self, group: Sequence[_Waiting]) -> None:
        now = monotonic()
        outcomes = self._outcomes([job for job, _, _ in group])
        for _, _, since in group[: len(outcomes)]:
            self.waited.note(now - since)
        for waiting in reversed(group[len(outcomes) :]):
            self._queue_of(waiting).appendleft(waiting)
        self._wrote()
        self._reactor.callFromThread(self._hand_over, list(zip(group, outcomes, strict=False)))

    def _outcomes(self, jobs: Sequence[Job]) -> Sequence[Outcome]:
        try:
            return self._committer.commit(jobs)
        except BaseException:  # noqa: BLE001 - the thread must not end, whatever happens
            self.log.failure("the database's writer failed", event="store.failed")
            return [Outcome(error=TemporaryError(STORE_FAILED)) for _ in jobs]

    def _hand_over(self, done: Sequence[tuple[_Waiting, Outcome]]) -> None:
        for (job, promise, _), outcome in done:
            self._waiting -= 1
            self._waiting_size -= job.size
            if outcome.error is None:
                promise.resolve(outcome.result)
            else:
                promise.fail(outcome.error)
