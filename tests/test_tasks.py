"""Coroutines, threads and time."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.tasks import Cancelled, Promise, Task, TaskGroup, WorkerPool, after_writes, sleep, within


class InlineReactor:
    """Runs what threads hand over when the test says so."""

    def __init__(self) -> None:
        self._calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self._arrived = threading.Semaphore(0)

    def callFromThread(self, call: Callable[..., Any], *args: Any) -> None:  # noqa: N802
        self._calls.append((call, args))
        self._arrived.release()

    def run_one(self) -> None:
        assert self._arrived.acquire(timeout=10)
        call, args = self._calls.pop(0)
        call(*args)


def result_of(task: Task[Any]) -> Any:
    """What an ended task returns."""
    results: list[Any] = []
    Deferred.fromCoroutine(_into(task, results))
    assert results, "the task has not ended"
    return results[0]


async def _into(task: Task[Any], results: list[Any]) -> None:
    try:
        results.append(await task)
    except Exception as error:  # noqa: BLE001
        results.append(error)


async def wait_for(promise: Promise[int]) -> int:
    return await promise


def test_promise_serves_every_waiter() -> None:
    """Those who wait before and those who ask later get the same result."""
    promise: Promise[int] = Promise()
    early = Task("early", wait_for(promise))
    promise.resolve(7)
    late = Task("late", wait_for(promise))

    assert (result_of(early), result_of(late)) == (7, 7)


def test_promise_fails_every_waiter() -> None:
    """An error reaches them all, as raised."""
    promise: Promise[int] = Promise()
    early = Task("early", wait_for(promise))
    promise.fail(KeyError("x"))

    assert isinstance(result_of(early), KeyError)
    assert isinstance(result_of(Task("late", wait_for(promise))), KeyError)


def test_cancelled_waiter_leaves_the_promise_alone() -> None:
    """Who stops waiting doesn't take the result from the others."""
    promise: Promise[int] = Promise()
    gone, staying = Task("gone", wait_for(promise)), Task("staying", wait_for(promise))

    gone.cancel()
    promise.resolve(1)

    assert isinstance(result_of(gone), Cancelled)
    assert result_of(staying) == 1


@pytest.mark.parametrize("error", [KeyError("lost"), SystemExit(1), asyncio.CancelledError()], ids=repr)
def test_group_forgets_what_has_ended(error: BaseException) -> None:
    """Nothing accumulates; a failure is logged, whatever it is, since nobody else would see it."""
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    group, promise = TaskGroup(), Promise[int]()

    async def fails() -> None:
        await promise
        raise error

    group.start("fails", fails())
    assert len(group) == 1
    promise.resolve(0)
    globalLogPublisher.removeObserver(events.append)

    assert len(group) == 0
    assert [event["task"] for event in events if event.get("event") == "task.failed"] == ["fails"]


def test_an_ended_task_is_gone_with_its_last_reference() -> None:
    """A message must not live on until somebody looks for cycles."""
    group, promise = TaskGroup(), Promise[int]()

    async def waits() -> None:
        await promise

    gc.collect()
    gc.disable()
    try:
        gone = weakref.ref(group.start("waits", waits()))
        promise.resolve(0)
        assert gone() is None
    finally:
        gc.enable()


def test_cancelled_before_and_after_its_end() -> None:
    """A cancel is for waiting coroutines; who has ended keeps its result."""
    promise: Promise[int] = Promise()
    task = Task("t", wait_for(promise))
    promise.resolve(5)
    task.cancel()

    assert result_of(task) == 5


def test_within_is_cancelled_from_outside() -> None:
    """The coroutine hears of it before whoever awaits it, and the timer goes."""
    clock, heard = Clock(), []

    async def sleeps() -> None:
        try:
            await sleep(clock, 60)
        except Cancelled:
            heard.append("inside")
            raise

    task = Task("outer", within(clock, 5, sleeps()))
    task.cancel()

    assert isinstance(result_of(task), Cancelled)
    assert heard == ["inside"]
    assert clock.getDelayedCalls() == []


