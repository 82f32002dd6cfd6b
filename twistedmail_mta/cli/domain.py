"""`mta domain`: which domains mail is kept for, beside those of the site file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import click

from twistedmail_mta.cli.alias_check import oddities, warn
from twistedmail_mta.cli.hosting import (
    OpenDirectory,
    as_count,
    as_domain,
    as_quota,
    confirm,
    open_directory,
    options,
    quota_text,
    report,
)
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_table
from twistedmail_mta.config.hosting import separators
from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.directory.alias_rows import add_targets, aliases_at, find_alias, remove_aliases_at, remove_targets
from twistedmail_mta.directory.aliases import make_alias
from twistedmail_mta.directory.domain_rows import add_domain, change_domain, find_domain, list_domains, remove_domain
from twistedmail_mta.directory.domains import HostedDomain
from twistedmail_mta.directory.inspection import subaddressed
from twistedmail_mta.directory.site_domains import SiteDomains, site_domains
from twistedmail_mta.directory.tables import accounts_at, accounts_by_domain
from twistedmail_mta.interfaces import Transaction


def _separators(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else separators(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_name = click.argument("name", metavar="NAME", callback=as_domain)
_settings = options(
    click.option("--catch-all", metavar="ADDRESS", help='Who gets what is for nobody else, or "none".'),
    click.option(
        "--subaddress", metavar="CHARS", callback=_separators, help='What sets off subaddresses; "" for none.'
    ),
    click.option("--quota", metavar="SIZE", callback=as_quota, help='For accounts without their own, or "none".'),
    click.option("--quota-messages", metavar="NUMBER", callback=as_count, help='Likewise for messages, or "none".'),
    click.option(
        "--over-quota", type=click.Choice(["defer", "reject"]), help="Mail over the quota: try again later, or never."
    ),
    click.option(
        "--case-sensitive/--case-insensitive", default=None, help="Whether the case of letters tells addresses apart."
    ),
)


@click.group()
def domain() -> None:
    """Add, change, list and remove domains that mail is kept for."""


@domain.command()
@_name
@click.option("--alias-of", metavar="DOMAIN", callback=as_domain, help="It has the addresses of that domain.")
@_settings
@pass_invocation
def add(invocation: Invocation, /, name: str, alias_of: str | None, catch_all: str | None, **settings: Any) -> None:  # noqa: ANN401 - click's options
    """Add a domain; mail for its addresses is kept here from now on."""
    if alias_of is not None and (catch_all is not None or _given(settings)):
        raise click.UsageError(f"--alias-of stands alone: {alias_of} says the rest.")
    wanted = replace(HostedDomain(name, alias_of), **_given(settings))
    with open_directory(invocation) as directory:
        directory.change(partial(_add, directory, wanted, catch_all))
        warn(directory.read(partial(_oddities, directory, name)))
    words = f"Added {name}." if alias_of is None else f"Added {name}, with the addresses of {alias_of}."
    report(invocation, words, {"added": name})


@domain.command(name="set")
@_name
@_settings
@pass_invocation
def set_(invocation: Invocation, /, name: str, catch_all: str | None, **settings: Any) -> None:  # noqa: ANN401 - click's options
    """Change what is given of a domain, and leave the rest."""
    given = _given(settings)
    if catch_all is None and not given:
        raise click.UsageError("Nothing to change: see --help.")
    with open_directory(invocation) as directory:
        directory.change(partial(_set, directory, name, given, catch_all))
        warn(directory.read(partial(_oddities, directory, name)))
    report(invocation, f"Changed {name}.", {"changed": name})


@domain.command()
@_name
@click.option("--yes", is_flag=True, help="Don't ask.")
@pass_invocation
def remove(invocation: Invocation, name: str, *, yes: bool) -> None:
    """Remove a domain and its aliases.

    Accounts there stay, with their mail, and get no more.
    """
    with open_directory(invocation) as directory:
        if name in directory.site.domains:
            directory.change(partial(_leave_to_site_file, name))
        else:
            directory.read(partial(_demand_no_alias_of, directory, name))
            accounts, aliases = directory.read(lambda tx: (len(accounts_at(tx, name)), len(aliases_at(tx, name))))
            if accounts or aliases:
                confirm(f"Mail for {name} will be refused: {accounts} accounts, {aliases} aliases. Remove it?", yes=yes)
            directory.change(partial(_remove, name))
    report(invocation, f"Removed {name}.", {"removed": name})


@domain.command(name="list")
@pass_invocation
def list_(invocation: Invocation) -> None:
    """List the domains that mail is kept for.

    Those of the site file, too.
    """
    with open_directory(invocation) as directory:
        domains = directory.read(partial(_listed, directory))
    if invocation.as_json:
        print_json(domains)
        return
    columns = ["Domain", "Kept in", "Alias of", ">Accounts", "Catch-all", "Subaddress", "Quota", "Over quota"]
    print_table(columns, [_row(item) for item in domains], "There are no hosted domains.")


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were given, as `HostedDomain` has them."""
    if "default" in (settings["quota"], settings["quota_messages"]):
        raise click.UsageError('A domain\'s quota is a size or number, or "none".')
    return {key: None if value == "none" else value for key, value in settings.items() if value is not None}


