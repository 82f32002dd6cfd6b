"""Logins whose sessions go on: these are ended when the password is changed or the account closed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.directory.accounts import Standing
from twistedmail_mta.directory.login_rows import changes_of_logins, good_standings
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IChanges, IDatabase, ILogins
from twistedmail_mta.tasks import TaskGroup, sleep

AT_ONCE: Final = 500
"""Accounts that one query reads."""
RECENT: Final = 30.0
"""Seconds after a change for which each new login is read once more: it may have been judged before the change."""
TRY_AGAIN: Final = 1.0


@dataclass(eq=False, slots=True)
class _Watch:
    """One session: what its login rests on, and what to call when that is gone."""

    account: str
    standing: Standing
    ended: Callable[[], None]


@implementer(ILogins)
class LiveLogins:
    """Watches what the logins of sessions rest on.

    When another process has changed the database, one row tells whether any
    login may have ended; only then are the watched accounts read, some
    hundreds at a time.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, database: IDatabase, changes: IChanges, clock: IReactorTime) -> None:
        """Begin to watch.

        Args:
            database: where the accounts are.
            changes: tells when to look.
            clock: for trying again.
        """
        self._database = database
        self._clock = clock
        self._tasks = TaskGroup()
        self._watches: dict[int, set[_Watch]] = {}
        self._new: set[int] = set()
        self._number: int | None = None
        self._changed_at = float("-inf")
        self._is_stale = False
        changes.subscribe(self.changed)

    def watch(self, avatar: Any, ended: Callable[[], None]) -> Callable[[], None]:  # noqa: ANN401 - any of the realm's
        """Call `ended` once when the login is no longer good, as `ILogins` says.

        Args:
            avatar: of `MailRealm`: it has `account` and `standing`.
            ended: may be called at any time from now on, but not before this returns.
        """
        watch = _Watch(avatar.account, avatar.standing, ended)
        account = watch.standing.account_id
        self._watches.setdefault(account, set()).add(watch)
        if self._clock.seconds() - self._changed_at < RECENT:
            self._new.add(account)
            self._look_soon()

        def stop() -> None:
            self._forget(watch)

        return stop

    def end(self, names: Collection[str]) -> None:
        """End the logins to accounts, by their names: the passwords they were made with are no more."""
        if names:
            self._end([watch for watches in self._watches.values() for watch in watches if watch.account in names])

    def changed(self) -> None:
        """Hear that another process may have changed the accounts."""
        self._is_stale = True
        self._look_soon()

    def stop(self) -> None:
        """Look no more."""
        self._tasks.cancel()

    def _look_soon(self) -> None:
        if not len(self._tasks):
            self._tasks.start("logins.look", self._look())

    async def _look(self) -> None:
        """Read what has to be read, until there is nothing left; what can't be read now is tried again."""
        await sleep(self._clock, 0)
        while self._is_stale or self._new:
            try:
                await self._look_once()
            except TemporaryError:
                await sleep(self._clock, TRY_AGAIN)

    async def _look_once(self) -> None:
        if self._is_stale:
            self._is_stale = False
            try:
                await self._look_at_all()
            except BaseException:
                self._is_stale = True
                raise
        new, self._new = self._new, set()
        try:
            await self._look_at(new)
        except BaseException:
            self._new |= new
            raise

    async def _look_at_all(self) -> None:
        number = await self._database.read(changes_of_logins)
        if number != self._number:
            self._changed_at = self._clock.seconds()
            await self._look_at(self._watches)
            self._number = number

    async def _look_at(self, accounts: Iterable[int]) -> None:
        waiting = tuple(accounts)
        for begin in range(0, len(waiting), AT_ONCE):
            some = waiting[begin : begin + AT_ONCE]
            good = await self._database.read(partial(good_standings, accounts=some))
            self._end(
                [
                    watch
                    for account in some
                    for watch in self._watches.get(account, ())
                    if watch.standing not in good.get(account, ())
                ]
            )

    def _end(self, fallen: Iterable[_Watch]) -> None:
        for watch in fallen:
            if not self._forget(watch):
                continue  # its session ended with another's
            self.log.info(
                "login of {account} to {protocol} ended: its password or rights were changed",
                event="auth.ended",
                account=watch.account,
                protocol=watch.standing.protocol,
            )
            try:
                watch.ended()
            except Exception:  # noqa: BLE001 - one session must not keep the others going
                self.log.failure("a session didn't take the end of its login", event="auth.end.failed")

    def _forget(self, watch: _Watch) -> bool:
        """Watch it no more; return whether it was watched."""
        account = watch.standing.account_id
        watches = self._watches.get(account, set())
        if watch not in watches:
            return False
        watches.discard(watch)
        if not watches:
            del self._watches[account]
        return True
