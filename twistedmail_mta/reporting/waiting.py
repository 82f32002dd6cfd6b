"""What is counted in memory, and waits to be written: soon, in pieces, each once, and again if that fails."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import ClassVar, Final, Generic, Protocol, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.tasks import Task, TaskGroup

WRITE_AFTER: Final = 20.0
"""Seconds from when something begins to wait until it is written."""

Piece = TypeVar("Piece")


class Counted(Protocol[Piece]):
    """What is counted."""

    def take(self) -> Piece | None:
        """Return so much of it as one write may hold, which then waits no more; None when nothing waits."""

    def put_back(self, piece: Piece) -> None:
        """Let a piece wait again that couldn't be written."""

    def write(self, piece: Piece) -> Awaitable[object]:
        """Write a piece.

        Raises:
            TemporaryError: it can't be written now.
        """


class Waiting(Generic[Piece]):
    """Has what waits written, by one write at a time."""

    log: ClassVar[Logger] = Logger()

    def __init__(self, kind: str, clock: IReactorTime, counted: Counted[Piece]) -> None:
        """Begin.

        Args:
            kind: of reports, such as "tls".
            clock: for the time until it is written.
            counted: what waits.
        """
        self._kind = kind
        self._clock = clock
        self._counted = counted
        self._timer: IDelayedCall | None = None
        self._writing: Task[None] | None = None
        self._tasks = TaskGroup()

    def note(self) -> None:
        """Hear that something waits."""
        if self._timer is None or not self._timer.active():
            self._timer = self._clock.callLater(WRITE_AFTER, self._wake)

    def _wake(self) -> None:
        self._tasks.start(f"reporting.{self._kind}", self._keep_or_later())

    async def _keep_or_later(self) -> None:
        try:
            await self.keep()
        except TemporaryError as error:
            self.log.warn(
                "what is counted for {kind} reports is written later: {why}",
                kind=self._kind,
                why=str(error.reply),
                event="report.unwritten",
            )
            self.note()

    async def stop(self) -> None:
        """Write what waits, if that is possible, and write no more."""
        await self._tasks.finish()
        await self._keep_or_later()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    async def keep(self) -> None:
        """Write what waits, and wait for what another is writing.

        Raises:
            TemporaryError: it can't be written now; it goes on waiting.
        """
        while self._writing is not None and not self._writing.done:
            await self._writing
        self._writing = self._tasks.shield(f"reporting.{self._kind}", self._write())
        await self._writing

    async def _write(self) -> None:
        while (piece := self._counted.take()) is not None:
            try:
                await self._counted.write(piece)
            except TemporaryError:
                self._counted.put_back(piece)
                raise
