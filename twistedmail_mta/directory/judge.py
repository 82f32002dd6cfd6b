"""Decides whether a password is right, with as little work as that can take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from twisted.logger import Logger

from twistedmail_mta.directory.accounts import Account
from twistedmail_mta.directory.checkers import CheckerChain, Question
from twistedmail_mta.directory.comparisons import Comparisons
from twistedmail_mta.directory.logins import NOBODY, RememberedLogins, Verdict
from twistedmail_mta.directory.replies import TOO_MANY_FAILURES
from twistedmail_mta.directory.tables import find_login
from twistedmail_mta.directory.throttle import Attempt, LoginThrottle, OverLimit
from twistedmail_mta.errors import MailError, TemporaryError
from twistedmail_mta.interfaces import IDatabase
from twistedmail_mta.tasks import Task, TaskGroup


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
    """Passes verdicts on names and passwords; the checkers say which are right.

    Whoever asks what was answered lately costs nothing; those who ask the same
    at the same time share one answer; whoever has failed too often isn't
    answered at all.  A name that nobody knows takes the work of a wrong
    password.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        database: IDatabase,
        throttle: LoginThrottle,
        logins: RememberedLogins,
        checkers: CheckerChain,
        comparisons: Comparisons,
    ) -> None:
        """Make a judge.

        Args:
            database: where the accounts are.
            throttle: counts failures.
            logins: remembers verdicts.
            checkers: say which passwords are right.
            comparisons: does the work for names that none of them knows.
        """
        self._database = database
        self._throttle = throttle
        self._logins = logins
        self._checkers = checkers
        self._comparisons = comparisons
        self._tasks = TaskGroup()
        self._running: dict[bytes, Task[Verdict]] = {}

    @property
    def generation(self) -> int:
        """A number that is another one as soon as earlier verdicts count no more."""
        return self._checkers.generation

    def recall(self, claim: Claim) -> Verdict | None:
        """Return the verdict that was passed on this very claim lately, or None."""
        return self._logins.recall(self._key(claim))

    async def judge(self, peer: str, claim: Claim, admits: Callable[[Account], bool]) -> Verdict:
        """Have a password judged.

        That goes on when the client leaves, so that leaving early saves nobody a charge.

        Args:
            peer: the client's address.
            claim: the name and password.
            admits: whether an account may log in there with the right password.
                Where not, the attempt stays charged as if it were wrong: the
                next answer's delay must not tell the two apart.

        Raises:
            TemporaryError: 454, too many failures, or it can't be judged now.
        """
        key = self._key(claim)
        task = self._running.get(key)
        if task is None:
            attempt = self.admit(peer, claim.name)
            task = self._tasks.shield("directory.judge", self._judge(key, peer, claim, attempt, admits))
            if not task.done:
                self._running[key] = task
                task.when_done(lambda _: self._forget(key))
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

    def _key(self, claim: Claim) -> bytes:
        return self._logins.key(claim.name, claim.password, self.generation)

    def _forget(self, key: bytes) -> None:
        del self._running[key]

    async def _judge(
        self, key: bytes, peer: str, claim: Claim, attempt: Attempt, admits: Callable[[Account], bool]
    ) -> Verdict:
        """Pass a verdict and remember it; what can't be judged is nobody's failure."""
        try:
            found = await self._database.read(lambda transaction: find_login(transaction, claim.name))
            account, stored = found or (None, None)
            is_right, remembered = await self._ask(Question(claim.name, claim.password, peer, account, stored))
        except MailError:
            attempt.forgive()
            raise
        verdict = NOBODY if account is None else Verdict(account.id, account.credential_version, is_right)
        self._logins.remember(key, verdict, remembered)
        if account is not None and is_right and admits(account):
            attempt.forgive()
        return verdict

    async def _ask(self, question: Question) -> tuple[bool, float]:
        """Return whether the password is right and for how long that counts; a name that nobody knows costs as much."""
        answer = await self._checkers.ask(question)
        if answer.is_right is None:
            await self._comparisons.matches(question.name, question.peer, question.password, None)
        return bool(answer.is_right), answer.remembered
