"""What plugins are given by the site they run in: threads, a hand on the queue, mail to the administrator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import ClassVar, Final
from weakref import WeakKeyDictionary

from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.logger import Logger

from twistedmail_mta.composition.settings import utc_offset
from twistedmail_mta.config.site import Site
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDatabase
from twistedmail_mta.model import Message, Reply
from twistedmail_mta.queue.notices import Notices
from twistedmail_mta.queue.own_mail import OwnMail
from twistedmail_mta.queue.runner import QueueRunner
from twistedmail_mta.spool.account_mail import AccountMail
from twistedmail_mta.spool.control import QueueControl
from twistedmail_mta.spool.spool import Spool
from twistedmail_mta.spool.tenure import boot_name
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.tasks import WorkerPool

THREADS: Final = 2
BACKLOG: Final = 200
"""Of each plugin that uses threads at all; what one does there keeps no other waiting."""
THREADS_END: Final = 5.0
"""Seconds that a plugin's threads have to end when the server stops."""

STARTING: Final = Reply(451, "4.3.2", "The server is still starting, please try again later")


class PluginThreads:
    """The threads of plugins, for each its own; they begin when it gives them work."""

    log: ClassVar[Logger] = Logger()

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._pools: WeakKeyDictionary[WorkerPool, str] = WeakKeyDictionary()

    def of(self, name: str) -> WorkerPool:
        """Return the threads of one more plugin."""
        pool = WorkerPool(self._reactor, f"plugin-{name}", THREADS, BACKLOG)
        self._pools[pool] = name
        return pool

    def end(self, pool: WorkerPool) -> None:
        """Let threads end that nobody needs any more, when they have done what they do; nobody waits for them."""
        pool.stop(0.0)

    def stop(self) -> None:
        """Let all end; those of a plugin whose work takes too long are left to themselves."""
        for pool, name in list(self._pools.items()):
            if not pool.stop(THREADS_END):
                self.log.warn("plugin {plugin} still has work on its threads", event="plugin.failed", plugin=name)


class PluginQueue:
    """The queue as plugins reach it, who are made before it."""

    def __init__(self, own_mail: OwnMail) -> None:
        self._own_mail = own_mail
        self._spool: Spool | None = None
        self._runner: QueueRunner | None = None

    def begin(self, spool: Spool, runner: QueueRunner) -> None:
        """Let them reach the queue, now that there is one."""
        self._spool, self._runner = spool, runner

    def note(self, recipients: Iterable[tuple[int, int, int | None]], wanted: bool) -> None:
        """Hear what was done to recipients, and look at the queue at once."""
        if self._spool is not None and self._runner is not None:
            self._spool.note_wishes(recipients, wanted)
            self._runner.poke()

    def look(self) -> None:
        """Look at what is suspended, and at what is due."""
        if self._runner is not None:
            self._runner.look()

    def new_id(self) -> int:
        """Name a message.

        Raises:
            TemporaryError: there is no queue yet.
        """
        if self._spool is None:
            raise TemporaryError(STARTING)
        return self._spool.new_id()

    async def accept(self, message: Message) -> None:
        """Take a message of this host; see `IAcceptance.accept`."""
        if self._runner is None:
            raise TemporaryError(STARTING)
        await self._runner.accept(await self._own_mail.signed(message))


def account_mail(
    queue: PluginQueue,
    database: IDatabase,
    bodies: BodyStore,
    clock: IReactorTime,
    record: Callable[[str, Iterable[int]], None],
) -> AccountMail:
    """Return the hand that plugins have on the queued mail of accounts."""
    control = QueueControl(database, bodies, clock, time.monotonic, boot_name(), queue.note, queue.look, record)
    return AccountMail(control)


def notices(queue: PluginQueue, site: Site) -> Notices:
    """Return what writes to the administrator."""
    server = site.server
    return Notices(server.hostname, server.admin, queue.new_id, time.time, utc_offset, queue.accept)
