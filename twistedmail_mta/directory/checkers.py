"""Who says whether a password is right: the shape of a checker, our own one, and the chain of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol

from twisted.internet.interfaces import IReactorFromThreads, IReactorTCP, IReactorTime, IReactorUNIX
from twisted.logger import Logger

from twistedmail_mta.directory.accounts import Account
from twistedmail_mta.directory.comparisons import Comparisons
from twistedmail_mta.directory.logins import LIFETIME
from twistedmail_mta.directory.passwords import StoredPassword
from twistedmail_mta.directory.replies import CANNOT_JUDGE
from twistedmail_mta.directory.tables import renew_password
from twistedmail_mta.errors import MailError, TemporaryError
from twistedmail_mta.interfaces import IDatabase
from twistedmail_mta.tasks import Cancelled, TaskGroup

REMEMBERED_FROM_OUTSIDE: Final = 60.0
"""Seconds for which an answer counts whose change nobody tells us."""


class IReactorLogins(IReactorTCP, IReactorUNIX, IReactorTime, IReactorFromThreads):
    """What of the reactor logins use."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a checker is asked.

    Attributes:
        name: the account's, in the spelling of `account_name`; there may be no such account.
        password: as `opaque_string` returns it, so never empty.
        peer: the client's address.
        account: the account of that name; a checker asks no less for one that doesn't exist.
        stored: what is kept here of its password.
    """

    name: str
    password: str = field(repr=False)
    peer: str
    account: Account | None = None
    stored: StoredPassword | None = field(default=None, repr=False)


class Checker(Protocol):
    """Says whether the passwords of the names it knows are right, and nothing else.

    Attributes:
        generation: raised when earlier answers count no more.
        remembered: seconds for which an answer counts.
    """

    generation: int
    remembered: float

    async def check(self, question: Question) -> bool | None:
        """Return whether the password is right; None for a name that this checker doesn't know.

        Raises:
            TemporaryError: it can't be said now; nobody else is asked then.
        """


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking.

    Attributes:
        is_right: whether the password is right; None when nobody knew the name.
        remembered: seconds for which that counts: no longer than the word of anybody who was asked.
    """

    is_right: bool | None
    remembered: float


@dataclass(frozen=True, slots=True)
class Place:
    """A checker in its place of the site file.

    Attributes:
        checker: who is asked there.
        domains: only for names at these; empty: for all.
    """

    checker: Checker
    domains: frozenset[str] = frozenset()

    def is_for(self, name: str) -> bool:
        """Return whether the checker is asked for a name."""
        return not self.domains or name.rpartition("@")[2] in self.domains


class CheckerChain:
    """Asks checkers in the order of the site file; the first that knows the name decides.

    One that can't answer now ends the asking with 454, since the next one might
    say yes to what it would have refused.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = places

    @property
    def generation(self) -> int:
        """A number that is another one as soon as earlier answers count no more."""
        return sum(place.checker.generation for place in self._places)

    async def ask(self, question: Question) -> Answer:
        """Return what the first checker that knows the name says.

        Raises:
            TemporaryError: it can't be said now.
        """
        remembered = LIFETIME
        for place in self._places:
            if place.is_for(question.name):
                is_right = await self._ask(place.checker, question)
                remembered = min(remembered, place.checker.remembered)
                if is_right is not None:
                    return Answer(is_right, remembered)
        return Answer(None, remembered)

    async def _ask(self, checker: Checker, question: Question) -> bool | None:
        try:
            return await checker.check(question)
        except (MailError, Cancelled):
            raise
        except Exception:  # noqa: BLE001 - libraries are behind it; whatever it is, nobody gets in by it
            self.log.failure("{checker!r} can't judge logins", checker=checker, event="auth.checker.failed")
            raise TemporaryError(CANNOT_JUDGE) from None


class InternalChecker:
    """Knows the accounts that have a password in our own database."""

    log: ClassVar[Logger] = Logger()
    generation = 0  # the rows have versions of their own
    remembered = LIFETIME

    def __init__(self, database: IDatabase, comparisons: Comparisons) -> None:
        self._database = database
        self._comparisons = comparisons
        self._tasks = TaskGroup()

    async def check(self, question: Question) -> bool | None:
        """Compare the password with the account's."""
        account, stored = question.account, question.stored
        if account is None or stored is None:
            return None
        is_right = await self._comparisons.matches(question.name, question.peer, question.password, stored.hash)
        if is_right and self._comparisons.is_outdated(stored):
            self._tasks.start("directory.renew", self._renew(question.password, account, stored))
        return is_right

    async def _renew(self, password: str, account: Account, stored: StoredPassword) -> None:
        """Store a right password anew, as argon2id of today's cost; nobody waits for it."""
        try:
            new = await self._comparisons.store(password)
            await self._database.write(lambda transaction: renew_password(transaction, account, stored.hash, new))
        except MailError as error:
            self.log.info(
                "password of {account} not stored anew: {reply}",
                event="auth.renew.failed",
                account=account.address,
                reply=error.reply,
            )
