"""Decides whether a password is right, with as little work as that can take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Final

from twisted.logger import Logger

from twistedmail_mta.directory.accounts import Account
from twistedmail_mta.directory.logins import NOBODY, RememberedLogins, Verdict
from twistedmail_mta.directory.passwords import CannotCompare, PasswordHash, StoredPassword
from twistedmail_mta.directory.replies import CANNOT_JUDGE, TOO_MANY_FAILURES
from twistedmail_mta.directory.tables import find_login, renew_password
from twistedmail_mta.directory.throttle import Attempt, LoginThrottle, OverLimit
from twistedmail_mta.errors import MailError, TemporaryError
from twistedmail_mta.interfaces import IDatabase
from twistedmail_mta.tasks import Task, TaskGroup, WorkerPool

THREADS: Final = 2
BACKLOG: Final = 64
"""Comparisons that may wait for a thread: a second's work."""
BACKLOG_OF_STRANGERS: Final = 48
"""Comparisons under way past which only networks with a recent good login get another."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A name and a password in the form in which they are compared.

    Attributes:
        name: in the spelling of `account_name`.
        password: as `opaque_string` returns it.
    """

    name: str
    password: str = field(repr=False)


class PasswordJudge:
    """Compares passwords with what is stored of them, on threads of its own.

    Whoever asks what was answered lately costs nothing; those who ask the same
    at the same time share one comparison; whoever has failed too often isn't
    answered at all.  A name that doesn't exist takes the same work as a wrong
    password.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        database: IDatabase,
        throttle: LoginThrottle,
        logins: RememberedLogins,
        hashes: PasswordHash,
        pool: WorkerPool,
    ) -> None:
        """Make a judge.

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

    def recall(self, claim: Claim) -> Verdict | None:
        """Return the verdict that was passed on this very claim lately, or None."""
        return self._logins.recall(self._logins.key(claim.name, claim.password))

    async def judge(self, peer: str, claim: Claim, admits: Callable[[Account], bool]) -> Verdict:
        """Compare a password.

        The comparison goes on when the client leaves, so that leaving early
        saves nobody a charge.

        Args:
            peer: the client's address.
            claim: the name and password.
            admits: whether an account may log in there with the right password.
                Where not, the attempt stays charged as if it were wrong: the
                next answer's delay must not tell the two apart.

        Raises:
            TemporaryError: 454, too many failures, or it can't be compared now.
        """
        key = self._logins.key(claim.name, claim.password)
        task = self._running.get(key)
        if task is None:
            self._demand_room(peer, claim.name)
            attempt = self.admit(peer, claim.name)
            task = self._tasks.shield("directory.judge", self._compare(key, claim, attempt, admits))
            if not task.done:
                self._running[key] = task
                task.when_done(lambda: self._forget(key))
        return await task

    def admit(self, peer: str, name: str | None) -> Attempt:
        """Charge an attempt before anything is done for it; None for a name that no account can have.

        Raises:
            TemporaryError: 454, too many failures before it.
        """
        attempt = self._throttle.admit(peer, name)
        if isinstance(attempt, OverLimit):
            if attempt.first:
                self.log.warn("too many failed logins from {peer}", event="auth.limited", peer=peer, account=name)
            raise TemporaryError(TOO_MANY_FAILURES)
        return attempt

    def _demand_room(self, peer: str, name: str) -> None:
        if len(self._running) >= BACKLOG_OF_STRANGERS and not self._throttle.knows(peer, name):
            raise TemporaryError(CANNOT_JUDGE)

    def _forget(self, key: bytes) -> None:
        del self._running[key]

    async def _compare(self, key: bytes, claim: Claim, attempt: Attempt, admits: Callable[[Account], bool]) -> Verdict:
        """Pass a verdict and remember it; what can't be compared is nobody's failure."""
        try:
            found = await self._database.read(lambda transaction: find_login(transaction, claim.name))
            stored = found[1] if found is not None else None
            is_right = await self._matches(claim, self._hashes.dummy if stored is None else stored.hash)
        except MailError:
            attempt.forgive()
            raise
        verdict = NOBODY if found is None else Verdict(found[0].id, found[0].credential_version, is_right)
        self._logins.remember(key, verdict)
        if found is not None and stored is not None and is_right:
            if admits(found[0]):
                attempt.forgive()
            self._keep_up(claim, found[0], stored)
        return verdict

    def _keep_up(self, claim: Claim, account: Account, stored: StoredPassword) -> None:
        """Store a right password anew if passwords have become dearer; nobody waits for it."""
        if self._hashes.is_outdated(stored):
            self._tasks.start("directory.renew", self._renew(claim, account, stored))

    async def _matches(self, claim: Claim, stored: str) -> bool:
        try:
            return await self._pool.run(self._hashes.matches, stored, claim.password)
        except CannotCompare as error:
            self.log.warn(
                "password of {account} can't be compared: {reason}",
                event="auth.broken",
                account=claim.name,
                reason=str(error),
            )
            raise TemporaryError(CANNOT_JUDGE) from None

    async def _renew(self, claim: Claim, account: Account, stored: StoredPassword) -> None:
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
