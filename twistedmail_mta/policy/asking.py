"""Questions to the DNS that a policy has: several at once, and in a time of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any, Final, TypeVar

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Reply
from twistedmail_mta.tasks import Task, within

T = TypeVar("T")

SILENT: Final = Reply(451, "4.4.3", "The DNS doesn't say in time who you are; please try again in 5 minutes")


async def together(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines at the same time; return what each returned, in their order.

    Where one fails, or the wait is cancelled, the others are given up.
    """
    tasks = [Task("policy", each) for each in coroutines]
    try:
        return [await task for task in tasks]
    finally:
        for task in tasks:
            task.cancel()


async def in_time(clock: IReactorTime, seconds: float, question: Awaitable[T]) -> T:
    """Return the answer to a question.

    Raises:
        TemporaryError: none in time, or none at all.
    """
    try:
        return await within(clock, seconds, _answer(question))
    except TimeoutError:
        raise TemporaryError(SILENT) from None


async def _answer(question: Awaitable[T]) -> T:
    return await question
