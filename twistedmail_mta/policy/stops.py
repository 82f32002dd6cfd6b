"""The accounts that are stopped, and since when the site is watched: what must not be forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.brake_words import Stop
from twistedmail_mta.tasks import TaskGroup


class Stops:
    """Stopped accounts, in memory and in a table.

    Attributes:
        since: when the site was watched first, in seconds since the epoch.
        tasks: what is done about them; it goes on although one brake has followed another at a reload.
    """

    migrations: ClassVar[tuple[str, ...]] = (
        "CREATE TABLE {plugin}watched (since REAL NOT NULL) STRICT",
        "CREATE TABLE {plugin}stopped (account TEXT PRIMARY KEY, stop TEXT NOT NULL, finished INTEGER NOT NULL) STRICT",
    )

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._stops: dict[str, Stop] = {}
        self.since = kit.now()
        self.tasks = TaskGroup()
        self._unfinished: list[Stop] = []
        self._is_open = False

    def __contains__(self, account: str) -> bool:
        return account in self._stops

    def __iter__(self) -> Iterator[Stop]:
        return iter(sorted(self._stops.values(), key=lambda stop: stop.at))

    def rehearse(self, live: Stops) -> None:
        """Know in a dry run who is stopped; instead of `start`."""
        self.since, self._stops, self._is_open = live.since, dict(live._stops), True

    async def start(self) -> None:
        """Read all of it, unless that was done.

        Raises:
            TemporaryError: it can't be read.
        """
        if self._is_open:
            return
        self.since, rows = await self._kit.database.write(partial(_begun, prefix=self._kit.prefix, now=self.since))
        for text, finished in rows:
            stop = Stop.of(json.loads(text))
            self._stops[stop.account] = stop
            if not finished:
                self._unfinished.append(stop)
        self._is_open = True

    def take_unfinished(self) -> list[Stop]:
        """Return those whose stopping was interrupted by the end of the server; once."""
        unfinished, self._unfinished = self._unfinished, []
        return unfinished

    def add(self, stop: Stop) -> None:
        """Stop an account, from now on; `write` makes it last."""
        self._stops[stop.account] = stop

    async def write(self, stop: Stop) -> None:
        """Write down that an account is stopped.

        Raises:
            TemporaryError: it can't be written.
        """
        sql = f"INSERT OR IGNORE INTO {self._kit.prefix}stopped (account, stop, finished) VALUES (?, ?, 0)"  # noqa: S608 - our own name
        await self._run(sql, stop.account, json.dumps(stop.written()))

    async def finish(self, stop: Stop) -> None:
        """Write down that all was done.

        Raises:
            TemporaryError: it can't be written.
        """
        await self._run(f"UPDATE {self._kit.prefix}stopped SET finished = 1 WHERE account = ?", stop.account)  # noqa: S608 - as above

    async def remove(self, account: str) -> None:
        """Let an account send again.

        Raises:
            TemporaryError: it can't be written; it is stopped still.
        """
        await self._run(f"DELETE FROM {self._kit.prefix}stopped WHERE account = ?", account)  # noqa: S608 - as above
        self._stops.pop(account, None)

    async def _run(self, sql: str, *parameters: Any) -> None:  # noqa: ANN401 - what SQL takes
        def run(tx: Transaction) -> None:
            tx.execute(sql, parameters)

        await self._kit.database.write(run, urgent=True)


def _begun(tx: Transaction, prefix: str, now: float) -> tuple[float, list[tuple[str, int]]]:
    """Return since when the site is watched, from now on if it wasn't, and the stops with whether each is finished."""
    insert = f"INSERT INTO {prefix}watched SELECT ? WHERE NOT EXISTS (SELECT 1 FROM {prefix}watched)"  # noqa: S608 - our own name
    for _ in tx.execute(insert, (now,)):
        pass
    ((since,),) = tx.execute(f"SELECT since FROM {prefix}watched")  # noqa: S608 - as above
    return since, [(stop, finished) for stop, finished in tx.execute(f"SELECT stop, finished FROM {prefix}stopped")]  # noqa: S608 - as above
