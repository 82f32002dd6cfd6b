"""What DMARC finds of mail that comes: counted in memory, and added to rows now and then.

Nobody waits for a row: a message costs a look into two dicts.  What wasn't
written yet when the process dies is lost, at most half a minute of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twistedmail_mta.dmarc.report import Case, Published
from twistedmail_mta.interfaces import IDatabase, IEvaluations
from twistedmail_mta.reporting.dmarc_form import case_text, published_text
from twistedmail_mta.reporting.dmarc_rows import Entry, add_entries
from twistedmail_mta.reporting.waiting import Waiting

DAY: Final = 86400
MOST_WAITING: Final = 20_000
"""Cases in memory: some 20 MB if all are large."""
AT_ONCE: Final = 50
"""Cases of one write: they are put into words on the reactor's thread, in half a millisecond."""


@dataclass(slots=True)
class _Tally:
    """What waits of one domain and day."""

    published: Published
    mails: int = 0
    left_out: int = 0
    cases: dict[Case, int] = field(default_factory=dict)


_Key = tuple[int, str]
_Piece = list[tuple[_Key, _Tally]]


@implementer(IEvaluations)
class Evaluations:
    """Counts for all plugins of a site; what can't be written is tried again."""

    def __init__(self, database: IDatabase, clock: IReactorTime, now: Callable[[], float]) -> None:
        """Begin.

        Args:
            database: has the rows.
            clock: for the time until they are written.
            now: seconds since the epoch.
        """
        self._database = database
        self._now = now
        self._tallies: dict[_Key, _Tally] = {}
        self._waiting = 0
        self._rows: Waiting[_Piece] = Waiting("dmarc", clock, self)

    def note(self, published: Published, case: Case, is_report: bool) -> None:
        """See `IEvaluations.note`."""
        key = (int(self._now()) // DAY, published.domain)
        tally = self._tallies.get(key)
        if tally is None:
            if self._waiting >= MOST_WAITING:
                return
            tally = self._tallies[key] = _Tally(published)
            self._rows.note()
        tally.published = published
        tally.mails += not is_report
        self._count(tally, case, 1)

    def _count(self, tally: _Tally, case: Case, messages: int) -> None:
        counted = tally.cases.get(case)
        if counted is None and self._waiting >= MOST_WAITING:
            tally.left_out += messages
            return
        self._waiting += counted is None
        tally.cases[case] = (counted or 0) + messages

    async def stop(self) -> None:
        """Write what is counted, if that is possible, and count no more."""
        await self._rows.stop()

    async def keep(self) -> None:
        """Write what was counted until now.

        Raises:
            TemporaryError: it can't be written; it goes on waiting.
        """
        await self._rows.keep()

    async def write(self, piece: _Piece) -> None:
        """See `Counted.write`."""
        entries = [_entry(key, tally) for key, tally in piece]
        size = sum(len(text) for entry in entries for text, _ in entry.cases)
        await self._database.write(partial(add_entries, entries=entries), size=size)

    def take(self) -> _Piece | None:
        """See `Counted.take`."""
        taken: _Piece = []
        room = AT_ONCE
        while self._tallies and room > 0:
            key, tally = next(iter(self._tallies.items()))
            if len(tally.cases) > room:
                part = _Tally(tally.published)
                for case in list(tally.cases)[:room]:
                    part.cases[case] = tally.cases.pop(case)
                tally = part
            else:
                del self._tallies[key]
            taken.append((key, tally))
            room -= max(1, len(tally.cases))
            self._waiting -= len(tally.cases)
        return taken or None

    def put_back(self, piece: _Piece) -> None:
        """See `Counted.put_back`."""
        for key, tally in piece:
            known = self._tallies.setdefault(key, _Tally(tally.published))
            known.mails += tally.mails
            known.left_out += tally.left_out
            for case, messages in tally.cases.items():
                self._count(known, case, messages)


def _entry(key: _Key, tally: _Tally) -> Entry:
    day, domain = key
    cases = tuple((case_text(case), messages) for case, messages in tally.cases.items())
    return Entry(day, domain, published_text(tally.published), tally.mails, tally.left_out, cases)
