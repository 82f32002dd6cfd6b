"""Who has which maildrop open, and who may come in (RFC 1939 section 8, RFC 2449 section 6.5)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.pop3.answers import IN_USE, TOO_MANY_SESSIONS, TOO_SOON
from twistedmail_mta.pop3.response import Response

GRACE: Final = 30.0
"""Seconds of silence after which a session gives way to the next one of its account."""
MAX_REMEMBERED: Final = 20_000
"""Accounts whose last login is remembered, where logins must be so many seconds apart."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How often an account may come.

    Attributes:
        sessions: at once.
        exclusive: one session has the maildrop for itself.
        delay: least seconds between two logins; 0 without.
    """

    sessions: int
    exclusive: bool
    delay: float


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """One session of an account.

    Attributes:
        account_id: of the account.
        exclusive: nobody else may be in.
        progress: says when the client last did something, in the clock's seconds.
        evict: ends the session, which calls `leave`.
    """

    account_id: int
    exclusive: bool
    progress: Callable[[], float]
    evict: Callable[[], None]


class Visits:
    """The sessions of all accounts, on all listeners."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._visits: dict[int, list[Visit]] = {}
        self._logins: OrderedDict[int, float] = OrderedDict()

    def enter(self, visit: Visit, rules: Rules) -> Response | None:
        """Let a session in; or return why not.

        Sessions in the way that say nothing any more are ended, since phones
        leave such behind.
        """
        if self._is_too_soon(visit.account_id, rules.delay):
            return TOO_SOON
        present = self._visits.get(visit.account_id, [])
        in_the_way = [each for each in present if visit.exclusive or each.exclusive]
        refusal = IN_USE
        if not in_the_way and len(present) >= rules.sessions:
            in_the_way, refusal = [min(present, key=lambda each: each.progress())], TOO_MANY_SESSIONS
        if any(self._clock.seconds() - each.progress() < GRACE for each in in_the_way):
            return refusal
        for each in in_the_way:
            self.leave(each)
            each.evict()
        self._visits.setdefault(visit.account_id, []).append(visit)
        if rules.delay:
            self._note_login(visit.account_id)
        return None

    def leave(self, visit: Visit) -> None:
        """Let a session go; nothing if it is gone."""
        present = self._visits.get(visit.account_id, [])
        if visit in present:
            present.remove(visit)
            if not present:
                del self._visits[visit.account_id]

    def _is_too_soon(self, account_id: int, delay: float) -> bool:
        last = self._logins.get(account_id)
        return last is not None and self._clock.seconds() - last < delay

    def _note_login(self, account_id: int) -> None:
        self._logins[account_id] = self._clock.seconds()
        self._logins.move_to_end(account_id)
        if len(self._logins) > MAX_REMEMBERED:
            self._logins.popitem(last=False)
