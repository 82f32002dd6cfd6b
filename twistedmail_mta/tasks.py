"""Coroutines, threads and time: the only place where they meet Twisted's Deferred.

Everything above is `async def`.  A coroutine that nobody awaits is started
with `TaskGroup.start`, so that no failure is ever dropped; blocking work runs
on a `WorkerPool`, never on the reactor or its default thread pool.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from threading import Lock, Thread
from time import monotonic
from typing import Any, ClassVar, Generic, ParamSpec, TypeVar, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Reply

T = TypeVar("T")
P = ParamSpec("P")

Cancelled = CancelledError
"""Raised inside a coroutine that is cancelled.  It is an `Exception`: a broad
`except` must let it pass."""


class Stalled(BaseException):
    """Raised in a plugin's code that keeps the reactor's thread busy; no `except Exception` holds it."""


POOL_FULL = Reply(451, "4.3.2", "Too busy, please try again later")


class Promise(Generic[T]):
    """A result that arrives later; awaited by one coroutine or several.

    A waiter that is cancelled stops waiting; the promise itself goes on.
    """

    __slots__ = ("_done", "_failure", "_result", "_waiters")

    def __init__(self) -> None:
        self._waiters: list[Deferred[T]] = []
        self._done = False
        self._result: T | None = None
        self._failure: BaseException | None = None

    @property
    def done(self) -> bool:
        """Whether the result is here."""
        return self._done

    def resolve(self, result: T) -> None:
        """Give the result; on the reactor's thread, and once."""
        self._done, self._result = True, result
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.called:
                waiter.callback(result)

    def fail(self, error: BaseException) -> None:
        """Give an error instead of a result."""
        self._done, self._failure = True, error
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.called:
                waiter.errback(error)

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the result."""
        if self._failure is not None:
            raise self._failure
        if self._done:
            return cast(T, self._result)
        waiter: Deferred[T] = Deferred()
        self._waiters.append(waiter)
        return (yield from waiter.__await__())


class Task(Generic[T]):
    """A running coroutine: it can be awaited and cancelled.

    It has no Deferred of its own, and asks nothing of Twisted where the
    coroutine never waits, as most do that answer a command.
    """

    __slots__ = ("__weakref__", "_awaited", "_coroutine", "_ended", "_outcome", "name")

    def __init__(self, name: str, coroutine: Coroutine[Deferred[Any], None, T]) -> None:
        """Run `coroutine` until its first wait, and on from there."""
        self.name = name
        self._coroutine = coroutine
        self._outcome: Promise[T] = Promise()
        self._awaited: Deferred[Any] | None = None
        self._ended: Callable[[Task[T]], None] | None = None
        self._go_on()

    @property
    def done(self) -> bool:
        """Whether it has ended, however."""
        return self._outcome.done

    def when_done(self, call: Callable[[Task[T]], None]) -> None:
        """Call once, with the task, when the coroutine has ended, however it ends; it hasn't yet.

        Who asked first is called first.
        """
        first = self._ended
        self._ended = call if first is None else partial(_one_after_the_other, first, call)

    def cancel(self) -> None:
        """Raise `Cancelled` where the coroutine waits; nothing when it has ended."""
        if self._awaited is not None and not self._outcome.done:
            self._awaited.cancel()

    def _go_on(self, result: object = None) -> None:
        """Run to the next wait, with what came of the last one."""
        coroutine = self._coroutine
        try:
            if isinstance(result, Failure):
                self._awaited = coroutine.throw(cast(BaseException, result.value))
            else:
                self._awaited = coroutine.send(None)
        except StopIteration as end:
            self._outcome.resolve(end.value)
        except BaseException as error:  # noqa: BLE001 - carried to whoever awaits the task
            self._outcome.fail(error)
        else:
            self._awaited.addBoth(self._go_on)
            return
        if self._ended is not None:
            self._ended(self)

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the end; raises what the coroutine raised."""
        return self._outcome.__await__()


def _one_after_the_other(first: Callable[[Task[T]], None], second: Callable[[Task[T]], None], task: Task[T]) -> None:
    first(task)
    second(task)


