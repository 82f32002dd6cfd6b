"""Everything that the logins of one site need, put together."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

from twisted.cred.portal import IRealm, Portal
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime

from twistedmail_mta.config.checking import CheckerTable, InternalTable, PasswdFileTable
from twistedmail_mta.directory.authenticator import Authenticator
from twistedmail_mta.directory.checker import PasswordChecker
from twistedmail_mta.directory.checkers import Checker, CheckerChain, InternalChecker, Place
from twistedmail_mta.directory.comparisons import BACKLOG, THREADS, Comparisons
from twistedmail_mta.directory.judge import PasswordJudge
from twistedmail_mta.directory.logins import RememberedLogins
from twistedmail_mta.directory.passwd_file import PasswdFile
from twistedmail_mta.directory.passwords import PasswordHash, StoredPassword
from twistedmail_mta.directory.throttle import LoginThrottle
from twistedmail_mta.interfaces import IDatabase
from twistedmail_mta.tasks import TaskGroup, WorkerPool

_SECRET: Final = 32
_INTERNAL: Final = InternalTable(use="internal")


class IReactorLogins(IReactorFromThreads, IReactorTime):
    """What of the reactor logins use."""


class SiteLogins:
    """The portal of a site and what stands behind it.

    Attributes:
        authenticator: where every protocol asks.
    """

    def __init__(
        self, reactor: IReactorLogins, database: IDatabase, tables: Sequence[CheckerTable], realm: IRealm
    ) -> None:
        """Put it together; blocks, so before the reactor serves.

        Args:
            reactor: time, and threads' way back.
            database: where the accounts are.
            tables: the checkers, in the order of the site file; without any it is our own.
            realm: makes the avatars.

        Raises:
            OSError: a file of passwords can't be read.
        """
        throttle = LoginThrottle(reactor)
        remembered = RememberedLogins(reactor, secrets.token_bytes(_SECRET))
        self._database = database
        self._pool = WorkerPool(reactor, "argon2", THREADS, BACKLOG)
        self._comparisons = Comparisons(PasswordHash(), self._pool, throttle)
        self._reloading = TaskGroup()
        self._is_stale = False
        self._files: list[PasswdFile] = []
        places = [Place(self._checker(table), frozenset(table.domains)) for table in tables or (_INTERNAL,)]
        judge = PasswordJudge(database, throttle, remembered, CheckerChain(places), self._comparisons)
        self.authenticator = Authenticator(Portal(realm, [PasswordChecker(database, judge)]), throttle, reactor)

    def _checker(self, table: CheckerTable) -> Checker:
        match table:
            case PasswdFileTable():
                file = PasswdFile(table.path, table.domain, self._comparisons)
                self._files.append(file)
                return file
            case InternalTable():
                return InternalChecker(self._database, self._comparisons)

    async def store(self, password: str) -> StoredPassword:
        """Return what to keep of a password.

        Raises:
            TemporaryError: too much waits for a thread.
            ValueError: it can't be a password.
        """
        return await self._comparisons.store(password)

    def reload(self) -> None:
        """Begin to read the files of passwords again; once more after that if it has begun already."""
        self._is_stale = True
        if not len(self._reloading):
            self._reloading.start("logins.reload", self._reload())

    async def _reload(self) -> None:
        while self._is_stale:
            self._is_stale = False
            for file in self._files:
                await file.reload()

    def close(self) -> None:
        """Let the threads end."""
        self._reloading.cancel()
        self._pool.stop()
