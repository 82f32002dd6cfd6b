"""Questions to the DNS that a policy has: several at once, and in a time of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any, Final, TypeVar

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IResolver
from twistedmail_mta.model import Answer, MXRecord, Reply
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


@implementer(IResolver)
class TimedResolver:
    """A resolver for one purpose: all the questions that this has, one after the other, get some seconds together."""

    def __init__(self, resolver: IResolver, clock: IReactorTime, seconds: float) -> None:
        """Begin; from now on `seconds` are left."""
        self._resolver = resolver
        self._clock = clock
        self._end = clock.seconds() + seconds

    async def mx(self, domain: str) -> Answer[MXRecord]:
        """Ask as `IResolver` says; when time is over there is no answer."""
        return await self._in_time(self._resolver.mx(domain))

    async def addresses(self, host: str, family: str) -> Answer[str]:
        """Ask, see `mx`."""
        return await self._in_time(self._resolver.addresses(host, family))

    async def host_names(self, address: str) -> Answer[str]:
        """Ask, see `mx`."""
        return await self._in_time(self._resolver.host_names(address))

    async def texts(self, name: str) -> Answer[bytes]:
        """Ask, see `mx`."""
        return await self._in_time(self._resolver.texts(name))

    async def _in_time(self, question: Awaitable[T]) -> T:
        return await in_time(self._clock, max(0.0, self._end - self._clock.seconds()), question)


async def _answer(question: Awaitable[T]) -> T:
    return await question
