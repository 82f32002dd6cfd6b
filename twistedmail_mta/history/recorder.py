"""The reactor's end of the history: takes note of what happens, and waits for nothing.

What can't be written in time is dropped and counted: the history never slows
the mail, nor does its memory grow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.logger import Logger

from twistedmail_mta.history.story import Row
from twistedmail_mta.history.writer import Batch, HistoryWriter
from twistedmail_mta.tasks import Promise

GATHER: Final = 0.5
"""Seconds of events that are written together, and that a crash may take."""
MOST_WAITING: Final = 20_000
"""Events that wait to be written."""
MOST_AT_ONCE: Final = 2_000
"""Events that aren't kept back any longer."""
TELL_EVERY: Final = 60.0
"""Seconds between two log lines about what was dropped."""


class IReactorHistory(IReactorTime, IReactorFromThreads):
    """What of the reactor the history uses."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How much of the past is kept.

    Attributes:
        enabled: anything at all is noted.
        age: seconds; None: as long as there is room.
        size: octets of the file.
    """

    enabled: bool = True
    age: float | None = 30 * 86400.0
    size: int = 2 << 30


class Recorder:
    """Gathers rows and hands them to the writer, twice a second.

    Used on the reactor's thread alone.

    Attributes:
        dropped: events that weren't noted, since the start.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, reactor: IReactorHistory, writer: HistoryWriter, keep: Keep, now: Callable[[], float]) -> None:
        """Begin.

        Args:
            reactor: drives it.
            writer: writes, on a thread of its own.
            keep: how much is kept.
            now: seconds since the epoch.
        """
        self.dropped = 0
        self.now = now
        self._reactor = reactor
        self._writer = writer
        self._keep = keep
        self._batch = Batch()
        self._given = 0
        self._moment = 0
        self._call: IDelayedCall | None = None
        self._told_at = -TELL_EVERY
        self._told = 0
        self._closed = False

    @property
    def wants(self) -> bool:
        """Whether anything is noted; it costs something to put a row together."""
        return self._keep.enabled and not self._closed

    def keep(self, keep: Keep) -> None:
        """Keep another part of the past from now on."""
        self._keep = keep

    def story(self, row: Row, weight: int = 1) -> None:
        """Note a story.

        Args:
            row: one of `tables.STORY_COLUMNS`.
            weight: as how many events it counts.
        """
        if self._has_room(weight):
            self._batch.stories.append(row)

    def step(self, story: int, kind: int, *columns: object, at: float | None = None, keys: Iterable[int] = ()) -> None:
        """Note a step.

        Args:
            story: whose.
            kind: of the step.
            columns: those of `tables.STEP_COLUMNS` behind the kind.
            at: when it was, in seconds since the epoch; None: now.
            keys: by which the story is found from now on, beside what it tells itself.
        """
        if self._has_room(1):
            self._batch.steps.append((story, self._next_moment(at or self.now()), kind, *columns))
            self._batch.terms += [(story, key) for key in keys]

    def drop(self, number: int = 1) -> None:
        """Note that something wasn't noted."""
        self.dropped += number
        now = self._reactor.seconds()
        if now - self._told_at >= TELL_EVERY:
            self.log.warn(
                "the history lacks {number} events that could not be written in time",
                event="history.dropped",
                number=self.dropped - self._told,
            )
            self._told_at, self._told = now, self.dropped

    def _has_room(self, weight: int) -> bool:
        if self._closed or not self._keep.enabled:
            return False
        if self._given - self._writer.taken >= MOST_WAITING:
            self.drop()
            return False
        self._given += weight
        batch = self._batch
        batch.weight += weight
        if self._call is None:
            self._call = self._reactor.callLater(GATHER, self._hand_over)
        elif batch.weight - weight < MOST_AT_ONCE <= batch.weight:
            self._call.reset(0)
        return True

    def _next_moment(self, at: float) -> int:
        """Return a time in microseconds that no other step has."""
        self._moment = max(self._moment + 1, int(at * 1e6))
        return self._moment

    def _hand_over(self) -> None:
        self._call = None
        batch, self._batch = self._batch, Batch()
        batch.keep, batch.now = self._keep, self.now()
        self._writer.put(batch)

    async def flushed(self) -> None:
        """Return once what was noted until now is in the file, or lost."""
        if self._closed:
            return
        if self._call is not None:
            self._call.cancel()
        promise: Promise[None] = Promise()
        self._batch.written = lambda: self._reactor.callFromThread(promise.resolve, None)
        self._hand_over()
        await promise

    async def clear(self) -> None:
        """Forget what is older than is to be kept, and what there is no room for."""
        await self.flushed()

    def close(self) -> None:
        """Write what was noted; blocks, for a bounded time."""
        if self._call is not None:
            self._call.cancel()
        self._hand_over()
        self._closed = True
        self._writer.stop()
