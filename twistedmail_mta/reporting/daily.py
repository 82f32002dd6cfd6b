"""The reports of yesterday: laid out after midnight, UTC, made and sent over some hours, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import ClassVar, Final

from twisted.logger import Logger

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDatabase, Transaction
from twistedmail_mta.reporting import rows
from twistedmail_mta.reporting.kind import Letter, Post, ReportKind, Sendings
from twistedmail_mta.reporting.outgoing import Outgoing, UnsignedError
from twistedmail_mta.reporting.turns import at_once
from twistedmail_mta.tasks import Cancelled

DAY: Final = 86_400
SPREAD: Final = 4 * 3600.0
"""Seconds over which the reports of a day are sent, so that nobody gets all the world's at midnight."""
CAUGHT_UP: Final = 3
"""Days whose reports are still sent if the server didn't run when they were due; what is older is forgotten."""
MOST_A_DAY: Final = 5000
"""Reports of one kind and day."""
AT_ONCE: Final = 50
"""Reports that are read from the database at once."""
MADE_AT_ONCE: Final = 8
"""Reports that are made at once, so that domains whose name servers are slow don't hold up those for others."""
RETRY: Final = 600.0
"""Seconds after which a report that couldn't be made is tried again; twice as many each further time."""
MOST_TRIES: Final = 6


class DailyReports:
    """Makes what is due of each kind, and hands it to the queue or to who posts it.

    A report is due no more in the same transaction that keeps what is sent of
    it, so none is sent twice, and none lost, wherever the server dies.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        kinds: Sequence[ReportKind],
        database: IDatabase,
        outgoing: Outgoing,
        now: Callable[[], float],
        spread: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            kinds: what is reported.
            database: knows what is due.
            outgoing: makes mail of reports.
            now: seconds since the epoch.
            spread: a number from 0 up to 1, another each time.
        """
        self._kinds = {kind.name: kind for kind in kinds}
        self._database = database
        self._outgoing = outgoing
        self._now = now
        self._spread = spread
        self._begun = self._unsigned_on = -1

    async def keep(self) -> None:
        """Write what was counted so far into the database.

        Raises:
            TemporaryError: it can't be written; then nothing is forgotten.
        """
        for kind in self._kinds.values():
            await kind.keep()

    async def look(self) -> None:
        """Send what is due, and forget what is too old.

        Raises:
            TemporaryError: the database can't be read or written now; what was not sent is next time.
        """
        today = int(self._now() // DAY)
        if today != self._begun:
            await self._begin(today)
            self._begun = today
        while due := await self._due():
            await at_once(MADE_AT_ONCE, "reporting.daily", partial(self._make_some, iter(due)))

    async def _make_some(self, due: Iterator[rows.Due]) -> None:
        for report in due:
            await self._make(report)

    async def _begin(self, today: int) -> None:
        """Do what is to be done once a day."""
        await self._forget(today - CAUGHT_UP)
        for day in range(today - CAUGHT_UP, today):
            for kind in self._kinds.values():
                await self._lay_out(kind, day)

    async def _forget(self, before: int) -> None:
        await self._database.write(lambda tx: rows.forget(tx, before))
        for kind in self._kinds.values():
            while await self._database.write(partial(kind.forget, before=before)):
                pass

    async def _lay_out(self, kind: ReportKind, day: int) -> None:
        name = kind.name
        if await self._database.read(lambda tx: rows.is_laid_out(tx, name, day)):
            return
        await kind.keep()
        subjects = await self._database.read(lambda tx: kind.subjects(tx, day, MOST_A_DAY))
        now = self._now()
        due_at = [now + self._spread() * SPREAD for _ in subjects]
        await self._database.write(lambda tx: rows.lay_out(tx, name, day, subjects, due_at))

    async def _due(self) -> list[rows.Due]:
        now = self._now()
        return await self._database.read(lambda tx: rows.due(tx, now, AT_ONCE))

    async def _make(self, report: rows.Due) -> None:
        kind = self._kinds.get(report.kind)
        if kind is None:  # no more wanted by the site file
            await self._database.write(lambda tx: rows.settle(tx, report))
            return
        try:
            await self._send(report, await kind.sendings(report.day, report.subject))
        except Cancelled:
            raise
        except TemporaryError as error:
            await self._put_off(report, str(error.reply))
        except Exception as error:  # noqa: BLE001 - one report that can't be made must not keep all others
            self.log.failure(
                "no {kind} report can be made about {subject}",
                event="report.failed",
                kind=report.kind,
                subject=report.subject,
            )
            await self._put_off(report, type(error).__name__)

    async def _send(self, report: rows.Due, sendings: Sendings) -> None:
        keeping = await self._kept(sendings.letters)
        posts, now = sendings.posts, self._now()

        def send(tx: Transaction) -> bool:
            if not rows.settle(tx, report):
                return False
            for keep in keeping:
                keep(tx)
            rows.add_posts(tx, posts, now)
            return True

        size = sum(len(each.enclosed.content) for each in sendings.letters) + sum(len(each.body) for each in posts)
        if await self._database.write(send, size=size) and (keeping or posts):
            self._outgoing.wake()
            self._log_sent(report, sendings.letters[: len(keeping)], posts)

    async def _kept(self, letters: Sequence[Letter]) -> list[Callable[[Transaction], None]]:
        """Return what keeps letters; none where nobody can sign them, which is told once a day."""
        try:
            return [await self._outgoing.kept(letter) for letter in letters]
        except UnsignedError:
            today = int(self._now() // DAY)
            if self._unsigned_on != today:
                self._unsigned_on = today
                self.log.warn(
                    "no reports are sent by mail: no DKIM key signs for {domain}, and unsigned ones are ignored",
                    domain=self._outgoing.author.domain,
                    event="report.unsigned",
                )
            return []

    async def _put_off(self, report: rows.Due, problem: str) -> None:
        gives_up = report.tries + 1 >= MOST_TRIES
        due_at = self._now() + RETRY * 2**report.tries
        if gives_up:
            await self._database.write(lambda tx: rows.settle(tx, report))
        else:
            await self._database.write(lambda tx: rows.put_off(tx, report, due_at))
        self.log.info(
            "the {kind} report about {subject} can't be made {whether}: {problem}",
            kind=report.kind,
            subject=report.subject,
            whether="and is given up" if gives_up else "now",
            problem=problem,
            event="report.failed",
        )

    def _log_sent(self, report: rows.Due, letters: Sequence[Letter], posts: Sequence[Post]) -> None:
        self.log.info(
            "the {kind} report about {subject} goes to {places}",
            kind=report.kind,
            subject=report.subject,
            places=", ".join([*(str(each.to) for each in letters), *(each.url.partition("?")[0] for each in posts)]),
            event="report.sent",
        )
