"""The hand on the quarantine: the operator's, while a server runs and while none does, and that of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import ClassVar, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistedmail_mta.interfaces import IBodyStore, IDatabase
from twistedmail_mta.model import Address, Body, Message, id_text
from twistedmail_mta.spool import detentions, operator, owners, tables
from twistedmail_mta.spool.control import recorded_by_nobody
from twistedmail_mta.spool.operator import QueuedMessage
from twistedmail_mta.spool.operator_change import Moment
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.spool.rows import message_of

AT_ONCE: Final = 50
"""Messages that one transaction releases or deletes."""


def _seen_by_nobody() -> None:
    """No server runs here."""


class Quarantine:
    """Looks at the messages in quarantine, lets them go and deletes them, a few at a time."""

    log: ClassVar[Logger] = Logger()

    def __init__(  # noqa: PLR0913, PLR0917 - a composition
        self,
        database: IDatabase,
        bodies: IBodyStore,
        clock: IReactorTime,
        uptime: Callable[[], float],
        boot: str,
        look: Callable[[], None] = _seen_by_nobody,
        record: Callable[[str, Iterable[int]], None] = recorded_by_nobody,
    ) -> None:
        """Lay a hand on the quarantine in `database`.

        Args:
            database: where the rows are.
            bodies: where large bodies are.
            clock: the time of day.
            uptime: as for `begin_tenure`.
            boot: `boot_name()`.
            look: asks a running server to look at what is due.
            record: told what was done to which messages.
        """
        self._record = record
        self._database = database
        self._bodies = bodies
        self._clock = clock
        self._uptime = uptime
        self._boot = boot
        self._look = look

    async def page(self, selection: Selection, after: int = -1) -> tuple[list[int], int | None]:
        """Return some of the messages that are meant, oldest first, and where to go on; None at the end.

        Args:
            selection: which; a message is meant if one of its recipients is.
            after: begin behind the message of this id.
        """
        return await self._database.read(partial(detentions.page, selection=selection, after=after))

    async def messages(self, ids: Sequence[int]) -> list[QueuedMessage]:
        """Return messages with their recipients; those that are gone are left out."""
        rows = await self._database.read(lambda tx: operator.queued(tx, ids))
        return operator.queued_messages(*rows)

    async def message(self, message_id: int) -> Message | None:
        """Return a message as it came, or None when it is gone."""
        rows = await self._database.read(lambda tx: tables.message(tx, message_id))
        return None if rows is None else message_of(*rows)

    async def read(self, body: Body, offset: int, size: int) -> bytes:
        """Return up to `size` octets of a message's body; see `IBodyStore.read`."""
        return await self._bodies.read(body, offset, size)

    async def release(self, ids: Sequence[int], to: Address | None = None) -> int:
        """Let messages go as if they had come now; return how many were in quarantine.

        Args:
            ids: which.
            to: who gets them instead of their recipients.

        Raises:
            TemporaryError: the database can't be written; what was done so far stays.
        """
        number = 0
        try:
            for some in _slices(ids):
                at = await self._moment()
                change = partial(detentions.release, messages=some, to=to, at=at)
                released = await self._database.write(change, urgent=True)
                number += len(released)
                self._record("release from quarantine" + (f" to {to}" if to else ""), released)
        finally:
            if number:
                self._look()
        return number

    async def delete(self, ids: Sequence[int]) -> int:
        """Delete messages, and tell nobody; return how many were in quarantine.

        Raises:
            TemporaryError: as `release`.
        """
        return sum([len(await self._drop(some, "delete from quarantine")) for some in _slices(ids)])

    async def expire(self, keep: float) -> int:
        """Delete what has been in quarantine for longer than `keep` seconds; return how many messages.

        Raises:
            TemporaryError: the rest waits for the next time.
        """
        number, before = 0, self._clock.seconds() - keep
        while ids := await self._database.read(partial(detentions.old, before=before, limit=AT_ONCE)):
            dropped = await self._drop(ids, "delete from quarantine, its time was over")
            number += len(dropped)
            for each in dropped:
                self.log.info("{queue_id} deleted from the quarantine, its time is over", event="quarantine.expired",
                              queue_id=id_text(each))  # fmt: skip
        return number

    async def _drop(self, ids: Sequence[int], act: str) -> tuple[int, ...]:
        dropped = await self._database.write(partial(detentions.drop, messages=ids), urgent=True)
        if dropped.messages:
            self._record(act, dropped.messages)
        if dropped.files:
            await self._bodies.remove(dropped.files)
        return dropped.messages

    async def _moment(self) -> Moment:
        now, uptime = self._clock.seconds(), self._uptime()
        running = await self._database.read(lambda tx: owners.running_time(tx, self._boot, now, uptime))
        return Moment(now, running)


def _slices(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]
