"""What greylisting does in the background: it forgets what has expired, and keeps what is still good."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Address
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.recent import Recent
from twistedmail_mta.policy.triplets import TABLES, Table, Triplets
from twistedmail_mta.tasks import Task, sleep

SWEEP_EVERY: Final = 600.0
SLICE: Final = 500
"""Rows that one transaction deletes or changes."""
BETWEEN: Final = 0.2
"""Seconds from one slice to the next: others write, too."""

MOST_NOTED: Final = 10_000
KNOWN_AGAIN: Final = 86400.0
"""Seconds for which an address that was noted isn't noted again."""


class GreylistMemory:
    """The rows as a whole: how many there are, and which live on."""

    def __init__(self, kit: Kit, triplets: Triplets, most: int, lifetime: float) -> None:
        """Do nothing yet.

        Args:
            kit: for the database and the time.
            triplets: the rows.
            most: how many a table may have.
            lifetime: how long a network is good, from its last mail on, in seconds.
        """
        self._kit = kit
        self._triplets = triplets
        self._most = most
        self._lifetime = lifetime
        self._rows: dict[Table, int] = dict.fromkeys(TABLES, 0)
        self._good: set[bytes] = set()
        self._known: Recent[Address, bool] = Recent(kit.clock.seconds, KNOWN_AGAIN, MOST_NOTED)
        self._sweeping: Task[None] | None = None

    def inherit(self, old: GreylistMemory) -> None:
        """Share what another one has noted: whoever sweeps first keeps it."""
        self._rows, self._good, self._known = old._rows, old._good, old._known

    def rehearse(self, live: GreylistMemory) -> None:
        """Count on from another's count, which stays as it is."""
        self._rows = dict(live._rows)

    async def start(self) -> None:
        """Count the rows, and sweep from now on; in a dry run neither."""
        if self._kit.rehearsal:
            return
        await self._count()
        self._sweeping = self._kit.tasks.start("greylist.sweep", self._sweep_now_and_then())

    def stop(self) -> None:
        """Sweep no more."""
        if self._sweeping is not None:
            self._sweeping.cancel()

    def has_room(self, table: Table) -> bool:
        """Count a row more, if there is room for it.

        It is counted although it may be there already; the next sweep counts anew.
        """
        if self._rows[table] >= self._most:
            return False
        self._rows[table] += 1
        return True

    def note_good(self, network: bytes | None) -> None:
        """Let a network that proved good live longer, with the next sweep."""
        if network is not None and len(self._good) < MOST_NOTED:
            self._good.add(network)

    def is_news(self, address: Address) -> bool:
        """Return whether an address wasn't noted lately, and note it."""
        if self._known.get(address):
            return False
        self._known.note(address, True)
        return True

    async def _sweep_now_and_then(self) -> None:
        while True:
            await sleep(self._kit.clock, SWEEP_EVERY)
            try:
                await self._keep_good()
                for table in TABLES:
                    await self._sweep(table)
                await self._count()
            except TemporaryError as error:
                self._kit.log.warn("greylisting forgets later: {why}", event="greylist.sweep", why=str(error.reply))

    async def _keep_good(self) -> None:
        good = list(self._good)
        self._good.clear()
        for start in range(0, len(good), SLICE):
            part, expires = good[start : start + SLICE], self._kit.now() + self._lifetime
            await self._kit.database.write(self._triplets.keep(part, expires))
            await sleep(self._kit.clock, BETWEEN)

    async def _sweep(self, table: Table) -> None:
        while await self._kit.database.write(self._triplets.sweep(table, self._kit.now(), SLICE)) == SLICE:
            await sleep(self._kit.clock, BETWEEN)

    async def _count(self) -> None:
        for table in TABLES:
            self._rows[table] = await self._kit.database.read(self._triplets.count(table))
            if self._rows[table] >= self._most:
                self._kit.log.warn(
                    "greylisting has no room: {table} has {rows} rows; nobody new waits",
                    event="greylist.full",
                    table=table,
                    rows=self._rows[table],
                )
