"""The operator's hand on the queue, while a server runs and while none does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from operator import add

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.interfaces import IBodyStore, IDatabase, Transaction
from twistedmail_mta.model import Suspended, Suspension, TLSLevel
from twistedmail_mta.spool import operator, operator_summary, owners, suspensions
from twistedmail_mta.spool.operator import QueueCounts, QueuedMessage
from twistedmail_mta.spool.operator_change import CHANGES, Action, Change, Moment, postpone, reroute
from twistedmail_mta.spool.operator_selection import Selection, find, query
from twistedmail_mta.spool.operator_summary import AGES, Group
from twistedmail_mta.spool.rows import Key
from twistedmail_mta.spool.stretch import END, SLICE, START

Wishes = Iterable[tuple[int, int, int | None]]
"""Recipients that something was done to: message, place, and who leases it."""


def _heard_by_nobody(wishes: Wishes, wanted: bool) -> None:
    """No server runs here."""


def _seen_by_nobody() -> None:
    """No server runs here either."""


def _awaited_by_nobody(_: int) -> None:
    """Nobody looks how far a change is."""


def recorded_by_nobody(_: str, __: Iterable[int]) -> None:
    """There is no history here."""


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
        look: Callable[[], None] = _seen_by_nobody,
        record: Callable[[str, Iterable[int]], None] = recorded_by_nobody,
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
            look: asks a running server to look at suspensions, failures and
                what is due.
            record: told what was done, in a word or two, and the id of the message of each recipient it was done to.
        """
        self._record = record
        self._database = database
        self._bodies = bodies
        self._clock = clock
        self._uptime = uptime
        self._boot = boot
        self._note = note
        self._look = look

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
        wanted, place = query(selection), (after, END[1])
        ids: dict[int, None] = {}
        while place != END and len(ids) < limit:
            page = partial(find, wanted=wanted, after=place, limit=limit - len(ids))
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
        total, place = (0,) * 7, START
        while place != END:
            row, place = await self._database.read(partial(operator.count, after=place))
            total = tuple(map(add, total, row))
        return QueueCounts(*total)

    async def summary(self, by: Group, selection: Selection) -> dict[str, list[int]]:
        """Count the recipients that are meant, in groups and by age.

        Returns:
            For the name of each group, how many are in each column of ages
            (`AGES`, and one for what is older).
        """
        wanted, place, now = query(selection), START, self._clock.seconds()
        groups: dict[str, list[int]] = {}
        while place != END:
            rows, place = await self._database.read(
                partial(operator_summary.summary, wanted=wanted, by=by, now=now, after=place)
            )
            for name, column, number in rows:
                groups.setdefault(name, [0] * (len(AGES) + 1))[column] += number
        return groups

    async def change(
        self, action: Action, selection: Selection, advance: Callable[[int], None] = _awaited_by_nobody
    ) -> int:
        """Do something to every recipient that is meant; return to how many it was done.

        Of one that is being tried now, hold, delete and bounce are done when
        the attempt ends without delivery.  Mail in quarantine is left alone.

        Args:
            action: what.
            selection: to whom.
            advance: told of each slice that is done: how many recipients were looked at.

        Raises:
            TemporaryError: the database can't be written; what was done so far stays.
        """
        done = await self._change(CHANGES[action], selection, action, advance)
        if done and action == "bounce":
            self._look()
        return done

    async def postpone(
        self, due: float, selection: Selection, advance: Callable[[int], None] = _awaited_by_nobody
    ) -> int:
        """Make every waiting recipient that is meant due at another time; return how many.

        One that is being tried now is left alone, and so is mail in quarantine.

        Args:
            due: seconds since the epoch.
            selection: who.
            advance: as for `change`.

        Raises:
            TemporaryError: as `change`.
        """
        return await self._change(postpone(due), selection, "retry", advance)

    async def reroute(
        self,
        via: str | None,
        tls: TLSLevel,
        selection: Selection,
        advance: Callable[[int], None] = _awaited_by_nobody,
    ) -> int:
        """Send every recipient that is meant another way, now; return how many.

        Of one that is being tried now, that attempt ends as it does.  Mail in
        quarantine is left alone.

        Args:
            via: as `parse_via` reads it; None for the way that the site file says.
            tls: what is demanded there.
            selection: who.
            advance: as for `change`.

        Raises:
            TemporaryError: as `change`.
        """
        act = f"reroute to {via}" if via else "reroute back"
        done = await self._change(reroute(via, tls), selection, act, advance)
        self._look()
        return done

    async def suspend(self, what: Suspended, advance: Callable[[int], None] = _awaited_by_nobody) -> int:
        """Begin no attempt at something until it is resumed; return how many recipients wait for that now.

        Time suspended doesn't count as age.  Of a lane, recipients wait from
        the moment they would have been tried.

        Args:
            what: is suspended.
            advance: as for `change`.

        Raises:
            TemporaryError: the database can't be written; it may be suspended all the same.
        """
        now = self._clock.seconds()
        suspension = await self._database.write(lambda tx: suspensions.add(tx, what, now), urgent=True)
        self._look()
        if what.kind != "lane":
            await self._change(suspensions.park(suspension.id), _waiting_for(what), "suspend", advance)
        return await self._database.read(lambda tx: suspensions.how_many(tx, suspension.id))

    async def would_wait(self, what: Suspended) -> int:
        """Count the recipients that `suspend` would look at."""
        return 0 if what.kind == "lane" else await self.how_many(_waiting_for(what))

    async def resume(self, what: Suspended, advance: Callable[[int], None] = _awaited_by_nobody) -> int | None:
        """End a suspension; return how many recipients go on, or None when there was none.

        Args:
            what: is suspended.
            advance: as for `change`.

        Raises:
            TemporaryError: as `suspend`; a running server does the rest.
        """
        if not await self._database.write(lambda tx: suspensions.end(tx, what), urgent=True):
            return None
        resumed = await suspensions.let_go(self._database, self._running_time, self._record, advance)
        self._look()
        return resumed

    async def suspended(self) -> list[tuple[Suspension, int]]:
        """Return what is suspended, each with how many recipients wait for its end."""

        def read(tx: Transaction) -> list[tuple[Suspension, int]]:
            return [(each, suspensions.how_many(tx, each.id)) for each in suspensions.current(tx)]

        return await self._database.read(read)

    async def how_many(self, selection: Selection) -> int:
        """Count the recipients that `change` would look at: mail in quarantine isn't among them."""
        groups = await self.summary("age", replace(selection, quarantined=False))
        return sum(sum(numbers) for numbers in groups.values())

    async def _change(
        self, change: Change, selection: Selection, act: str, advance: Callable[[int], None] = _awaited_by_nobody
    ) -> int:
        wanted, place, done = query(replace(selection, quarantined=False)), START, 0
        while place != END:
            keys, place = await self._database.read(partial(find, wanted=wanted, after=place, limit=SLICE))
            if keys:
                done += await self._change_slice(change, keys, act)
                advance(len(keys))
        return done

    async def _change_slice(self, change: Change, keys: list[Key], act: str) -> int:
        at = Moment(self._clock.seconds(), await self._running_time())
        changed = await self._database.write(lambda tx: change(tx, keys, at), urgent=True)
        concerned = changed.keys if changed.wanted else [key for key in changed.keys if key[2] is not None]
        if concerned:
            self._note(concerned, changed.wanted)
        if changed.keys:
            self._record(act, [message for message, _, _ in changed.keys])
        if changed.files:
            await self._bodies.remove(changed.files)
        return len(changed.keys)

    async def _running_time(self) -> float:
        now, uptime = self._clock.seconds(), self._uptime()
        return await self._database.read(lambda tx: owners.running_time(tx, self._boot, now, uptime))


def _waiting_for(what: Suspended) -> Selection:
    """Return whom a suspension keeps waiting."""
    return Selection(
        domain=what.name if what.kind == "domain" else None, account=what.name if what.kind == "account" else None
    )
