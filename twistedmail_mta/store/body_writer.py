"""Takes one body as it arrives: memory up to the inline limit, then a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IBodyWriter
from twistedmail_mta.model import FileBody, InlineBody
from twistedmail_mta.store.body_file import BodyFile
from twistedmail_mta.store.disk import refusal_for
from twistedmail_mta.tasks import TaskGroup, WorkerPool

BLOCK_SIZE: Final = 256 * 1024
"""Octets that are written to a file at once."""


@implementer(IBodyWriter)
class BodyWriter:
    """Gathers octets and writes them in blocks on the I/O threads, one at a time."""

    log: ClassVar[Logger] = Logger()

    def __init__(self, pool: WorkerPool, tasks: TaskGroup, new_file: Callable[[], BodyFile], inline_limit: int) -> None:
        """Begin a body.

        Args:
            pool: the I/O threads.
            tasks: keeps the unlinking of an abandoned file.
            new_file: names the file, when there has to be one.
            inline_limit: octets up to which the body stays in memory.
        """
        self.size = 0
        self._pool = pool
        self._tasks = tasks
        self._new_file = new_file
        self._inline_limit = inline_limit
        self._waiting = bytearray()
        self._file: BodyFile | None = None
        self._ended = False

    def add(self, block: bytes) -> bool:
        """Take octets; True when `flush` must be awaited before more is added."""
        self.size += len(block)
        self._waiting += block
        return len(self._waiting) >= BLOCK_SIZE

    async def flush(self) -> None:
        """Write what waits to the file, unless the body may still stay in memory.

        Raises:
            TemporaryError: disk full or input/output error; nothing is left of the body.
        """
        if self.size > self._inline_limit:
            await self._run(self._opened_file().append)

    async def finish(self) -> InlineBody | FileBody:
        """Return the body; a file and its directory are on disk by then.

        Raises:
            TemporaryError: as `flush`.
        """
        body: InlineBody | FileBody
        if self.size <= self._inline_limit:
            body = InlineBody(bytes(self._waiting))
        else:
            file = self._opened_file()
            await self._run(file.finish)
            body = FileBody(file.name, self.size)
        self._ended = True
        return body

    def abandon(self) -> None:
        """Forget what was taken; what `finish` has returned stays as it is."""
        self._waiting = bytearray()
        if self._file is not None and not self._ended:
            self._ended = True
            self._tasks.start("store.abandon", self._unlink(self._file))

    def _opened_file(self) -> BodyFile:
        if self._file is None:
            self._file = self._new_file()
        return self._file

    async def _run(self, step: Callable[[bytearray], None]) -> None:
        octets, self._waiting = self._waiting, bytearray()
        try:
            await self._pool.run(step, octets)
        except OSError as error:
            self.abandon()
            self.log.warn("a body couldn't be written: {reason}", reason=str(error), event="store.failed")
            raise refusal_for(error) from error
        except TemporaryError:
            self.abandon()
            raise

    async def _unlink(self, file: BodyFile) -> None:
        try:
            await self._pool.run(file.abandon)
        except TemporaryError:  # the pool is full or has stopped: better here than a descriptor too many
            file.abandon()
        except OSError as error:
            self.log.warn("a body couldn't be removed: {reason}", reason=str(error), event="store.failed")
