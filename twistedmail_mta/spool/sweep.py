"""Gives back what dead processes had claimed, and removes body files that no row names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Final

from twisted.logger import Logger

from twistedmail_mta.interfaces import IBodyStore, IDatabase, Transaction
from twistedmail_mta.spool import owners
from twistedmail_mta.spool.rows import Key
from twistedmail_mta.spool.stretch import END, SLICE, START, STRETCH
from twistedmail_mta.spool.tenure import Tenure

LONGEST_TRANSACTION: Final = 3600.0
"""Seconds after which a body file without a row has no row on the way."""

_NAMED: Final = "SELECT file FROM body WHERE file IN (SELECT value FROM json_each(?))"


class Sweep:
    """Clears up behind processes that died; run at start and now and then."""

    log: ClassVar[Logger] = Logger()

    def __init__(self, database: IDatabase, bodies: IBodyStore, tenure: Tenure) -> None:
        """Make the sweep of a process.

        Args:
            database: where the rows are.
            bodies: where large bodies are.
            tenure: entitles this process to claims.
        """
        self._database = database
        self._bodies = bodies
        self._tenure = tenure
        self._clear = False

    async def give_back_claims(self) -> int:
        """Release the claims of dead processes; their due times stay as they were.

        The first time the whole table is searched, later only when somebody died.

        Returns:
            How many were released.

        Raises:
            TemporaryError: the rest is left for the next time.
        """
        if await self._tenure.bury_dead():
            self._clear = False
        if self._clear:
            return 0
        released = await self._search()
        self._clear = True
        if released:
            self.log.info(
                "{claims} recipients were left by processes that died", claims=released, event="spool.released"
            )
        return released

    async def _search(self) -> int:
        released, place = 0, START
        while place != END:
            keys, place = await self._database.read(partial(owners.orphaned, after=place, rows=STRETCH))
            for start in range(0, len(keys), SLICE):
                released += await self._give_back(keys[start : start + SLICE])
        return released

    async def _give_back(self, keys: Sequence[Key]) -> int:
        running = self._tenure.running_time()
        files = await self._database.write(lambda tx: owners.give_back(tx, keys, running), urgent=True)
        if files:
            await self._bodies.remove(files)
        return len(keys)

    async def remove_orphans(self) -> int:
        """Unlink body files that no row names; return how many.

        Raises:
            TemporaryError: the rest is left for the next time.
            OSError: the bodies' directory can't be read.
        """
        return await self._bodies.sweep(self._named, LONGEST_TRANSACTION)

    async def _named(self, files: Sequence[str]) -> set[str]:
        names = json.dumps(list(files))
        return await self._database.read(lambda tx: _named(tx, names))


def _named(tx: Transaction, names: str) -> set[str]:
    return {file for (file,) in tx.execute(_NAMED, (names,))}
