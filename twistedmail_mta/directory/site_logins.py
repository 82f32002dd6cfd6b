"""Everything that the logins of one site need, put together."""

from __future__ import annotations

import secrets
from typing import Final

from twisted.cred.portal import IRealm, Portal
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime

from twistedmail_mta.directory.authenticator import Authenticator
from twistedmail_mta.directory.checker import PasswordChecker
from twistedmail_mta.directory.checkers import CheckerChain, InternalChecker
from twistedmail_mta.directory.comparisons import BACKLOG, THREADS, Comparisons
from twistedmail_mta.directory.judge import PasswordJudge
from twistedmail_mta.directory.logins import RememberedLogins
from twistedmail_mta.directory.passwords import PasswordHash, StoredPassword
from twistedmail_mta.directory.throttle import LoginThrottle
from twistedmail_mta.interfaces import IDatabase
from twistedmail_mta.tasks import WorkerPool

_SECRET: Final = 32


class IReactorLogins(IReactorFromThreads, IReactorTime):
    """What of the reactor logins use."""


class SiteLogins:
    """The portal of a site and what stands behind it.

    Attributes:
        authenticator: where every protocol asks.
    """

    def __init__(self, reactor: IReactorLogins, database: IDatabase, realm: IRealm) -> None:
        """Put it together.

        Args:
            reactor: time, and threads' way back.
            database: where the accounts are.
            realm: makes the avatars.
        """
        throttle = LoginThrottle(reactor)
        remembered = RememberedLogins(reactor, secrets.token_bytes(_SECRET))
        self._pool = WorkerPool(reactor, "argon2", THREADS, BACKLOG)
        self._comparisons = Comparisons(PasswordHash(), self._pool, throttle)
        checkers = CheckerChain([InternalChecker(database, self._comparisons)])
        judge = PasswordJudge(database, throttle, remembered, checkers, self._comparisons)
        self.authenticator = Authenticator(Portal(realm, [PasswordChecker(database, judge)]), throttle, reactor)

    async def store(self, password: str) -> StoredPassword:
        """Return what to keep of a password.

        Raises:
            TemporaryError: too much waits for a thread.
            ValueError: it can't be a password.
        """
        return await self._comparisons.store(password)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.stop()
