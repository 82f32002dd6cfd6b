"""The directory of a running server: which domains are here, and whom their addresses stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import ClassVar, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.directory.cache import WeighedCache
from twistedmail_mta.directory.domain_rows import read_directory
from twistedmail_mta.directory.domains import HostedDomain, is_role
from twistedmail_mta.directory.expansion import MISCONFIGURED, Passed, Places, Walk
from twistedmail_mta.directory.limits import Limits, limits_of
from twistedmail_mta.directory.site_domains import SiteDomains
from twistedmail_mta.directory.tables import account_quotas
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IChanges, IDatabase, IDirectory
from twistedmail_mta.model import Address, Expansion, Reply
from twistedmail_mta.tasks import Task, TaskGroup, sleep

_MOST_KNOWN: Final = 150_000
"""Weight of the expansions that are remembered: mailboxes and forwards, and two for each expansion."""
_MOST_REFUSED: Final = 2000
_MOST_LIMITS: Final = 100_000
_RETRY_AFTER: Final = 5.0
_TWICE: Final = "the domain {} is in the site file and in the database; remove it from one"


@implementer(IDirectory)
class Directory:
    """Domains in memory, addresses from the database, and what was asked lately from a cache.

    Every change of domains, accounts or aliases forgets all of the cache; other
    commits don't.  What began to be looked up before a change isn't remembered
    after it.

    Attributes:
        domains: all that are hosted, by name.
        separators: what sets off subaddresses, for each domain where it isn't
            "+"; one mapping that follows every change.
        synonyms: by the names of domain aliases, the domains whose addresses they have; likewise.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(  # noqa: PLR0913, PLR0917 - a composition
        self,
        database: IDatabase,
        site: SiteDomains,
        admin: Address,
        changes: IChanges,
        clock: IReactorTime,
        tasks: TaskGroup,
    ) -> None:
        """Make the directory; `begin` opens it.

        Args:
            database: where accounts, aliases and further domains are.
            site: the domains of the site file.
            admin: who gets mail to postmaster and abuse where nobody else does.
            changes: tells of changes by other processes.
            clock: for trying again.
            tasks: keeps the reading of domains after a change.
        """
        self._database = database
        self._site = site
        self._admin = admin
        self._clock = clock
        self._tasks = tasks
        self._age = 0
        self._changes = -1
        self._is_stale = self._keeping_up = False
        self._known: WeighedCache[Address, Expansion] = WeighedCache(_MOST_KNOWN)
        self._refused: WeighedCache[Address, Reply] = WeighedCache(_MOST_REFUSED)
        self._limits: WeighedCache[int, Limits] = WeighedCache(_MOST_LIMITS)
        self._running: dict[Address, Task[Expansion | Reply]] = {}
        self.separators: dict[str, str] = {}
        self.synonyms: dict[str, str] = {}
        self.domains: Mapping[str, HostedDomain] = {}
        self._use(site.domains)
        changes.subscribe(self.changed)

    async def begin(self) -> None:
        """Read the domains of the database.

        Raises:
            DirectoryError: one of them is in the site file, too.
            TemporaryError: the database can't be read.
        """
        for domain in await self.refresh():
            raise DirectoryError(_TWICE.format(domain))

    async def refresh(self) -> list[str]:
        """Take up what was changed; return the domains that are in the site file and in the database.

        The site file's word holds for them.

        Raises:
            TemporaryError: the database can't be read; everything stays as it was.
        """
        number, rows = await self._database.read(read_directory)
        if number > self._changes:  # else nothing was changed, or this was read before what is known already
            self._changes = number
            self._use(self._site.joined_by(rows))
        return [domain.name for domain in rows if self._site.declares(domain.name)]

    async def prepared(self, site: SiteDomains) -> Callable[[], None]:
        """Prepare for another site file; return what takes up its domains, at once and without fail.

        Raises:
            DirectoryError: one of them is in the database, too.
            TemporaryError: the database can't be read.
        """
        number, rows = await self._database.read(read_directory)
        for domain in rows:
            if site.declares(domain.name):
                raise DirectoryError(_TWICE.format(domain.name))

        def take_up() -> None:
            is_old, self._changes = number < self._changes, number
            self._site = site
            self._use(site.joined_by(rows))
            if is_old:
                self.changed()

        return take_up

    def changed(self) -> None:
        """Hear that the database may have changed; what can't be read now is tried until it can."""
        self._is_stale = True
        self._start_keeping_up()

    def hosts(self, domain: str) -> bool:
        """Return whether the domain is hosted here."""
        return domain in self.domains

    def known(self, recipient: Address) -> Expansion | Reply | None:
        """Return what `resolve` would, if it is remembered."""
        return self._known.get(recipient) or self._refused.get(recipient)

    async def resolve(self, recipient: Address) -> Expansion | Reply:
        """Return whom an address stands for, or why it is refused; who asks the same meanwhile shares the answer.

        Raises:
            TemporaryError: it can't be said now.
        """
        task = self._running.get(recipient)
        if task is None:
            task = self._tasks.shield("directory.resolve", self._resolve(recipient))
            if not task.done:
                self._running[recipient] = task
                task.when_done(partial(self._end, recipient))
        return await task

    def _end(self, recipient: Address, task: Task[Expansion | Reply]) -> None:
        if self._running.get(recipient) is task:
            del self._running[recipient]

    async def _resolve(self, recipient: Address) -> Expansion | Reply:
        age = self._age
        found, walk = await self._walk(recipient)
        if isinstance(found, Reply) and is_role(recipient):
            found, walk = await self._walk(self._admin)
            found = found if isinstance(found, Expansion) else MISCONFIGURED
        if age == self._age:
            self._remember(recipient, found, walk)
        return found

    async def trail(self, recipient: Address) -> tuple[tuple[Passed, ...], str]:
        """Return the way that `resolve` goes from an address, step by step, and what is wrong with it.

        Raises:
            TemporaryError: it can't be said now.
        """
        passed: dict[Passed, None] = {}
        found, walk = await self._walk(recipient, passed.setdefault)
        if isinstance(found, Reply) and is_role(recipient):
            passed[Passed(recipient, "role", (self._admin,))] = None
            _, walk = await self._walk(self._admin, passed.setdefault)
        return tuple(passed), walk.problem

    def known_limits(self, accounts: Iterable[int]) -> dict[int, Limits | None]:
        """Return the limits of accounts, None for those that have to be looked up."""
        return {account: self._limits.get(account) for account in accounts}

    async def limits(self, accounts: Iterable[int]) -> dict[int, Limits]:
        """Return the limits of accounts; those that are gone have none.

        Raises:
            TemporaryError: they can't be read now.
        """
        age, wanted = self._age, list(accounts)
        rows = await self._database.read(partial(account_quotas, accounts=wanted))
        found = {number: self._limits_of(address, *quotas) for number, address, *quotas in rows}
        if age == self._age:
            for account, limits in found.items():
                self._limits.put(account, limits)
        return found

    async def _walk(
        self, start: Address, note: Callable[[Passed], object] | None = None
    ) -> tuple[Expansion | Reply, Walk]:
        walk = Walk(start, Places(self.domains, self._site.aliases, self._admin), note)
        while not await self._database.read(walk.go_on):
            pass
        found = walk.end()
        if walk.problem and note is None:  # else who asked is told
            self.log.warn(
                "mail to <{recipient}>: the address {problem}",
                event="directory.problem",
                recipient=str(start),
                problem=walk.problem,
            )
        return found, walk

    def _remember(self, recipient: Address, found: Expansion | Reply, walk: Walk) -> None:
        if isinstance(found, Reply):
            self._refused.put(recipient, found)
            return
        self._known.put(recipient, found, 2 + len(found.deliveries) + len(found.forwards))
        for account in walk.accounts.values():
            self._limits.put(account.id, self._limits_of(account.address, account.quota, account.quota_messages))

    def _limits_of(self, address: str, quota: int | None, quota_messages: int | None) -> Limits:
        return limits_of(quota, quota_messages, self.domains.get(address.rpartition("@")[2]))

    def _use(self, domains: Mapping[str, HostedDomain]) -> None:
        self.domains = domains
        self.separators.clear()
        self.separators.update(
            (domain.name, domain.subaddress) for domain in domains.values() if domain.subaddress != "+"
        )
        self.synonyms.clear()
        self.synonyms.update(
            (domain.name, domain.alias_of) for domain in domains.values() if domain.alias_of is not None
        )
        self._forget()

    def _forget(self) -> None:
        self._age += 1
        self._known.clear()
        self._refused.clear()
        self._limits.clear()
        self._running.clear()  # what is asked from now on must not get an answer of before

    def _start_keeping_up(self) -> None:
        if not self._keeping_up:
            self._tasks.start("directory.refresh", self._keep_up())

    async def _keep_up(self) -> None:
        """Read domains anew until nothing heard of came after that, however often it takes."""
        self._keeping_up = True
        try:
            while self._is_stale:
                self._is_stale = False
                await self._try_to_refresh()
        finally:
            self._keeping_up = False

    async def _try_to_refresh(self) -> None:
        try:
            await self.refresh()
        except TemporaryError as error:
            self.log.warn("domains can't be read: {reason}", event="directory.failed", reason=str(error))
            self._is_stale = True
            await sleep(self._clock, _RETRY_AFTER)
