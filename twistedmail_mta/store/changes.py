"""Notices that another process has written to the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IChanges, IDatabase, Transaction
from twistedmail_mta.tasks import TaskGroup, sleep

LOOK_EVERY: Final = 1.0
"""Seconds between looks."""


@implementer(IChanges)
class Changes:
    """Tells of commits of other processes: those it hears of at once, the others within a second or two.

    SQLite counts the commits that a connection hasn't made itself.  The one
    that counts them is the writer's, since all others see the writer's too;
    so a look is a transaction that writes nothing, which costs no sync.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, database: IDatabase, clock: IReactorTime) -> None:
        """Prepare; nothing is looked at before `start`.

        Args:
            database: whose commits.
            clock: the timer of the looks.
        """
        self._database = database
        self._clock = clock
        self._tasks = TaskGroup()
        self._subscribers: list[Callable[[], None]] = []
        self._version: int | None = None

    def subscribe(self, changed: Callable[[], None]) -> None:
        """See `IChanges.subscribe`."""
        self._subscribers.append(changed)

    def start(self) -> None:
        """Begin to look; what was committed before the first look is known to nobody yet."""
        self._tasks.start("store.changes", self._watch())

    def stop(self) -> None:
        """Look no more."""
        self._tasks.cancel()

    def notice(self) -> None:
        """Hear from another process that it has committed."""
        for changed in tuple(self._subscribers):
            try:
                changed()
            except Exception:  # noqa: BLE001 - one of them must not keep it from the others
                self.log.failure("a change of the database was not taken", event="store.changed.failed")

    async def _watch(self) -> None:
        while True:
            await self._look()
            await sleep(self._clock, LOOK_EVERY)

    async def _look(self) -> None:
        try:
            version = await self._database.write(_version, urgent=True)
        except TemporaryError:
            self._version = None  # the connection may be another by the next look
            return
        changed, self._version = version != self._version, version
        if changed:
            self.notice()


def _version(tx: Transaction) -> int:
    ((version,),) = list(tx.execute("PRAGMA data_version"))
    return int(version)
