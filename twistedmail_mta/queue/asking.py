"""Asks plugins which way mail goes: of many recipients at once, and of no more than that."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from twistedmail_mta.interfaces import IRouter
from twistedmail_mta.model import Address, Claim, Deferred, Message, Refuse, Route, Via, id_text
from twistedmail_mta.pipeline import Pipeline
from twistedmail_mta.queue.turns import Turns
from twistedmail_mta.routes import route_text
from twistedmail_mta.stages import IRoutePolicy, Leaving
from twistedmail_mta.tags import mapping_of
from twistedmail_mta.tasks import Cancelled, TaskGroup

AT_ONCE: Final = 50
"""Recipients that plugins are asked about at the same time."""
IN_A_TURN: Final = 20
"""Recipients that are asked about in one turn of the reactor, though plugins answer at once."""

Way = Route | Deferred | None
"""Where mail goes, or why not now; None: it isn't known, which delays it."""


class Lender(Protocol):
    """Has the plugins of the site, which may be others at any time."""

    def pipeline(self) -> Pipeline:
        """Return those that are there now."""

    def lent(self) -> AbstractContextManager[Pipeline]:
        """Return the same; those aren't stopped as long as this is entered."""


@dataclass(frozen=True, slots=True)
class Lasting:
    """Plugins that are there for good."""

    plugins: Pipeline

    def pipeline(self) -> Pipeline:
        """Return them."""
        return self.plugins

    def lent(self) -> AbstractContextManager[Pipeline]:
        """Return them."""
        return nullcontext(self.plugins)


@dataclass(eq=False, slots=True)
class _Batch:
    """Claims of one message that go on together.

    Attributes:
        ways: the router's, then what was answered.
        left: the places that nobody has begun to ask about.
        open: how many answers are missing.
    """

    message: Message
    claims: Sequence[Claim]
    ways: list[Way]
    left: deque[int] = field(default_factory=deque)
    open: int = 0


class Asking:
    """Takes claims with the router's ways, and hands them on when plugins have been asked about all of them.

    Senders take turns, and the messages of each, so that neither much mail
    of one, nor a message for many recipients, keeps others waiting.  Whatever
    a plugin does, each claim is handed on, or returned by `stop`: its time
    limit ends every question.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        plugins: Lender,
        router: IRouter,
        clock: IReactorTime,
        answered: Callable[[Message, Sequence[Claim], Sequence[Way]], None],
    ) -> None:
        """Make it; nobody is asked yet.

        Args:
            plugins: has those that are asked, in the order of the site file.
            router: makes next hops of what they choose.
            clock: lets others go on.
            answered: takes a message's claims with the way of each.
        """
        self._plugins = plugins
        self._router = router
        self._clock = clock
        self._answered = answered
        self._batches: Turns[_Batch] = Turns()
        self._open: set[_Batch] = set()
        self._tasks = TaskGroup()
        self._running = 0
        self._asked = 0
        self._rest: IDelayedCall | None = None

    @property
    def asks(self) -> bool:
        """Whether any plugin wants to be asked; where none does, it costs no more than this."""
        return self._plugins.pipeline().asks(IRoutePolicy)

    def ask(self, message: Message, claims: Sequence[Claim], routes: Sequence[Way]) -> None:
        """Ask about claims of a message; `answered` may be called before this returns.

        Args:
            message: whose claims they are.
            claims: at least one.
            routes: the router's way of each.
        """
        batch = _Batch(message, claims, list(routes), deque(range(len(claims))), len(claims))
        self._batches.put(message.originator, batch)
        self._open.add(batch)
        self._advance()

    def stop(self) -> list[Claim]:
        """Ask no more; return the claims that were not handed on, and won't be."""
        claims = [claim for batch in self._open for claim in batch.claims]
        self._open.clear()
        self._batches.take_all()
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        self._tasks.cancel()
        return claims

    def _advance(self) -> None:
        while self._batches and self._running < AT_ONCE and self._asked < IN_A_TURN:
            self._running += 1
            self._tasks.start("queue.ask", self._work())
        if self._asked >= IN_A_TURN and self._rest is None:
            self._rest = self._clock.callLater(0, self._rested)

    def _rested(self) -> None:
        self._rest, self._asked = None, 0
        self._advance()

    async def _work(self) -> None:
        """Ask about one recipient after another, while there are some, and the turn isn't over."""
        try:
            while self._batches and self._asked < IN_A_TURN:
                await self._ask_next()
        finally:
            self._running -= 1
        self._advance()

    async def _ask_next(self) -> None:
        batch = self._batches.take()
        place = batch.left.popleft()
        if batch.left:
            self._batches.put(batch.message.originator, batch)
        self._asked += 1
        batch.ways[place] = await self._way(batch.message, batch.claims[place], batch.ways[place])
        batch.open -= 1
        if not batch.open and batch in self._open:
            self._open.discard(batch)
            self._answered(batch.message, batch.claims, batch.ways)

    async def _way(self, message: Message, claim: Claim, way: Way) -> Way:
        """Return the way of a claim; None where something is broken, which delays mail and loses none."""
        try:
            return await self._answer(message, claim, way)
        except Cancelled:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, the mail waits
            address = str(claim.recipient.address)
            self.log.failure("no way for {recipient}", recipient=address, event="queue.route_failed")
            return None

    async def _answer(self, message: Message, claim: Claim, way: Way) -> Way:
        if way is None or isinstance(way, Deferred):
            return way
        with self._plugins.lent() as plugins:
            return await asked_way(plugins, self._router, message, claim.recipient.address, way, claim.attempts)


async def asked_way(  # noqa: PLR0913, PLR0917 - who is asked, and about what
    plugins: Pipeline, router: IRouter, message: Message, recipient: Address, route: Route, attempts: int
) -> Route | Deferred:
    """Ask plugins which way a recipient's copy goes; return it, or why it can't go now.

    Args:
        plugins: are asked.
        router: makes a next hop of what they choose.
        message: whose recipient it is.
        recipient: who.
        route: the way it goes if they have nothing against that.
        attempts: how often it was tried before.
    """
    leaving = Leaving(
        id_text(message.id),
        message.envelope.sender,
        recipient,
        message.origin.account,
        attempts,
        route_text(route),
        mapping_of(message.tags),
    )
    answer = await plugins.way(leaving)
    if answer is None:
        return route
    if isinstance(answer, Via):
        return router.chosen(answer, recipient)
    return Refuse(answer) if answer.is_permanent else Deferred(answer)
