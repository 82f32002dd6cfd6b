"""Hosted domains in memory: example.org here, b.example another name of it, and a database to fill."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from directory_in_memory import Database, in_memory, now
from twisted.internet.task import Clock

from twistedmail_mta.directory.alias_file import AliasFile
from twistedmail_mta.directory.alias_rows import add_targets
from twistedmail_mta.directory.aliases import make_alias
from twistedmail_mta.directory.domain_rows import add_domain
from twistedmail_mta.directory.domains import HostedDomain
from twistedmail_mta.directory.resolution import Directory
from twistedmail_mta.directory.site_domains import SiteDomains
from twistedmail_mta.directory.tables import add_account, change_account
from twistedmail_mta.errors import MailError
from twistedmail_mta.model import Address, Expansion, Reply
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.tasks import Promise, TaskGroup

ORG = HostedDomain("example.org")
OTHER_NAME = HostedDomain("b.example", alias_of="example.org")


class SlowDatabase(Database):
    """A database whose reads can be held up after they were done."""

    def __init__(self) -> None:
        super().__init__(in_memory())
        self.gate: Promise[None] | None = None

    async def read(self, function: Callable[[Any], Any]) -> Any:
        result = await super().read(function)
        if self.gate is not None:
            await self.gate
        return result


class Changes:
    """Says that there were changes when a test wants it."""

    def __init__(self) -> None:
        self.subscribers: list[Callable[[], None]] = []

    def subscribe(self, changed: Callable[[], None]) -> None:
        self.subscribers.append(changed)

    def tell(self) -> None:
        for changed in self.subscribers:
            changed()


def site_file(
    *domains: HostedDomain,
    files: Mapping[str, Path] | None = None,
    catch_alls: Mapping[str, str] | None = None,
    relayed: Iterable[str] = (),
) -> SiteDomains:
    """What a site file says of domains."""
    return SiteDomains(
        domains or (ORG, OTHER_NAME),
        {name: AliasFile(path, name) for name, path in (files or {}).items()},
        {name: parse_address(to) for name, to in (catch_alls or {}).items()},
        relayed,
    )


class Hosting:
    """A directory with everything around it."""

    def __init__(
        self,
        *domains: HostedDomain,
        files: Mapping[str, Path] | None = None,
        catch_alls: Mapping[str, str] | None = None,
        admin: str = "admin@example.org",
        relayed: Iterable[str] = (),
    ) -> None:
        self.database = SlowDatabase()
        self.tables = self.database.connection
        self.changes, self.clock, self.tasks = Changes(), Clock(), TaskGroup()
        site = site_file(*domains, files=files, catch_alls=catch_alls, relayed=relayed)
        self.directory = Directory(self.database, site, parse_address(admin), self.changes, self.clock, self.tasks)

    def account(self, name: str, *, enabled: bool = True, **quotas: int) -> int:
        """Add an account and return its id."""
        add_account(self.tables, name, None, 1.0)
        change_account(self.tables, name, enabled=enabled)
        for column, value in quotas.items():
            self.tables.execute(f"UPDATE accounts SET {column} = ? WHERE address = ?", (value, name))
        ((number,),) = self.tables.execute("SELECT id FROM accounts WHERE address = ?", (name,))
        return number

    def alias(self, address: str, *targets: str) -> None:
        add_targets(self.tables, [make_alias(address, targets)])

    def domain(self, domain: HostedDomain) -> None:
        add_domain(self.tables, domain)

    def resolve(self, text: str) -> Expansion | Reply:
        return now(self.directory.resolve(parse_address(text)))

    def known(self, text: str) -> Expansion | Reply | None:
        return self.directory.known(parse_address(text))

    def leads_to(self, text: str) -> set[str] | Reply:
        """Return what an address stands for: names for mailboxes, "->" before foreign addresses."""
        found = self.resolve(text)
        if isinstance(found, Reply):
            return found
        local = {str(delivery.address) for delivery in found.deliveries}
        return local | {f"->{address}" for address in found.forwards}


def reply_of(coroutine: Any) -> Reply:
    """Run a coroutine that fails at once with a reply, and return that."""
    try:
        now(coroutine)
    except MailError as error:
        return error.reply
    raise AssertionError("it didn't fail")


def addresses(texts: Iterable[str]) -> list[Address]:
    return [parse_address(text) for text in texts]
