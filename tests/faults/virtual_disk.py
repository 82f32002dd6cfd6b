"""A site's disk in virtual time: the real store on real files, with neither threads nor syncs, that may be full."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import apsw
from virtual_network import Machine
from zope.interface import implementer

from twistedmail_mta.interfaces import IDatabase, Transaction
from twistedmail_mta.model import Reply
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.disk import OrdinaryDisk
from twistedmail_mta.store.files import DatabaseFiles
from twistedmail_mta.store.group import Committer, Job, Outcome
from twistedmail_mta.store.replies import DISK_FULL
from twistedmail_mta.store.sqlite import read_transaction
from twistedmail_mta.tasks import Promise

T = TypeVar("T")

BALLAST_PAGES = 64
INLINE_LIMIT = 2048
_UNLIMITED = 1 << 30


class Room:
    """What there is room for on a disk; it outlives the processes.

    Attributes:
        full: nothing more fits, but for what is urgent as long as the ballast lasts.
        low: new mail should not be begun; known only once something didn't fit.
        reserved: the ballast is out.
    """

    def __init__(self) -> None:
        self.full = self.low = self.reserved = False
        self._connection: apsw.Connection | None = None

    def fill(self) -> None:
        """Let nothing more fit."""
        self.full = True
        self._leave(0)

    def clear(self) -> None:
        """Let everything fit again."""
        self.full = self.low = self.reserved = False
        self._leave(_UNLIMITED)

    def release_ballast(self) -> bool:
        """Make room for urgent writes, once."""
        held, self.low, self.reserved = not self.reserved, True, True
        self._leave(BALLAST_PAGES * held)
        return held

    def _leave(self, pages: int) -> None:
        if self._connection is not None:
            self._connection.pragma("max_page_count", self._connection.pragma("page_count") + pages)

    def connect(self, files: DatabaseFiles) -> apsw.Connection:
        """Open the database for writing."""
        self._connection = files.connect(checkpoint_every=1000)
        self._connection.pragma("synchronous", 0)
        if self.full:
            self._leave(0)
        return self._connection

    def disconnect(self) -> None:
        """Forget the connection: it is closed."""
        self._connection = None


class FullableDisk(OrdinaryDisk):
    """The files of bodies, dated in virtual time; nothing is synced, since no power is ever cut."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._open: set[int] = set()
        machine.at_end.append(self._close_all)

    def create(self, path: Path) -> int:
        descriptor = super().create(path)
        self._open.add(descriptor)
        return descriptor

    def write(self, descriptor: int, octets: bytearray) -> None:
        if self._machine.disk.full:
            raise OSError(errno.ENOSPC, "no space left")
        super().write(descriptor, octets)
        os.utime(descriptor, (self._machine.seconds(),) * 2)

    def close(self, descriptor: int) -> None:
        self._open.remove(descriptor)
        super().close(descriptor)

    def _close_all(self) -> None:
        for descriptor in tuple(self._open):
            self.close(descriptor)

    def sync(self, descriptor: int) -> None:
        """Nothing is synced."""

    def sync_directory(self, path: Path) -> None:
        """Nothing is synced."""


@implementer(IDatabase)
class VirtualDatabase:
    """The real committer, on the clock: what waits is committed as a group after a while, known a while later."""

    def __init__(self, machine: Machine, path: Path) -> None:
        files = DatabaseFiles(path, margin=0, ballast_size=4096)
        self._machine = machine
        self._room: Room = machine.disk
        self._lock = files.lock()
        files.prepare(self._lock)
        self._committer = Committer(partial(self._room.connect, files), self._lock, self._room, self._report)  # type: ignore[arg-type]
        self._reader = files.connect_reader()
        self._waiting: list[tuple[Job, Promise[Any]]] = []
        machine.at_end.append(self._drop)

    def write(self, function: Callable[[Transaction], T], urgent: bool = False, size: int = 0) -> Promise[T]:
        promise: Promise[T] = Promise()
        self._waiting.append((Job(function, urgent, size), promise))
        if len(self._waiting) == 1:
            self._machine.callLater(self._pause(), self._commit)
        return promise

    async def read(self, function: Callable[[Transaction], T]) -> T:
        promise: Promise[None] = Promise()
        self._machine.callLater(self._pause(), promise.resolve, None)
        await promise
        return read_transaction(self._reader, function)

    def refusal(self) -> Reply | None:
        return DISK_FULL if self._room.low else None

    async def close(self) -> None:
        """Nothing waits any more; the files are closed when the process ends."""

    def _drop(self) -> None:
        self._room.disconnect()
        self._committer.close()
        self._reader.close()
        self._lock.close()

    def _commit(self) -> None:
        group = sorted(self._waiting, key=lambda waiting: not waiting[0].urgent)
        self._waiting = []
        outcomes: list[Outcome] = []
        while len(outcomes) < len(group):
            outcomes += self._committer.commit([job for job, _ in group[len(outcomes) :]])
        network = self._machine.network
        if network.random.random() < network.sudden:
            self._machine.fall()
        else:
            self._machine.callLater(self._pause(), self._hand_over, group, outcomes)

    def _hand_over(self, group: list[tuple[Job, Promise[Any]]], outcomes: list[Outcome]) -> None:
        for (_, promise), outcome in zip(group, outcomes, strict=True):
            if outcome.error is None:
                promise.resolve(outcome.result)
            else:
                promise.fail(outcome.error)

    def _pause(self) -> float:
        random = self._machine.network.random
        return random.uniform(1.0, 8.0) if random.random() < 0.002 else random.uniform(0.0005, 0.01)

    def _report(self, error: BaseException) -> None:
        raise AssertionError("nothing but a full disk happens here") from error


class VirtualPool:
    """Threads without threads: a call is made after a while."""

    def __init__(self, machine: Machine, *_: Any) -> None:
        self.machine = machine

    async def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        promise: Promise[None] = Promise()
        self.machine.callLater(self.machine.network.random.uniform(0.0005, 0.01), promise.resolve, None)
        await promise
        return function(*args, **kwargs)

    def stop(self, within: float | None = None) -> bool:
        """Nothing runs."""
        return True


def virtual_bodies(pool: VirtualPool, root: Path, *, makes: bool) -> BodyStore:
    """Return the real store of bodies, small ones files too."""
    machine = pool.machine
    return BodyStore(  # type: ignore[arg-type]
        pool, root, inline_limit=INLINE_LIMIT, disk=FullableDisk(machine), now=machine.seconds, makes=makes
    )
