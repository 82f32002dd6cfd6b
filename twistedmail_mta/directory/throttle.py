"""Limits guessing: failed logins are counted by network and by account.

Every attempt is charged before any work is done for it, and the charge given
back when it turns out right: many attempts at once don't slip through.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.directory.expiring import ExpiringMap
from twistedmail_mta.networks import address_of, client_network


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many failures are allowed: some at once, and one more every `interval` seconds."""

    failures: int
    interval: float


@dataclass(frozen=True, slots=True)
class Allowances:
    """The limits of `LoginThrottle`.

    Attributes:
        network: of an IPv4 address or an IPv6 /64.
        neighbourhood: of an IPv4 /24 or an IPv6 /48.
        account: of one account from everywhere, known networks left out.
        known: of one account from a network where it logged in lately.
        known_for: seconds for which such a network is known.
        delay: seconds by which each failure that still counts delays an answer.
        longest_delay: of an answer, in seconds.
    """

    network: Allowance = Allowance(50, 30.0)
    neighbourhood: Allowance = Allowance(200, 6.0)
    account: Allowance = Allowance(20, 60.0)
    known: Allowance = Allowance(20, 30.0)
    known_for: float = 7 * 86400.0
    delay: float = 0.5
    longest_delay: float = 5.0


DEFAULT_ALLOWANCES: Final = Allowances()
MAX_REMEMBERED: Final = 20_000
"""Of buckets of one kind, and of known networks: the least recently used are forgotten past that."""


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float
    refused: bool = False


class Buckets:
    """Leaky buckets of one kind: failures flow in, time lets them out."""

    __slots__ = ("_allowance", "_buckets", "_clock")

    def __init__(self, allowance: Allowance, clock: IReactorTime) -> None:
        self._allowance = allowance
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def level(self, key: str) -> float:
        """Return how many failures still count."""
        bucket = self._buckets.get(key)
        if bucket is None:
            return 0.0
        leaked = max(0.0, self._clock.seconds() - bucket.at) / self._allowance.interval
        return max(0.0, bucket.level - leaked)

    def has_room(self, key: str) -> bool:
        """Return whether one more failure is allowed."""
        return self.level(key) + 1 <= self._allowance.failures

    def add(self, key: str, failures: int) -> None:
        """Count failures, or take some back when `failures` is negative."""
        level = self.level(key) + failures
        if level <= 0:
            self._buckets.pop(key, None)
            return
        self._buckets[key] = _Bucket(level, self._clock.seconds())
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_REMEMBERED:
            self._buckets.popitem(last=False)

    def note_refusal(self, key: str) -> bool:
        """Return whether this is the first refusal since a failure was last counted."""
        bucket = self._buckets.get(key)
        if bucket is None or bucket.refused:
            return False
        bucket.refused = True
        return True


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login that is being judged; it counts as failed until it is forgiven."""

    charges: Sequence[tuple[Buckets, str]]

    def forgive(self) -> None:
        """Take the charge back: the login was right, or could not be judged."""
        for buckets, key in self.charges:
            buckets.add(key, -1)


@dataclass(frozen=True, slots=True)
class OverLimit:
    """A login that isn't judged: too many failed before it.

    Attributes:
        first: whether this should be logged: the ones before it were let through.
    """

    first: bool


class LoginThrottle:
    """Decides whether a login is judged at all, and how long a failure waits for its answer.

    A network from which an account logged in lately has an allowance of its own
    for that account, apart from all others: guessing from elsewhere can't lock
    the owner out, and an old password in somebody's telephone locks nobody
    else out.
    """

    def __init__(self, clock: IReactorTime, allowances: Allowances = DEFAULT_ALLOWANCES) -> None:
        self._allowances = allowances
        self._networks = Buckets(allowances.network, clock)
        self._neighbourhoods = Buckets(allowances.neighbourhood, clock)
        self._accounts = Buckets(allowances.account, clock)
        self._known = Buckets(allowances.known, clock)
        self._good: ExpiringMap[str, bool] = ExpiringMap(clock, allowances.known_for, MAX_REMEMBERED)

    def admit(self, peer: str, account: str | None) -> Attempt | OverLimit:
        """Charge an attempt, or refuse it.

        Args:
            peer: the client's address.
            account: the name it gave, whether or not there is such an account;
                None when no account can have it.
        """
        charges = self._charges(peer, account)
        for buckets, key in charges:
            if not buckets.has_room(key):
                return OverLimit(buckets.note_refusal(key))
        for buckets, key in charges:
            buckets.add(key, 1)
        return Attempt(charges)

    def know(self, peer: str, account: str) -> None:
        """Remember that an account logged in from this network."""
        self._good.put(_pair(peer, account), True)

    def knows(self, peer: str, account: str) -> bool:
        """Return whether an account logged in from this network lately."""
        return self._good.get(_pair(peer, account)) is not None

    def delay(self, peer: str, account: str | None, passed: float = 0.0) -> float:
        """Return how many seconds the answer to a failure should still wait.

        Args:
            peer: the client's address.
            account: as for `admit`.
            passed: seconds since the question.  They are part of the wait; when
                they are more than it, the answer waits for the next full step,
                so that it still doesn't tell how long judging took.
        """
        buckets, key = self._charges(peer, account)[0]
        failures = max(1.0, buckets.level(key))
        wait = min(self._allowances.longest_delay, self._allowances.delay * failures)
        if passed > wait:
            wait += self._allowances.delay * math.ceil((passed - wait) / self._allowances.delay)
        return max(0.0, wait - passed)

    def _charges(self, peer: str, account: str | None) -> Sequence[tuple[Buckets, str]]:
        if account is not None and self.knows(peer, account):
            return [(self._known, _pair(peer, account))]
        charges = [(self._networks, client_network(peer)), (self._neighbourhoods, _neighbourhood(peer))]
        return charges if account is None else [*charges, (self._accounts, account)]


def _pair(peer: str, account: str) -> str:
    return f"{client_network(peer)} {account}"


def _neighbourhood(peer: str) -> str:
    address = address_of(peer)
    if address is None:
        return peer
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))
