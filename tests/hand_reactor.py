"""The one thing the store wants of a reactor, driven by hand: calls from threads, run when a test waits."""

# ruff: noqa: N802 - names of apsw and Twisted

from __future__ import annotations

from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from zope.interface import implementer

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds after which a test that waits is stuck."""


@implementer(IReactorFromThreads)
class HandReactor:
    """Runs what threads hand over, on the thread that waits.

    Attributes:
        calls: how many calls threads have made that were run.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._handed_over: SimpleQueue[Callable[[], Any]] = SimpleQueue()

    def callFromThread(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._handed_over.put(lambda: call(*args, **kwargs))

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Return the result of `awaitable`, running what threads hand over meanwhile."""
        results: list[T] = []
        failures: list[BaseException] = []
        deferred = Deferred.fromCoroutine(_awaited(awaitable))
        deferred.addCallbacks(results.append, lambda failure: failures.append(failure.value))
        while not results and not failures:
            self._handed_over.get(timeout=PATIENCE)()
            self.calls += 1
        if failures:
            raise failures[0]
        return results[0]

    def wait_all(self, *awaitables: Awaitable[Any]) -> list[Any]:
        """Return the result or the exception of each."""
        outcomes = []
        for awaitable in awaitables:
            try:
                outcomes.append(self.wait(awaitable))
            except Exception as error:  # noqa: BLE001 - it is the outcome
                outcomes.append(error)
        return outcomes


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable
