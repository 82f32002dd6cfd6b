"""Reads what the parts of a running site have counted, for Prometheus and for `mta metrics`."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, Final, TypeVar

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import globalLogPublisher

from twistedmail_mta.composition.figures import Figures, Sessions
from twistedmail_mta.composition.measured_files import file_readings, queue_readings
from twistedmail_mta.composition.parts import IReactorSite, Parts
from twistedmail_mta.composition.settings import release
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.observe import catalogue
from twistedmail_mta.observe.catalogue import Reading, of_counts
from twistedmail_mta.observe.exposition import MEDIA_TYPE, json_of, text_of
from twistedmail_mta.observe.figures import Spread
from twistedmail_mta.observe.tally import EventTally
from twistedmail_mta.spool.census import Census, take_census
from twistedmail_mta.store.database import Database
from twistedmail_mta.tasks import Promise, TaskGroup, WorkerPool, within
from twistedmail_mta.web.request import Request, answer_with, read_request

T = TypeVar("T")

PATH: Final = "/metrics"
LAG_EVERY: Final = 1.0
"""Seconds between two looks at how late the reactor is."""
COUNT_EVERY: Final = 15.0
"""Seconds, at least, between two counts of the queue."""
COUNT_SHARE: Final = 50.0
"""How much longer nobody counts than a count took."""
FIRST_WITHIN: Final = 2.0
"""Seconds that whoever asks first waits for the first count."""
_BACKLOG: Final = 20
BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Measuring:
    """What is counted in a running site, and who reads it.

    Numbers are gathered on the reactor's thread; files are looked at, and the
    text is made, on a thread of its own.  The queue is counted when somebody
    asks, in stretches on the database's readers, and for a fiftieth of the
    time at most; meanwhile the last count is told, with its time.

    Attributes:
        figures: what `mta top` is told.
    """

    def __init__(self, reactor: IReactorSite, parts: Parts, tally: EventTally, sessions: Sessions) -> None:
        """Prepare to measure.

        Args:
            reactor: drives it.
            parts: those of the site.
            tally: what the log has told.
            sessions: returns who is and was at each listener.
        """
        self._reactor = reactor
        self._parts = parts
        self._tally = tally
        self._sessions = sessions
        self._threads = WorkerPool(reactor, "metrics", 1, _BACKLOG)
        self._tasks = TaskGroup()
        self._lag = Spread(catalogue.LAG.bounds)
        self._look: IDelayedCall | None = None
        self._due = 0.0
        self._census: Census | None = None
        self._counted_at = 0.0
        self._next_count = 0.0
        self._first: Promise[None] = Promise()
        self.figures = Figures(reactor, parts, self._counted, sessions)

    def start(self) -> None:
        """Look at the reactor from now on."""
        globalLogPublisher.addObserver(self.figures.busiest)
        self.figures.note(0.0)
        self._due = self._reactor.seconds() + LAG_EVERY
        self._look = self._reactor.callLater(LAG_EVERY, self._note_lag)

    async def stop(self) -> None:
        """Measure no more."""
        if self._look is not None:
            self._look.cancel()
            globalLogPublisher.removeObserver(self.figures.busiest)
        self._tasks.cancel()
        await self._tasks.finish()
        self._threads.stop()

    def answer(self, octets: bytes, _peer: str) -> bytes | Coroutine[Any, Any, bytes]:
        """Answer a request by HTTP."""
        request = read_request(octets)
        found = request is not None and request.path.partition("?")[0] == PATH
        if request is None or not found or request.method not in {"GET", "HEAD"}:
            return answer_with(request, b"" if found else None, MEDIA_TYPE)
        return self._answered(request)

    async def _answered(self, request: Request) -> bytes:
        try:
            return answer_with(request, await self.text(), MEDIA_TYPE)
        except TemporaryError:
            return BUSY

    async def text(self) -> bytes:
        """Return what Prometheus reads.

        Raises:
            TemporaryError: too many ask at once.
        """
        return await self._made(text_of)

    async def json(self) -> list[dict[str, Any]]:
        """Return the same as values for JSON.

        Raises:
            TemporaryError: too many ask at once.
        """
        return await self._made(json_of)

    async def _made(self, make: Callable[[list[Reading]], T]) -> T:
        self._count_if_due()
        if self._census is None:
            with suppress(TimeoutError):  # what is known without it is told then
                await within(self._reactor, FIRST_WITHIN, self._first_count())
        gathered, site = list(self._gathered()), self._parts.site
        return await self._threads.run(lambda: make([*gathered, *file_readings(site)]))

    def _gathered(self) -> Iterator[Reading]:
        """Yield what is in memory."""
        parts = self._parts
        yield catalogue.INFO, (release(),), 1
        yield from self._tally.readings()
        yield from of_counts(catalogue.SESSIONS, (((name,), number) for name, (number, _) in self._sessions().items()))
        if self._census is not None:
            yield from queue_readings(self._census, self._counted_at, time.time())
        yield from parts.readings()
        yield catalogue.LAG, (), self._lag

    def _counted(self) -> Iterator[Reading]:
        """Yield what rates are made of."""
        yield from self._tally.readings()
        if isinstance(self._parts.database, Database):
            yield from self._parts.database.readings()

    def _note_lag(self) -> None:
        now = self._reactor.seconds()
        self._lag.note(now - self._due)
        self.figures.note(max(0.0, now - self._due))
        self._due = now + LAG_EVERY
        self._look = self._reactor.callLater(LAG_EVERY, self._note_lag)

    def _count_if_due(self) -> None:
        if self._reactor.seconds() >= self._next_count:
            self._next_count = float("inf")
            self._tasks.start("metrics.census", self._count())

    async def _count(self) -> None:
        began = self._reactor.seconds()
        try:
            self._census = await take_census(self._parts.database.read)
            self._counted_at = time.time()
        except TemporaryError:
            pass  # its time tells that the last count is an old one
        finally:
            ended = self._reactor.seconds()
            self._next_count = ended + max(COUNT_EVERY, COUNT_SHARE * (ended - began))
            if not self._first.done:
                self._first.resolve(None)

    async def _first_count(self) -> None:
        await self._first
