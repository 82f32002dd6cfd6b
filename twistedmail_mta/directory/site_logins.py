"""Everything that the logins of one site need, put together."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from typing import Final

from twisted.cred.portal import IRealm, Portal

from twistedmail_mta.config.checking import CheckerTable, InternalTable, LDAPTable, PAMTable, PasswdFileTable
from twistedmail_mta.config.secrets import read_secret
from twistedmail_mta.directory.authenticator import Authenticator
from twistedmail_mta.directory.checker import PasswordChecker
from twistedmail_mta.directory.checkers import Checker, CheckerChain, InternalChecker, IReactorLogins, Place
from twistedmail_mta.directory.comparisons import BACKLOG, THREADS, Comparisons
from twistedmail_mta.directory.judge import PasswordJudge
from twistedmail_mta.directory.ldap_names import search_filter
from twistedmail_mta.directory.logins import RememberedLogins
from twistedmail_mta.directory.passwd_file import PasswdFile
from twistedmail_mta.directory.passwords import PasswordHash, StoredPassword
from twistedmail_mta.directory.throttle import LoginThrottle
from twistedmail_mta.interfaces import IDatabase
from twistedmail_mta.tasks import TaskGroup, WorkerPool

_SECRET: Final = 32
_INTERNAL: Final = InternalTable(use="internal")
_IN_EXTRAS: Final = {"ldap": "twistedmail_mta.directory.ldap", "pam": "twistedmail_mta.directory.pam"}
"""Checkers that need an extra of the same name."""


class SiteLogins:
    """The portal of a site and what stands behind it.

    Attributes:
        authenticator: where every protocol asks.
    """

    def __init__(
        self,
        reactor: IReactorLogins,
        database: IDatabase,
        tables: Sequence[CheckerTable],
        realm: IRealm,
        end: Callable[[Collection[str]], None],
    ) -> None:
        """Put it together; blocks, so before the reactor serves.

        Args:
            reactor: time, and threads' way back.
            database: where the accounts are.
            tables: the checkers, in the order of the site file; without any it is our own.
            realm: makes the avatars.
            end: ends the logins to accounts, by their names, whose passwords a file has dropped.

        Raises:
            OSError: a file of passwords can't be read.
            CertificateError: a file of authorities can't be used.
            ValueError: a checker lacks what it needs; the text says what.
        """
        throttle = self._throttle = LoginThrottle(reactor)
        remembered = RememberedLogins(reactor, secrets.token_bytes(_SECRET))
        self._reactor = reactor
        self._database = database
        self._end = end
        self._pool = WorkerPool(reactor, "argon2", THREADS, BACKLOG)
        self._comparisons = Comparisons(PasswordHash(), self._pool, throttle)
        self._reloading = TaskGroup()
        self._is_stale = False
        self._files: list[PasswdFile] = []
        places = [Place(self._checker(table), frozenset(table.domains)) for table in tables or (_INTERNAL,)]
        judge = PasswordJudge(database, throttle, remembered, CheckerChain(places), self._comparisons)
        self.authenticator = Authenticator(Portal(realm, [PasswordChecker(database, judge)]), throttle, reactor)

    def _checker(self, table: CheckerTable) -> Checker:
        if text := shortcoming(table):
            raise ValueError(text)
        match table:
            case PasswdFileTable():
                file = PasswdFile(table.path, table.domain, self._comparisons)
                self._files.append(file)
                return file
            case InternalTable():
                return InternalChecker(self._database, self._comparisons)
            case LDAPTable():
                return _ldap_checker(self._reactor, table, self._throttle)
            case PAMTable():
                return _pam_checker(self._reactor, table, self._throttle)

    @property
    def pool(self) -> WorkerPool:
        """The threads that compute hashes."""
        return self._pool

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
                self._end(await file.reload())

    def close(self) -> None:
        """Let the threads end."""
        self._reloading.cancel()
        self._pool.stop()


def shortcoming(table: CheckerTable) -> str | None:
    """Return what keeps a checker from being made, as far as its table alone tells; or None."""
    try:
        if table.use in _IN_EXTRAS:
            import_module(_IN_EXTRAS[table.use])
    except ImportError as error:
        return f"use = \"{table.use}\" needs more: pip install 'twistedmail-mta[{table.use}]' ({error})"
    return _bad_filter(table) if isinstance(table, LDAPTable) else None


def _bad_filter(table: LDAPTable) -> str | None:
    from twistedmail_mta.directory.ldap_connection import complaint  # noqa: PLC0415 - an extra

    return complaint(search_filter(table.filter, "x@example.org")) if table.filter is not None else None


def _ldap_checker(reactor: IReactorLogins, table: LDAPTable, throttle: LoginThrottle) -> Checker:
    from twistedmail_mta.directory.ldap import LDAPChecker  # noqa: PLC0415 - an extra

    return LDAPChecker(reactor, table, read_secret, throttle)


def _pam_checker(reactor: IReactorLogins, table: PAMTable, throttle: LoginThrottle) -> Checker:
    from twistedmail_mta.directory.pam import PAMChecker  # noqa: PLC0415 - an extra

    return PAMChecker(reactor, table, throttle)
