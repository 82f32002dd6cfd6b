"""Large bodies as files, named by the time they came; small ones stay in memory."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import ClassVar, Final

from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IBodyStore
from twistedmail_mta.model import Body, InlineBody
from twistedmail_mta.store import sweep
from twistedmail_mta.store.body_file import BodyFile, Directories
from twistedmail_mta.store.body_writer import BodyWriter
from twistedmail_mta.store.disk import Disk, OrdinaryDisk
from twistedmail_mta.store.holding import leave_to_remove
from twistedmail_mta.store.replies import STORE_FAILED
from twistedmail_mta.tasks import TaskGroup, WorkerPool

INLINE_LIMIT: Final = 256 * 1024
"""Octets up to which a body is a row: no more than a body that becomes a file
keeps in memory too, and cheaper than a file up to there."""

_PIECE: Final = 500


@implementer(IBodyStore)
class BodyStore:
    """Bodies under one directory, in a subdirectory for each hour.

    Attributes:
        root: that directory.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(  # noqa: PLR0913 - all by name
        self,
        pool: WorkerPool,
        root: Path,
        *,
        inline_limit: int = INLINE_LIMIT,
        disk: Disk | None = None,
        now: Callable[[], float] = time.time,
        makes: bool = True,
    ) -> None:
        """Open the store, making its directory if need be.

        Args:
            pool: the I/O threads; the caller's to stop, after `close`.
            root: the directory of all bodies; its parent exists.
            inline_limit: octets up to which a body is a row.
            disk: the operations on files; the ordinary ones unless a test says otherwise.
            now: the time of day.
            makes: its directory is made; else nothing may be written that isn't small.

        Raises:
            OSError: the directory can't be made.
        """
        self._pool = pool
        self.root = root
        self._inline_limit = inline_limit
        self._disk = disk or OrdinaryDisk()
        self._now = now
        self._directories = Directories(self._disk, root, makes=makes)
        self._tasks = TaskGroup()

    def writer(self) -> BodyWriter:
        """Begin a body."""
        return BodyWriter(self._pool, self._tasks, self._new_file, self._inline_limit)

    async def read(self, body: Body, offset: int, size: int) -> bytes:
        """Return up to `size` octets of a body from `offset` on; shorter only at its end.

        Raises:
            TemporaryError: its file can't be read.
        """
        if isinstance(body, InlineBody):
            return body.data[offset : offset + size]
        try:
            return await self._pool.run(_read, self.root / body.name, offset, size)
        except OSError as error:
            self.log.warn("a body couldn't be read: {reason}", reason=str(error), event="store.failed")
            raise TemporaryError(STORE_FAILED) from error

    async def remove(self, names: Iterable[str]) -> None:
        """Unlink files that no row names any more; what can't be unlinked, or is held, is left to `sweep`.

        Raises:
            TemporaryError: too much waits for the I/O threads.
        """
        for error in await self._pool.run(self._unlink, list(names)):
            self.log.warn("a body couldn't be removed: {reason}", reason=str(error), event="store.failed")

    async def sweep(self, named: Callable[[Sequence[str]], Awaitable[Collection[str]]], older_than: float) -> int:
        """Unlink the files that no row names, and the directories left empty.

        A file that a living process still writes is spared, and one that was
        written not long ago: its row may be on the way.

        Args:
            named: returns those of some names that rows name.
            older_than: seconds; longer than from a body's end to its commit.

        Returns:
            How many files were unlinked.

        Raises:
            TemporaryError: too much waits for the I/O threads.
            OSError: a directory can't be read.
        """
        before = self._now() - older_than
        unlinked = 0
        for directory in await self._pool.run(sweep.directories, self.root):
            old = iter(await self._pool.run(sweep.old_bodies, self.root, directory, before))
            while piece := list(islice(old, _PIECE)):
                orphans = set(piece).difference(await named(piece))
                unlinked += await self._pool.run(sweep.unlink_unused, self._disk, self.root, orphans)
            await self._pool.run(sweep.remove_if_empty, self.root, directory, before)
        return unlinked

    async def close(self) -> None:
        """Wait until what was abandoned is unlinked."""
        await self._tasks.finish()

    def _new_file(self) -> BodyFile:
        now = self._now()
        hour = time.strftime("%Y%m%d%H", time.gmtime(now))
        name = f"{hour}/{int(now * 1_000_000):014x}-{secrets.token_hex(4)}"
        return BodyFile(self._disk, self._directories, name)

    def _unlink(self, names: Iterable[str]) -> list[OSError]:
        errors = []
        with leave_to_remove(self.root) as may:
            for name in names if may else ():
                try:
                    self._disk.unlink(self.root / name)
                except OSError as error:
                    errors.append(error)
        return errors


def _read(path: Path, offset: int, size: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, size, offset)
    finally:
        os.close(descriptor)
