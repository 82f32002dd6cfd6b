"""What the commands about domains, accounts and aliases share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from twistedmail_mta.cli.site import Invocation, print_json
from twistedmail_mta.config.site import Site
from twistedmail_mta.config.units import format_size, parse_size
from twistedmail_mta.config.values import domain_name
from twistedmail_mta.control.client import RefusedError, tell
from twistedmail_mta.directory.accounts import DirectoryError, account_name
from twistedmail_mta.directory.domain_rows import list_domains
from twistedmail_mta.directory.domains import HostedDomain
from twistedmail_mta.directory.site_domains import hosted_domains
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.sync import SyncDatabase

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OpenDirectory:
    """The directory of a site, opened by a command.

    Attributes:
        site: the site file.
        state_dir: of the server, which may be running.
        database: where the rows are.
    """

    site: Site
    state_dir: Path
    database: SyncDatabase

    def read(self, function: Callable[[Transaction], T]) -> T:
        """Run `function` on one consistent state."""
        return self.database.read(function)

    def change(self, function: Callable[[Transaction], T]) -> T:
        """Run `function` in a transaction, and tell a running server that something changed."""
        result = self.database.write(function)
        self.tell_server()
        return result

    def tell_server(self) -> None:
        """Let a running server take up what was changed; when this returns it has, if it answered."""
        try:
            tell(self.state_dir, "directory.changed")
        except RefusedError as error:
            click.echo(f"Done, but the running server wasn't told and may take a moment to notice: {error}", err=True)

    def domains(self, tx: Transaction) -> Mapping[str, HostedDomain]:
        """Return every domain that is hosted, by name; where both have it the site file's word holds."""
        others = {domain.name: domain for domain in list_domains(tx) if domain.name not in self.site.domains}
        return others | hosted_domains(self.site.domains)


@contextmanager
def open_directory(invocation: Invocation) -> Iterator[OpenDirectory]:
    """Open the directory of the site."""
    site, state_dir = invocation.chosen_site().site, invocation.state_dir()
    with SyncDatabase(state_dir / DATABASE_NAME) as database:
        yield OpenDirectory(site, state_dir, database)


def names_of(directory: OpenDirectory, name: str, tx: Transaction) -> frozenset[str]:
    """Return the name of an account at every domain that has the addresses of its own."""
    local, _, at = name.rpartition("@")
    others = (domain.name for domain in directory.domains(tx).values() if domain.alias_of == at)
    return frozenset((name, *(f"{local}@{other}" for other in others)))


def demand_home(directory: OpenDirectory, name: str, tx: Transaction) -> HostedDomain | None:
    """Return the domain of a new account, None if that isn't hosted here.

    Raises:
        DirectoryError: the domain is an alias of another, so nobody would ever be found there.
    """
    local, _, at = name.rpartition("@")
    domain = directory.domains(tx).get(at)
    if domain is not None and domain.alias_of is not None:
        raise DirectoryError(f"{at} is an alias of {domain.alias_of}; add {local}@{domain.alias_of}")
    return domain


def options(*several: Callable[[Callable[P, T]], Callable[P, T]]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator that gives a command several options, in their order."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        for option in reversed(several):
            function = option(function)
        return function

    return decorate


def as_account(_: click.Context, __: click.Parameter, value: str) -> str:
    """Read the name of an account."""
    try:
        return account_name(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def as_domain(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Read the name of a domain, as A-labels."""
    try:
        return None if value is None else domain_name(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def as_quota(_: click.Context, __: click.Parameter, value: str | None) -> int | str | None:
    """Read a quota in octets: a size, "none" or, where there is a domain's, "default"."""
    if value is None or value in ("none", "default"):
        return value
    try:
        size = parse_size(value)
    except ValueError as error:
        raise click.BadParameter("must be a size with its unit, such as 64KB or 50MB, or none") from error
    if not size:
        raise click.BadParameter('must be more than nothing; "none" is no limit')
    return size


def as_count(_: click.Context, __: click.Parameter, value: str | None) -> int | str | None:
    """Read a quota in messages: a number, "none" or, where there is a domain's, "default"."""
    if value is None or value in ("none", "default"):
        return value
    if not value.isascii() or not value.isdigit() or not int(value):
        raise click.BadParameter('must be a number of messages, or "none"')
    return int(value)


def quota_text(quota: int | None, quota_messages: int | None) -> str:
    """Return quotas as people read them; empty for none at all."""
    octets = format_size(quota) if quota else ""
    messages = f"{quota_messages} messages" if quota_messages else ""
    return ", ".join(filter(None, (octets, messages)))


def report(invocation: Invocation, words: str, value: Mapping[str, object]) -> None:
    """Say what was done."""
    if invocation.as_json:
        print_json(value)
    else:
        click.echo(words)


def confirm(words: str, *, yes: bool) -> None:
    """Ask before something is done that can't be undone; --yes has answered already."""
    if not yes:
        click.confirm(words, abort=True, err=True)
