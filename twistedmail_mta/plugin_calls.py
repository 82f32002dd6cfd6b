"""Calls of plugins' coroutines: each in its time, and what they raise ends no more than the call."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.tasks import Cancelled, Promise, Stalled, Task

T = TypeVar("T")


async def in_time(clock: IReactorTime, seconds: float, coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what a plugin's coroutine returns; one that takes too long is cancelled, and not waited for.

    Raises:
        TimeoutError: it took too long.
        Cancelled: whoever waits was cancelled, and so was it.
        Exception: what it raised; what would end more than this call becomes a RuntimeError.
    """
    task = Task("plugin", coroutine)
    if not task.done and not await _ends(task, clock, seconds):
        task.cancel()
        raise TimeoutError(f"it took more than {seconds:g} seconds")
    try:
        return await task  # it has ended, so nobody is waited for
    except BaseException as error:
        instead = harmless(error)
        if instead is error:
            raise
        raise instead from error


async def _ends(task: Task[Any], clock: IReactorTime, seconds: float) -> bool:
    """Return whether a task ends in time; it is cancelled if whoever waits is."""
    ended: Promise[bool] = Promise()
    timer = clock.callLater(seconds, ended.resolve, False)
    task.when_done(lambda _: None if ended.done else ended.resolve(True))
    try:
        return await ended
    except BaseException:
        task.cancel()
        raise
    finally:
        if timer.active():
            timer.cancel()


def harmless(error: BaseException) -> Exception:
    """Return an error that ends no more than this call: the same, or one with what was raised as its cause."""
    if isinstance(error, Exception) and not isinstance(error, Cancelled):
        return error
    args = error.args if isinstance(error, Stalled) else (f"it raised {type(error).__name__}",)
    instead = (TimeoutError if isinstance(error, Stalled) else RuntimeError)(*args)
    instead.__cause__ = error
    return instead.with_traceback(error.__traceback__)