class TaskGroup:
    """The coroutines that nobody awaits, kept until they end.

    One that raises is logged as a failure, since nobody else would see it.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self) -> None:
        self._running: set[Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, name: str, coroutine: Coroutine[Any, Any, None]) -> Task[None]:
        """Run `coroutine` until its first wait, and on from there."""
        return self._keep(Task(name, self._watched(name, coroutine)))

    def shield(self, name: str, coroutine: Coroutine[Any, Any, T]) -> Task[T]:
        """Run `coroutine` to its end, even if whoever awaits the task is cancelled.

        What it raises is raised where the task is awaited.
        """
        return self._keep(Task(name, coroutine))

    def _keep(self, task: Task[T]) -> Task[T]:
        if not task.done:
            self._running.add(task)
            task.when_done(self._running.discard)
        return task

    async def _watched(self, name: str, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await coroutine
        except Cancelled:
            pass
        except GeneratorExit:
            raise  # it is thrown away
        except BaseException:  # noqa: BLE001 - the edge of the event loop
            self.log.failure("task {task} failed", task=name, event="task.failed")

    def cancel(self) -> None:
        """Cancel every coroutine of the group."""
        for task in tuple(self._running):
            task.cancel()

    async def finish(self) -> None:
        """Wait until the last coroutine of the group has ended."""
        while running := [task for task in self._running if not task.done]:
            await _ended(running[0])


async def _ended(task: Task[Any]) -> None:
    """Wait for the end of a task; its outcome is its owner's business."""
    try:
        await task
    except Exception:
        if not task.done:
            raise  # not the task ended but this wait


def promise_of(deferred: Deferred[T]) -> Awaitable[T]:
    """Make Twisted's Deferred awaitable under the name this program uses."""
    return deferred


def deferred_of(coroutine: Coroutine[Any, Any, T]) -> Deferred[T]:
    """Run `coroutine` for a caller of Twisted's that asks for a Deferred; a cancel reaches it."""
    return Deferred.fromCoroutine(coroutine)


def sleep(clock: IReactorTime, seconds: float) -> Awaitable[None]:
    """Wait; a cancel ends the wait and its timer."""
    waiter: Deferred[None] = Deferred(lambda _: call.cancel())
    call = clock.callLater(seconds, waiter.callback, None)
    return waiter


def after_writes(clock: IReactorTime, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call when what was written until now has been handed to the system.

    The reactor runs the calls that are due before it writes, so one that is
    due at once would still come first; one made by it comes after.
    """
    clock.callLater(0, clock.callLater, 0, call, *args, **kwargs)


async def within(clock: IReactorTime, seconds: float, coroutine: Coroutine[Any, Any, T]) -> T:
    """Run `coroutine`, cancelling it when `seconds` have passed.

    Raises:
        TimeoutError: time ran out.
    """
    timed = _Timed(coroutine)
    timer = clock.callLater(seconds, timed.expire)
    try:
        return await timed
    except Cancelled as error:
        if timed.expired:
            raise TimeoutError(f"{seconds} seconds passed") from error
        raise
    finally:
        if timer.active():
            timer.cancel()


class Begun(Generic[T]):
    """Awaits a coroutine that has run to its first wait."""

    __slots__ = ("_awaited", "_coroutine")

    def __init__(self, coroutine: Coroutine[Deferred[Any], None, T], awaited: Deferred[Any] | None) -> None:
        """Go on with a coroutine, from what it waits for."""
        self._coroutine = coroutine
        self._awaited = awaited

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for its end."""
        coroutine = self._coroutine
        try:
            while True:
                try:
                    yield self._awaited
                except GeneratorExit:  # it is thrown away, and what it runs perhaps was already
                    coroutine.close()
                    raise
                except BaseException as error:  # noqa: BLE001 - the coroutine's business
                    self._awaited = coroutine.throw(error)
                else:
                    self._awaited = coroutine.send(None)
        except StopIteration as end:
            return cast(T, end.value)


class _Timed(Begun[T]):
    """Awaits a coroutine from its begin on, and can end its waiting."""

    __slots__ = ("expired",)

    def __init__(self, coroutine: Coroutine[Deferred[Any], None, T]) -> None:
        super().__init__(coroutine, None)
        self.expired = False

    def expire(self) -> None:
        """Raise `Cancelled` where the coroutine waits."""
        self.expired = True
        if self._awaited is not None:
            self._awaited.cancel()

    def __await__(self) -> Generator[Any, None, T]:
        """Begin it, and wait for its end."""
        try:
            self._awaited = self._coroutine.send(None)
        except StopIteration as end:
            return cast(T, end.value)
        return (yield from super().__await__())


class WorkerPool:
    """A bounded number of threads of its own, with a bounded queue before them.

    Used on the reactor's thread.  Each thread waits at a gate of its own, and
    a call goes to the one that has waited least: nobody wakes for nothing, and
    what that one knows of its last call is still near.
    """

    def __init__(self, reactor: IReactorFromThreads, name: str, threads: int, backlog: int) -> None:
        """Make a pool; its threads start with the first work.

        Args:
            reactor: where results are handed over.
            name: shown in thread names.
            threads: how many run at once.
            backlog: how many calls may wait; past that `run` refuses.
        """
        self._reactor = reactor
        self._name = name
        self._size = threads
        self._most = threads + backlog
        self._lock = Lock()  # of the two lines: calls that wait for a thread, threads that wait for a call
        self._jobs: deque[_Job] = deque()
        self._idle: list[_Gate] = []
        self._unanswered = 0
        self._threads: list[Thread] = []
        self._stopped = False

    @property
    def calls(self) -> int:
        """How many calls wait or are under way."""
        return self._unanswered

    @property
    def limit(self) -> int:
        """How many calls it takes at once."""
        return self._most

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function` on one of the threads and return what it returns.

        Cancelling the wait does not stop the function.

        Raises:
            TemporaryError: too many calls wait already.
        """
        if self._stopped or self._unanswered >= self._most:
            raise TemporaryError(POOL_FULL)
        promise: Promise[T] = Promise()
        self._unanswered += 1
        self._give((promise, partial(function, *args, **kwargs)))
        return await promise

    def _give(self, job: _Job) -> None:
        with self._lock:
            gate = self._idle.pop() if self._idle else None
            if gate is None:
                self._jobs.append(job)
        if gate is not None:
            gate.open(job)
        elif len(self._threads) < self._size:
            self._spawn()

    def stop(self, within: float | None = None) -> bool:
        """Let the waiting calls end, then the threads; return whether they have.

        Args:
            within: seconds to wait for them; None: as long as it takes.  Past that threads are left to themselves, and
                end with the process; calls that wait aren't made any more.
        """
        with self._lock:
            self._stopped = True
            idle, self._idle = self._idle, []
        for gate in idle:
            gate.open(None)
        deadline = None if within is None else monotonic() + within
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            return False
        self._work()  # a call that came just now, if this isn't the reactor's thread
        return True

    def _spawn(self) -> None:
        thread = Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        gate = _Gate()
        self._line_up(gate)
        while (job := gate.wait()) is not None:
            promise, call = job
            tell: Callable[[Any], None] = promise.resolve
            try:
                outcome = call()
            except BaseException as error:  # noqa: BLE001 - carried to the caller
                tell, outcome = promise.fail, error
            self._line_up(gate)  # before anybody can ask again
            self._reactor.callFromThread(self._answer, tell, outcome)
            del job, promise, call, tell, outcome

    def _line_up(self, gate: _Gate) -> None:
        """Let a thread have the next call, or its end when there will be none."""
        with self._lock:
            if self._jobs:
                gate.open(self._jobs.popleft())
            elif self._stopped:
                gate.open(None)
            else:
                self._idle.append(gate)

    def _answer(self, tell: Callable[[Any], None], outcome: object) -> None:
        self._unanswered -= 1
        tell(outcome)


_Job = tuple[Promise[Any], Callable[[], Any]]


class _Gate:
    """Where one thread waits for its next call."""

    __slots__ = ("_closed", "_job")

    def __init__(self) -> None:
        self._closed = Lock()
        self._closed.acquire()
        self._job: _Job | None = None

    def open(self, job: _Job | None) -> None:
        """Let the thread go on, with a call or to its end."""
        self._job = job
        self._closed.release()

    def wait(self) -> _Job | None:
        """Wait until it is opened."""
        self._closed.acquire()
        job, self._job = self._job, None
        return job
