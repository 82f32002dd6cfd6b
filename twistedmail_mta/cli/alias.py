"""`mta alias`: addresses that stand for others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click

from twistedmail_mta.cli.alias_check import eclipsed, followed, oddities, places, warn
from twistedmail_mta.cli.hosting import OpenDirectory, as_domain, open_directory, report
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json_list, print_table
from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.directory.alias_rows import add_targets, list_aliases, remove_targets
from twistedmail_mta.directory.aliases import Alias, alias_key, make_alias, read_aliases, shown
from twistedmail_mta.directory.domains import HostedDomain
from twistedmail_mta.directory.expansion import MISCONFIGURED
from twistedmail_mta.directory.site_domains import site_domains
from twistedmail_mta.interfaces import Transaction

_PAGE: Final = 1000


def _key(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, str] | None:
    try:
        return None if value is None else alias_key(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.group()
def alias() -> None:
    """Add, list, remove and import aliases.

    An alias leads from an address at a hosted domain, or from @DOMAIN for all
    that is nobody's, to any addresses.  One that leads to itself too keeps a
    copy in the account of that name.
    """


@alias.command()
@click.argument("address")
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@pass_invocation
def add(invocation: Invocation, address: str, targets: Sequence[str]) -> None:
    """Let an address lead to others.

    What it leads to already stays.
    """
    try:
        wanted = make_alias(address, targets)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with open_directory(invocation) as directory:
        warn(directory.change(partial(_add, directory, wanted)))
    report(
        invocation,
        f"{shown(wanted.address)} leads to {', '.join(wanted.targets)}.",
        {"added": shown(wanted.address), "targets": list(wanted.targets)},
    )


@alias.command()
@click.argument("key", metavar="ADDRESS", callback=_key)
@click.argument("targets", metavar="[TARGET...]", nargs=-1)
@pass_invocation
def remove(invocation: Invocation, key: tuple[str, str], targets: Sequence[str]) -> None:
    """Remove an alias, or some of its targets."""
    address = shown(key[1])
    try:
        wanted = make_alias(address, targets).targets if targets else ()
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with open_directory(invocation) as directory:
        directory.change(lambda tx: remove_targets(tx, key, wanted))
    words = f"{address} doesn't lead to {', '.join(wanted)} any more." if wanted else f"Removed {address}."
    report(invocation, words, {"removed": address, "targets": list(wanted)})


@alias.command(name="list")
@click.argument("key", metavar="[ADDRESS]", required=False, callback=_key)
@click.option("--domain", metavar="NAME", callback=as_domain, help="Those at one domain.")
@pass_invocation
def list_(invocation: Invocation, key: tuple[str, str] | None, domain: str | None) -> None:
    """List the aliases.

    Those of the site file's domains, too.
    """
    with open_directory(invocation) as directory:
        found = (
            (item, kept_in)
            for item, kept_in in _every(directory)
            if (key is None or item.folded == key[0]) and domain in (None, item.domain)
        )
        if invocation.as_json:
            print_json_list(
                {"address": shown(item.address), "targets": list(item.targets), "kept_in": kept_in}
                for item, kept_in in found
            )
            return
        rows = [[shown(item.address), " ".join(item.targets), kept_in] for item, kept_in in found]
    print_table(["Address", "Leads to", "Kept in"], rows, "There are no aliases.")


@alias.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--domain", metavar="NAME", callback=as_domain, help="Of the addresses in it that name none.")
@pass_invocation
def import_(invocation: Invocation, file: Path, domain: str | None) -> None:
    """Add the aliases of a file.

    It is in the manner of aliases(5) or of Postfix's virtual(5).
    All of them or, if one can't be used, none.
    """
    try:
        wanted = list(read_aliases(file.read_text(encoding="utf-8"), domain))
    except ValueError as error:
        hint = "" if domain or "domain is missing" not in str(error) else "; say which with --domain"
        raise click.ClickException(f"{file}: {error}{hint}") from error
    with open_directory(invocation) as directory:
        directory.change(partial(bring_aliases, directory, wanted))
        warn(directory.read(partial(oddities, directory, wanted)))
    report(invocation, f"Imported {len(wanted)} aliases.", {"imported": len(wanted)})


def _add(directory: OpenDirectory, wanted: Alias, tx: Transaction) -> list[str]:
    """Add an alias; return what is odd about where it leads, and refuse one that leads nowhere at all."""
    bring_aliases(directory, [wanted], tx)
    if not wanted.address.startswith("@"):
        found, problem = followed(wanted.own_address, places(directory, tx), tx)
        if found == MISCONFIGURED:
            raise DirectoryError(f"{shown(wanted.address)} {problem}")
    return [*eclipsed(directory, wanted.folded, tx), *oddities(directory, [wanted], tx)]


def bring_aliases(directory: OpenDirectory, wanted: Sequence[Alias], tx: Transaction) -> None:
    """Add aliases, and targets to those that are there.

    Raises:
        DirectoryError: one is at a domain that isn't hosted here.
    """
    domains = directory.domains(tx)
    for item in wanted:
        _demand_hosted(item, domains.get(item.domain))
    add_targets(tx, wanted)


def _demand_hosted(item: Alias, domain: HostedDomain | None) -> None:
    if domain is None:
        raise DirectoryError(f"{shown(item.address)}: {item.domain} isn't hosted here; see `mta domain list`")
    if domain.alias_of is not None:
        meant = shown(item.address.removesuffix(item.domain) + domain.alias_of)
        raise DirectoryError(f"{shown(item.address)}: {item.domain} is an alias of {domain.alias_of}; say {meant}")


def _every(directory: OpenDirectory) -> Iterator[tuple[Alias, str]]:
    """Yield every alias and where it is kept."""
    for item in site_domains(directory.site.domains).every_alias():
        yield item, "site file"
    after = ("", "")
    while page := directory.read(partial(list_aliases, after=after, limit=_PAGE)):
        for item in page:
            yield item, "database"
        after = (page[-1].folded, page[-1].address)
