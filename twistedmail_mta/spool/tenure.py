"""The time for which this process may hold claims, and the clocks that age and leases go by."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.interfaces import IDatabase
from twistedmail_mta.spool import owners
from twistedmail_mta.spool.owners import Host, Registration

LEASE: Final = 120.0
"""Seconds a claim holds without renewal; renewed every third of it."""


def boot_name() -> str:
    """Return a name for this run of the machine; a new one each time where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return uuid4().hex


async def begin_tenure(
    database: IDatabase,
    clock: IReactorTime,
    uptime: Callable[[], float],
    host: Host,
    lease: float = LEASE,
) -> Tenure:
    """Register this process as an owner of claims.

    Claims that dead processes left are given back by `Sweep`.

    Args:
        database: where the rows are.
        clock: the time of day.
        uptime: seconds on a clock that nobody sets, the same for every process
            on the host (`time.monotonic`).
        host: who we are.
        lease: seconds a claim holds without renewal.

    Raises:
        TemporaryError: the database can't be written.
    """
    register = partial(owners.register, host=host, now=clock.seconds(), uptime=uptime(), lease=lease)
    registration = await database.write(register, urgent=True)
    return Tenure(database, clock, uptime, host, lease, registration)


class Tenure:
    """This process as an owner of claims.

    Attributes:
        owner: the id that its claims carry.
        lease: seconds a claim holds without renewal.
        host: who we are.
        greatest_id: the greatest message id in store when it began.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - `begin_tenure` alone calls it
        self,
        database: IDatabase,
        clock: IReactorTime,
        uptime: Callable[[], float],
        host: Host,
        lease: float,
        registration: Registration,
    ) -> None:
        self.owner = registration.owner
        self.lease = lease
        self.host = host
        self.greatest_id = registration.greatest_id
        self.now = clock.seconds
        self._database = database
        self._uptime = uptime
        self._downtime = registration.downtime

    def running_time(self) -> float:
        """Return the time on the clock that stands still while no server runs."""
        return self.now() - self._downtime

    async def renew(self) -> None:
        """Prolong the lease of every claim of this process.

        Raises:
            TemporaryError: it goes on as it was.
        """
        await self._hold_until(self._uptime() + self.lease)

    async def end(self) -> None:
        """Give up every claim at once; time down counts from now.

        Raises:
            TemporaryError: the claims are free only when the lease runs out.
        """
        await self._hold_until(self._uptime() - 1.0)

    async def bury_dead(self) -> int:
        """End the tenure of processes that are dead; return of how many.

        Raises:
            TemporaryError: nothing changed.
        """
        await self.renew()
        uptime = self._uptime()
        return await self._database.write(lambda tx: owners.bury(tx, self.host, uptime))

    async def _hold_until(self, lease_until: float) -> None:
        now = self.now()
        await self._database.write(lambda tx: owners.renew(tx, self.owner, self.host, now, lease_until), urgent=True)
