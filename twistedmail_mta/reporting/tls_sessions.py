"""TLS sessions of mail that is sent: counted in memory, and added to rows now and then.

Nobody waits for a row: a session costs a look into two dicts.  What wasn't
written yet when the process dies is lost, at most half a minute of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.interfaces import IDatabase, ITLSSessions
from twistedmail_mta.reporting.tls_rows import Entry, add_entries, failure_text, policy_text
from twistedmail_mta.reporting.waiting import Waiting
from twistedmail_mta.tls_report.report import DAY, Failure, Policy

MOST_WAITING: Final = 8 << 20
"""Octets in memory, about; sessions that there is no room for aren't counted."""
AT_ONCE: Final = 64 << 10
"""Octets of one write, about, or one policy: they are put into words on the reactor's thread, in a millisecond."""
LEAST: Final = 50
"""Failures of one write, of a policy that has so many, however long it is."""
_TALLY: Final = 600
_FAILURE: Final = 500
"""Octets that a policy and a failure take without their longer words."""


@dataclass(slots=True)
class _Tally:
    """What waits of one domain, day and policy."""

    successful: int = 0
    failures: dict[Failure, int] = field(default_factory=dict)


_Key = tuple[int, str, Policy]
_Piece = list[tuple[_Key, _Tally]]


@implementer(ITLSSessions)
class TLSSessions:
    """Counts for all deliveries of a site; what can't be written is tried again."""

    log: ClassVar[Logger] = Logger()

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
        self._left_out = 0
        self._rows: Waiting[_Piece] = Waiting("tls", clock, self)

    def note(self, domain: str, policy: Policy, failure: Failure | None) -> None:
        """See `ITLSSessions.note`."""
        self._count((int(self._now()) // DAY, domain, policy), failure, 1)

    def _count(self, key: _Key, failure: Failure | None, sessions: int) -> None:
        tally = self._tallies.get(key)
        if tally is None:
            if not self._takes_room(_tally_size(key), sessions):
                return
            tally = self._tallies[key] = _Tally()
            self._rows.note()
        if failure is None:
            tally.successful += sessions
        elif failure in tally.failures or self._takes_room(_failure_size(failure), sessions):
            tally.failures[failure] = tally.failures.get(failure, 0) + sessions

    def _takes_room(self, octets: int, sessions: int) -> bool:
        """Take room, and return whether there was any."""
        if self._waiting >= MOST_WAITING:
            self._left_out += sessions
            return False
        self._waiting += octets
        return True

    async def stop(self) -> None:
        """Write what is counted, if it can be written."""
        await self._rows.stop()

    async def keep(self) -> None:
        """Write what is counted until now.

        Raises:
            TemporaryError: it can't be written now; it is kept, and tried again.
        """
        await self._rows.keep()

    async def write(self, piece: _Piece) -> None:
        """See `Counted.write`."""
        self._log_left_out()
        entries = [_entry(key, tally) for key, tally in piece]
        size = sum(len(each.policy) for each in entries)
        await self._database.write(partial(add_entries, entries=entries), size=size)

    def take(self) -> _Piece | None:
        """See `Counted.take`; its room is given back.  A policy with many failures is taken in parts."""
        piece: _Piece = []
        room = AT_ONCE
        while self._tallies and room > 0:
            key, tally = next(iter(self._tallies.items()))
            room -= _tally_size(key)
            part = _Tally(tally.successful)
            tally.successful = 0
            while tally.failures and (room > 0 or (not piece and len(part.failures) < LEAST)):
                failure, sessions = tally.failures.popitem()
                part.failures[failure] = sessions
                room -= _failure_size(failure)
                self._waiting -= _failure_size(failure)
            if not tally.failures:
                del self._tallies[key]
                self._waiting -= _tally_size(key)
            piece.append((key, part))
        return piece or None

    def put_back(self, piece: _Piece) -> None:
        """See `Counted.put_back`."""
        for key, tally in piece:
            if tally.successful:
                self._count(key, None, tally.successful)
            for failure, sessions in tally.failures.items():
                self._count(key, failure, sessions)

    def _log_left_out(self) -> None:
        if self._left_out:
            self.log.warn(
                "{sessions} TLS sessions aren't counted: there were too many different ones",
                sessions=self._left_out,
                event="tls.left_out",
            )
            self._left_out = 0


def _tally_size(key: _Key) -> int:
    """Return about how many octets a policy takes."""
    policy = key[2]
    return _TALLY + sum(map(len, policy.lines)) + sum(map(len, policy.mx_hosts))


def _failure_size(failure: Failure) -> int:
    """Return about how many octets a failure takes."""
    return _FAILURE + len(failure.reason)


def _entry(key: _Key, tally: _Tally) -> Entry:
    day, domain, policy = key
    bare = policy_text(Policy(policy.type, policy.domain))
    failures = [(failure_text(failure), sessions) for failure, sessions in tally.failures.items()]
    return Entry(day, domain, policy_text(policy), bare, tally.successful, failures)