def test_within_serves_other_drivers() -> None:
    """Awaited by Twisted itself it passes results and errors in as well."""
    clock, promise = Clock(), Promise[int]()

    async def careful() -> str:
        try:
            await promise
        except KeyError:
            return "caught"
        return "nothing raised"

    results: list[str] = []
    Deferred.fromCoroutine(within(clock, 5, careful())).addCallback(results.append)
    promise.fail(KeyError("x"))

    assert results == ["caught"]
    assert clock.getDelayedCalls() == []


def test_shielded_work_survives_its_waiter() -> None:
    """An acceptance handed to the writer ends even if the client has gone."""
    group, promise, done = TaskGroup(), Promise[int](), []

    async def work() -> None:
        done.append(await promise)

    async def session() -> None:
        await group.shield("work", work())

    waiting = Task("session", session())
    waiting.cancel()
    assert waiting.done
    promise.resolve(3)

    assert done == [3]
    assert len(group) == 0


def test_shield_hands_errors_to_its_waiter() -> None:
    """Who awaits shielded work learns that it failed."""

    async def work() -> None:
        raise KeyError("x")

    assert isinstance(result_of(TaskGroup().shield("work", work())), KeyError)


def test_group_cancels_and_finishes() -> None:
    """Stopping a group leaves nothing behind."""
    clock, group = Clock(), TaskGroup()

    async def sleeps() -> None:
        await sleep(clock, 10)

    group.start("a", sleeps())
    group.start("b", sleeps())
    finished = Task("finish", group.finish())
    assert not finished.done
    group.cancel()

    assert finished.done
    assert clock.getDelayedCalls() == []


def test_within_cuts_what_takes_too_long() -> None:
    """The coroutine is cancelled where it waits, and its timers go."""
    clock = Clock()

    async def sleeps(seconds: float) -> str:
        await sleep(clock, seconds)
        return "slept"

    quick, slow = Task("quick", within(clock, 5, sleeps(1))), Task("slow", within(clock, 5, sleeps(60)))
    clock.advance(1)
    clock.advance(4)

    assert result_of(quick) == "slept"
    assert isinstance(result_of(slow), TimeoutError)
    assert clock.getDelayedCalls() == []


def test_pool_returns_and_raises() -> None:
    """What the function returns or raises comes back to the reactor's thread."""
    reactor = InlineReactor()
    pool = WorkerPool(reactor, "test", threads=1, backlog=5)
    good, bad = Task("good", pool.run(divmod, 7, 2)), Task("bad", pool.run(divmod, 7, 0))

    reactor.run_one()
    reactor.run_one()
    pool.stop()

    assert result_of(good) == (3, 1)
    assert isinstance(result_of(bad), ZeroDivisionError)


def test_full_pool_refuses() -> None:
    """Past its backlog a pool says so at once instead of growing."""
    reactor, gate, started = InlineReactor(), threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        gate.wait(10)

    pool = WorkerPool(reactor, "test", threads=1, backlog=1)
    tasks = [Task("running", pool.run(block))]
    assert started.wait(10)
    tasks.append(Task("waiting", pool.run(gate.is_set)))
    refused = Task("refused", pool.run(gate.is_set))
    gate.set()
    reactor.run_one()
    reactor.run_one()
    pool.stop()

    assert isinstance(result_of(refused), TemporaryError)
    assert result_of(tasks[1]) is True


def test_stopped_pool_refuses() -> None:
    """After the stop nothing waits for threads that are gone."""
    pool = WorkerPool(InlineReactor(), "test", threads=1, backlog=1)
    pool.stop()

    assert isinstance(result_of(Task("late", pool.run(int))), TemporaryError)


def test_a_pool_keeps_to_one_thread_while_one_is_enough() -> None:
    """What a thread has near from its last call, as a connection's cache, is of use for the next."""
    reactor, all_there = InlineReactor(), threading.Barrier(3)
    pool = WorkerPool(reactor, "test", threads=3, backlog=1)
    together = [Task("together", pool.run(all_there.wait, 10)) for _ in range(3)]
    for _ in together:
        reactor.run_one()

    used = set()
    for _ in range(5):
        task = Task("alone", pool.run(threading.get_ident))
        reactor.run_one()
        used.add(result_of(task))
    pool.stop()

    assert {result_of(task) for task in together} == {0, 1, 2}
    assert len(used) == 1