def _add(directory: OpenDirectory, wanted: HostedDomain, catch_all: str | None, tx: Transaction) -> None:
    if wanted.name in directory.site.domains:
        raise DirectoryError(f"{wanted.name} stands in the site file already; it can't be in both")
    if wanted.alias_of is not None:
        _demand_alias(directory, wanted.name, wanted.alias_of, tx)
    add_domain(tx, wanted)
    _refuse_relatives(tx, wanted)
    _set_catch_all(tx, wanted.name, catch_all)


def _demand_alias(directory: OpenDirectory, name: str, alias_of: str, tx: Transaction) -> None:
    """Refuse a domain that can't be an alias of another."""
    meant = directory.domains(tx).get(alias_of)
    if meant is None or meant.alias_of is not None:
        what = "isn't hosted here" if meant is None else f"is an alias itself, of {meant.alias_of}"
        raise DirectoryError(f"{alias_of} {what}")
    _demand_no_alias_of(directory, name, tx)
    if accounts := accounts_at(tx, name):
        raise DirectoryError(f"{accounts[0]} would get no mail any more: remove the accounts at {name} first")
    if aliases := aliases_at(tx, name):
        raise DirectoryError(f"{aliases[0]} would lead nowhere any more: remove the aliases at {name} first")


def _demand_no_alias_of(directory: OpenDirectory, name: str, tx: Transaction) -> None:
    """Refuse what would leave domains without the addresses of another."""
    for other in directory.domains(tx).values():
        if other.alias_of == name:
            raise DirectoryError(f"{other.name} is an alias of {name}; change that first")


def _set(directory: OpenDirectory, name: str, given: Mapping[str, Any], catch_all: str | None, tx: Transaction) -> None:
    _demand_in_database(directory, name)
    found = find_domain(tx, name)
    if found is None:
        raise DirectoryError(f"there is no domain {name} in the database")
    if found.alias_of is not None:
        raise DirectoryError(f"{name} is an alias of {found.alias_of}, which has the settings")
    changed = replace(found, **given)
    change_domain(tx, changed)
    _refuse_relatives(tx, changed)
    _set_catch_all(tx, name, catch_all)


def _remove(name: str, tx: Transaction) -> None:
    remove_domain(tx, name)
    remove_aliases_at(tx, name)


def _leave_to_site_file(name: str, tx: Transaction) -> None:
    """Remove a domain that stands in both places; its aliases are the site file's domain's from then on."""
    if find_domain(tx, name) is None:
        raise DirectoryError(f"{name} stands in the site file; change it there")
    remove_domain(tx, name)


def _demand_in_database(directory: OpenDirectory, name: str) -> None:
    if name in directory.site.domains:
        raise DirectoryError(f"{name} stands in the site file; change it there")


def _refuse_relatives(tx: Transaction, domain: HostedDomain) -> None:
    """Refuse what would make accounts of a domain subaddresses of one another: they could send as each other."""
    for address, base in subaddressed(domain, tx):
        raise DirectoryError(f"{address} would be a subaddress of the account {base}")


def _set_catch_all(tx: Transaction, name: str, catch_all: str | None) -> None:
    if catch_all is None:
        return
    if find_alias(tx, (f"@{name}", f"@{name}")) is not None:
        remove_targets(tx, (f"@{name}", f"@{name}"))
    if catch_all != "none":
        try:
            add_targets(tx, [make_alias(f"@{name}", [catch_all], name)])
        except ValueError as error:
            raise DirectoryError(f"--catch-all: {error}") from error


def _oddities(directory: OpenDirectory, name: str, tx: Transaction) -> list[str]:
    """Return what is odd about the catch-all of a domain."""
    found = find_alias(tx, (f"@{name}", f"@{name}"))
    return [] if found is None else oddities(directory, [found], tx)


def _listed(directory: OpenDirectory, tx: Transaction) -> list[dict[str, Any]]:
    numbers = accounts_by_domain(tx)
    in_database = {item.name for item in list_domains(tx)}
    of_site = site_domains(directory.site.domains)
    return [
        _as_object(item, numbers.get(item.name, 0), _catch_alls(of_site, tx, item.name), item.name in in_database)
        for item in sorted(directory.domains(tx).values(), key=lambda item: item.name)
    ]


def _catch_alls(of_site: SiteDomains, tx: Transaction, name: str) -> list[str]:
    """Return where the catch-all of a domain leads, in the site file and in the database."""
    found = [*of_site.aliases(f"@{name}"), find_alias(tx, (f"@{name}", f"@{name}"))]
    return [target for alias in found if alias is not None for target in alias.targets]


def _as_object(item: HostedDomain, accounts: int, catch_all: list[str], in_database: bool) -> dict[str, Any]:
    kept_in: Literal["database", "site file"] = "database" if in_database else "site file"
    return {
        "domain": item.name,
        "kept_in": kept_in,
        "alias_of": item.alias_of,
        "accounts": accounts,
        "catch_all": catch_all,
        "subaddress": item.subaddress,
        "case_sensitive": item.case_sensitive,
        "quota": item.quota,
        "quota_messages": item.quota_messages,
        "over_quota": item.over_quota,
    }


def _row(item: Mapping[str, Any]) -> list[str]:
    alias = item["alias_of"] is not None
    return [
        item["domain"],
        item["kept_in"],
        item["alias_of"] or "",
        str(item["accounts"]),
        " ".join(item["catch_all"]),
        "" if alias else item["subaddress"],
        quota_text(item["quota"], item["quota_messages"]),
        "" if alias else item["over_quota"],
    ]
