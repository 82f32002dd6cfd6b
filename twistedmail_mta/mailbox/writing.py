"""Writes to mailboxes, of which the views hear whatever becomes of those who asked for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from twistedmail_mta.interfaces import IDatabase, Transaction
from twistedmail_mta.mailbox.change import Change
from twistedmail_mta.mailbox.views import Views
from twistedmail_mta.tasks import TaskGroup

C = TypeVar("C", bound=Change)
T = TypeVar("T")


class Writing:
    """A write goes on when whoever asked for it is cancelled; the views hear of it in the order of the commits."""

    def __init__(self, database: IDatabase, tasks: TaskGroup, views: Views) -> None:
        """Write to a database, and tell the views of this process."""
        self._database = database
        self._tasks = tasks
        self._views = views

    async def changes(
        self, function: Callable[[Transaction], Sequence[C]], *, urgent: bool = False, size: int = 0
    ) -> Sequence[C]:
        """Run a transaction that returns what it changed; see `IDatabase.write`."""

        def written(tx: Transaction) -> tuple[Sequence[Change], Sequence[C]]:
            changes = function(tx)
            return changes, changes

        return await self.write(written, urgent=urgent, size=size)

    async def write(
        self, function: Callable[[Transaction], tuple[Sequence[Change], T]], *, urgent: bool = False, size: int = 0
    ) -> T:
        """Run a transaction that returns what it changed and something else; return that."""
        return await self._tasks.shield("mailbox.write", self._write_and_note(function, urgent, size))

    async def _write_and_note(
        self, function: Callable[[Transaction], tuple[Sequence[Change], T]], urgent: bool, size: int
    ) -> T:
        changes, result = await self._database.write(function, urgent=urgent, size=size)
        self._views.note(changes)
        return result