def test_a_stopped_pool_has_done_what_waited() -> None:
    """Calls that came before the stop are answered, in their order where there is one thread; then it ends."""
    reactor, gate = InlineReactor(), threading.Event()
    pool = WorkerPool(reactor, "test", threads=1, backlog=5)
    done: list[int] = []
    tasks = [Task("first", pool.run(gate.wait, 10))]
    tasks += [Task("waiting", pool.run(done.append, number)) for number in range(5)]
    assert not done

    gate.set()
    pool.stop()

    assert done == [0, 1, 2, 3, 4]
    for _ in tasks:
        reactor.run_one()
    assert all(task.done for task in tasks)


def test_within_passes_errors_on() -> None:
    """Only a timeout is a TimeoutError."""

    async def fails() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        raise result_of(Task("fails", within(Clock(), 5, fails())))


class Greeter(Protocol):
    """Writes to the client, and looks whether that has left when `after_writes` calls."""

    def __init__(self, client: socket.socket, seen: Promise[bytes]) -> None:
        self._client = client
        self._seen = seen

    def connectionMade(self) -> None:  # noqa: N802
        reactor = sys.modules["twisted.internet.reactor"]
        assert self.transport is not None
        self.transport.write(b"250 OK")
        after_writes(reactor, self._look)  # type: ignore[arg-type]

    def _look(self) -> None:
        try:
            self._seen.resolve(self._client.recv(100))
        except BlockingIOError:
            self._seen.resolve(b"")
        assert self.transport is not None
        self.transport.loseConnection()


@pytest_twisted.ensureDeferred
async def test_after_writes_comes_after_writes() -> None:
    """An answer is on its way before the work that follows from it begins."""
    from twisted.internet import reactor  # noqa: PLC0415 - importing it installs it

    seen: Promise[bytes] = Promise()
    with socket.socket() as client:
        factory = Factory.forProtocol(lambda: Greeter(client, seen))
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        client.connect(("127.0.0.1", port.getHost().port))
        client.setblocking(False)
        assert await seen == b"250 OK"
        await port.stopListening()


def test_several_who_wait_for_the_end() -> None:
    """A task of a group may be waited for by others, too: all are called, and the group lets go of it."""
    group, gate, heard = TaskGroup(), Promise[None](), list[str]()

    async def wait() -> None:
        await gate

    task = group.shield("waiting", wait())
    task.when_done(lambda _: heard.append("first"))
    task.when_done(lambda _: heard.append("second"))
    gate.resolve(None)

    assert heard == ["first", "second"]
    assert len(group) == 0


def test_a_pool_with_a_call_that_never_ends() -> None:
    """Its end isn't waited for longer than one is willing to, and what waits behind it isn't done."""
    reactor, gate = InlineReactor(), threading.Event()
    pool, done = WorkerPool(reactor, "test", 1, 5), []  # type: ignore[arg-type]
    Task("hangs", pool.run(gate.wait))
    Task("waits", pool.run(done.append, 1))

    assert not pool.stop(within=0.01)

    assert done == []
    gate.set()
    assert pool.stop(within=30.0)


def test_a_pool_that_ends_in_time() -> None:
    """What waits is done first."""
    pool, done = WorkerPool(InlineReactor(), "test", 1, 5), []  # type: ignore[arg-type]
    for number in range(3):
        Task("waits", pool.run(done.append, number))

    assert pool.stop(within=30.0)
    assert done == [0, 1, 2]


def test_a_coroutine_thrown_away_closes_what_it_times_in_either_order() -> None:
    """The collector closes the coroutines of a cycle in any order: neither may run on or complain."""
    closed: list[str] = []

    async def timed() -> None:
        try:
            await Promise[None]()
        finally:
            closed.append("timed")

    for inner_first in (True, False):
        inner = timed()

        async def times(inner: Coroutine[Any, Any, None] = inner) -> None:
            await within(Clock(), 5, inner)

        outer = times()
        outer.send(None)
        for coroutine in (inner, outer) if inner_first else (outer, inner):
            coroutine.close()
    assert closed == ["timed", "timed"]
