"""The operator's hand on the queue, while a server runs and while none does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from operator import add

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.interfaces import IBodyStore, IDatabase
from twistedmail_mta.spool import operator, owners
from twistedmail_mta.spool.operator import Action, QueueCounts, QueuedMessage, Selection
from twistedmail_mta.spool.rows import Key
from twistedmail_mta.spool.stretch import END, SLICE, START

Wishes = Iterable[tuple[int, int, int | None]]
"""Recipients that something was done to: message, place, and who leases it."""


def _heard_by_nobody(wishes: Wishes, wanted: bool) -> None:
    """No server runs here."""


class QueueControl:
    """Looks at the queue and changes it, a piece at a time."""

    def __init__(  # noqa: PLR0913, PLR0917 - a composition
        self,
        database: IDatabase,
        bodies: IBodyStore,
        clock: IReactorTime,
        uptime: Callable[[], float],
        boot: str,
        note: Callable[[Wishes, bool], None] = _heard_by_nobody,
    ) -> None:
        """Control the queue in `database`.

        Args:
            database: where the rows are.
            bodies: where large bodies are.
            clock: the time of day.
            uptime: as for `begin_tenure`.
            boot: `boot_name()`.
            note: told what was done to claimed recipients: `Spool.note_wishes`
                of a running server.
        """
        self._database = database
        self._bodies = bodies
        self._clock = clock
        self._uptime = uptime
        self._boot = boot
        self._note = note

    async def messages(
        self, selection: Selection, after: int = -1, limit: int = 100
    ) -> tuple[list[QueuedMessage], int | None]:
        """Return messages with a recipient that is meant, oldest first.

        Args:
            selection: which.
            after: begin behind the message of this id.
            limit: how many messages at most.

        Returns:
            The messages, with all their recipients, and where to go on; None
            at the end of the queue.
        """
        wanted, place = operator.query(selection), (after, END[1])
        ids: dict[int, None] = {}
        while place != END and len(ids) < limit:
            page = partial(operator.find, wanted=wanted, after=place, limit=limit - len(ids))
            keys, place = await self._database.read(page)
            ids.update((message, None) for message, _ in keys)
            if keys and place != END:
                place = max(place, (keys[-1][0], END[1]))
        rows = await self._database.read(lambda tx: operator.queued(tx, list(ids)))
        return operator.queued_messages(*rows), None if place == END else place[0]

    async def message(self, message_id: int) -> QueuedMessage | None:
        """Return one message, or None when it is gone."""
        rows = await self._database.read(lambda tx: operator.queued(tx, [message_id]))
        for message in operator.queued_messages(*rows):
            return message
        return None

    async def counts(self) -> QueueCounts:
        """Count what is queued."""
        total, place = (0,) * 6, START
        while place != END:
            row, place = await self._database.read(partial(operator.count, after=place))
            total = tuple(map(add, total, row))
        return QueueCounts(*total)

    async def change(self, action: Action, selection: Selection) -> int:
        """Do something to every recipient that is meant; return to how many it was done.

        Of one that is being tried now, hold and delete are done when the
        attempt ends without delivery.

        Raises:
            TemporaryError: the database can't be written; what was done so far stays.
        """
        wanted, place, done = operator.query(selection), START, 0
        while place != END:
            keys, place = await self._database.read(partial(operator.find, wanted=wanted, after=place, limit=SLICE))
            if keys:
                done += await self._change(action, keys)
        return done

    async def _change(self, action: Action, keys: list[Key]) -> int:
        now, uptime = self._clock.seconds(), self._uptime()
        running = await self._database.read(lambda tx: owners.running_time(tx, self._boot, now, uptime))
        changed = await self._database.write(lambda tx: operator.change(tx, action, keys, now, running), urgent=True)
        self._note(changed.keys, action in {"retry", "release"})
        if changed.files:
            await self._bodies.remove(changed.files)
        return len(changed.keys)
