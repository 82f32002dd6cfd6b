"""Compares passwords: the checker at the end of `twisted.cred`'s portal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.directory.accounts import Account, account_name
from twistedmail_mta.directory.credentials import IPeerPassword, LoginRefused, PeerPassword
from twistedmail_mta.directory.logins import RememberedLogins, Verdict
from twistedmail_mta.directory.passwords import PasswordHash, StoredPassword
from twistedmail_mta.directory.replies import CANNOT_JUDGE, TOO_MANY_FAILURES
from twistedmail_mta.directory.tables import find_account, find_login, renew_password
from twistedmail_mta.directory.throttle import Attempt, LoginThrottle, OverLimit
from twistedmail_mta.errors import MailError, TemporaryError
from twistedmail_mta.interfaces import IDatabase
from twistedmail_mta.sasl.preparation import opaque_string
from twistedmail_mta.tasks import Task, TaskGroup, WorkerPool, deferred_of

THREADS: Final = 2
BACKLOG: Final = 64
"""Checks that may wait for a thread: a second's work."""
BACKLOG_OF_STRANGERS: Final = 48
"""Checks under way past which only networks with a recent good login get another."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """A login in the form in which it is compared."""

    name: str
    password: str
    key: bytes


@implementer(ICredentialsChecker)
class PasswordChecker:
    """Judges names and passwords against the accounts of the database.

    Every login reads the account: a changed password, a disabled account and a
    withdrawn protocol count at once, however lately the password was checked.
    A name that doesn't exist takes the same work and gets the same answer as
    a wrong password.
    """

    log: ClassVar[Logger] = Logger()
    credentialInterfaces = (IPeerPassword,)  # noqa: N815 - Twisted's name

    def __init__(
        self,
        database: IDatabase,
        throttle: LoginThrottle,
        logins: RememberedLogins,
        hashes: PasswordHash,
        pool: WorkerPool,
    ) -> None:
        """Make a checker.

        Args:
            database: where the accounts are.
            throttle: counts failures.
            logins: remembers verdicts.
            hashes: makes and checks stored passwords.
            pool: threads for that and nothing else, `THREADS` with `BACKLOG`.
        """
        self._database = database
        self._throttle = throttle
        self._logins = logins
        self._hashes = hashes
        self._pool = pool
        self._tasks = TaskGroup()
        self._running: dict[bytes, Task[Verdict]] = {}

    def requestAvatarId(self, credentials: PeerPassword) -> Deferred[Any]:  # noqa: N802 - Twisted's name
        """Return the `Account` of a login: the portal hands an avatar id on as it is.

        Raises:
            LoginRefused: through the Deferred; the client is not to know why.
            TemporaryError: through the Deferred; it couldn't be judged.
        """
        return deferred_of(self._check(credentials))

    async def _check(self, login: PeerPassword) -> Account:
        claim = self._claim(login)
        verdict = self._logins.recall(claim.key)
        account = await self._account(claim) if verdict is not None else None
        if verdict is None or not verdict.fits(account):
            verdict = await self._judge(login.peer, claim)
            account = await self._account(claim)
        return self._allowed(login, claim, verdict, account)

    def _claim(self, login: PeerPassword) -> _Claim:
        """Bring a login into the form in which it is compared; charge one that can't be."""
        name = None
        try:
            name = account_name(login.authcid)
            password = opaque_string(login.password.decode("utf-8"))
        except ValueError:
            self._admit(login.peer, name)
            raise LoginRefused("malformed", name) from None
        return _Claim(name, password, self._logins.key(name, password))

    async def _account(self, claim: _Claim) -> Account | None:
        return await self._database.read(lambda transaction: find_account(transaction, claim.name))

    def _admit(self, peer: str, name: str | None) -> Attempt:
        attempt = self._throttle.admit(peer, name)
        if isinstance(attempt, OverLimit):
            if attempt.first:
                self.log.warn("too many failed logins from {peer}", event="auth.limited", peer=peer, account=name)
            raise TemporaryError(TOO_MANY_FAILURES)
        return attempt

    async def _judge(self, peer: str, claim: _Claim) -> Verdict:
        """Compare the password, once for all who ask the same at the same time.

        It goes on when the client leaves, so leaving early saves nobody a charge.
        """
        task = self._running.get(claim.key)
        if task is None:
            if len(self._running) >= BACKLOG_OF_STRANGERS and not self._throttle.knows(peer, claim.name):
                raise TemporaryError(CANNOT_JUDGE)
            attempt = self._admit(peer, claim.name)
            task = self._tasks.shield("directory.judge", self._compare(claim, attempt))
            if not task.done:
                self._running[claim.key] = task
                task.when_done(lambda: self._judged(claim.key))
        return await task

    def _judged(self, key: bytes) -> None:
        del self._running[key]

    async def _compare(self, claim: _Claim, attempt: Attempt) -> Verdict:
        try:
            found = await self._database.read(lambda transaction: find_login(transaction, claim.name))
            stored = self._hashes.dummy if found is None else found[1].hash
            matches = await self._pool.run(self._hashes.matches, stored, claim.password)
        except MailError:
            attempt.forgive()
            raise
        verdict = Verdict(0, 0, is_right=False)
        if found is not None:
            verdict = Verdict(found[0].id, found[0].credential_version, matches)
        if found is not None and matches:
            attempt.forgive()
            self._keep_up(claim, *found)
        self._logins.remember(claim.key, verdict)
        return verdict

    def _keep_up(self, claim: _Claim, account: Account, stored: StoredPassword) -> None:
        """Store the password anew if passwords have become dearer since; nobody waits for it."""
        if self._hashes.is_outdated(stored.hash, stored.scram.iterations):
            self._tasks.start("directory.renew", self._renew(claim, account, stored))

    async def _renew(self, claim: _Claim, account: Account, stored: StoredPassword) -> None:
        try:
            new = await self._pool.run(self._hashes.store, claim.password)
            await self._database.write(lambda transaction: renew_password(transaction, account, stored.hash, new))
        except MailError as error:
            self.log.info(
                "password of {account} not stored anew: {reply}",
                event="auth.renew.failed",
                account=account.address,
                reply=error.reply,
            )

    def _allowed(self, login: PeerPassword, claim: _Claim, verdict: Verdict, account: Account | None) -> Account:
        """Return the account if it may log in now."""
        reason = _objection(login, verdict, account)
        if reason is not None or account is None:
            raise LoginRefused(reason or "unknown", claim.name)
        self._throttle.know(login.peer, claim.name)
        return account


def _objection(login: PeerPassword, verdict: Verdict, account: Account | None) -> str | None:
    """Return why a login that was judged is refused, or None."""
    if account is None:
        return "unknown"
    if not verdict.fits(account):
        return "changed"
    if not verdict.is_right:
        return "password"
    if not account.enabled:
        return "disabled"
    if login.protocol not in account.protocols:
        return "protocol"
    return None if _acts_for_itself(login, account) else "authzid"


def _acts_for_itself(login: PeerPassword, account: Account) -> bool:
    if not login.authzid:
        return True
    try:
        return account_name(login.authzid) == account.address
    except ValueError:
        return False
