"""`mta account list` and `show`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import click

from twistedmail_mta.cli.hosting import OpenDirectory, as_account, names_of, open_directory, quota_text
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_json_list, print_table
from twistedmail_mta.config.units import format_size
from twistedmail_mta.directory.accounts import Account, DirectoryError
from twistedmail_mta.directory.alias_rows import aliases_to
from twistedmail_mta.directory.aliases import shown
from twistedmail_mta.directory.domains import HostedDomain
from twistedmail_mta.directory.limits import limits_of
from twistedmail_mta.directory.quotas import usage_of
from twistedmail_mta.directory.tables import find_account, list_accounts
from twistedmail_mta.interfaces import Transaction

_PAGE: Final = 1000
_OVER: Final = {"defer": "deferred", "reject": "refused for good"}


@click.command(name="list")
@pass_invocation
def list_(invocation: Invocation) -> None:
    """List the accounts, with what they hold and may hold."""
    with open_directory(invocation) as directory:
        if invocation.as_json:
            print_json_list(_all(directory))
            return
        rows = [_row(item) for item in _all(directory)]
    columns = ["Address", "Enabled", "Password", ">Messages", ">Used", "Quota", "May send as, too"]
    print_table(columns, rows, "There are no accounts.")


@click.command()
@click.argument("name", metavar="ADDRESS", callback=as_account)
@pass_invocation
def show(invocation: Invocation, name: str) -> None:
    """Show one account."""
    with open_directory(invocation) as directory:
        item = directory.read(partial(_one, directory, name))
    if invocation.as_json:
        print_json(item)
        return
    for label, text in _lines(item):
        click.echo(f"{label + ':':<18}{text}")


def _all(directory: OpenDirectory) -> Iterator[dict[str, Any]]:
    """Yield every account, a page of them at a time."""

    def page(tx: Transaction, after: str) -> list[dict[str, Any]]:
        return _as_objects(directory, list_accounts(tx, after, _PAGE), tx)

    after = ""
    while items := directory.read(partial(page, after=after)):
        yield from items
        after = items[-1]["address"]


def _one(directory: OpenDirectory, name: str, tx: Transaction) -> dict[str, Any]:
    account = find_account(tx, name)
    if account is None:
        raise DirectoryError(f"there is no account {name}")
    (item,) = _as_objects(directory, [account], tx)
    return item | {"aliases": [shown(alias.address) for alias in aliases_to(tx, names_of(directory, name, tx))]}


def _as_objects(directory: OpenDirectory, accounts: Sequence[Account], tx: Transaction) -> list[dict[str, Any]]:
    domains, usage = directory.domains(tx), usage_of(tx, [account.id for account in accounts])
    return [_as_object(account, domains, *usage.get(account.id, (0, 0))) for account in accounts]


def _as_object(account: Account, domains: Mapping[str, HostedDomain], octets: int, messages: int) -> dict[str, Any]:
    domain = domains.get(account.address.rpartition("@")[2])
    limits = limits_of(account.quota, account.quota_messages, domain)
    return {
        "address": account.address,
        "enabled": account.enabled,
        "hosted": domain is not None,
        "external": not account.has_password,
        "protocols": sorted(account.protocols),
        "send_as": list(account.send_as),
        "octets": octets,
        "messages": messages,
        "quota": limits.octets,
        "quota_messages": limits.messages,
        "over_quota": limits.over_quota,
        "created_at": account.created_at,
    }


def _row(item: Mapping[str, Any]) -> list[str]:
    return [
        item["address"],
        "yes" if item["enabled"] else "no",
        "external" if item["external"] else "kept here",
        str(item["messages"]),
        format_size(item["octets"]),
        quota_text(item["quota"], item["quota_messages"]),
        " ".join(item["send_as"]),
    ]


def _lines(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Address", item["address"]
    yield "Enabled", "yes" if item["enabled"] else "no: it can't log in and takes no mail"
    yield "Mail", "kept here" if item["hosted"] else "none: its domain isn't hosted here"
    yield "Password", "kept by another checker" if item["external"] else "kept here"
    yield "May log in to", " ".join(item["protocols"])
    yield "May send as, too", " ".join(item["send_as"]) or "nobody"
    yield "Holds", f"{item['messages']} messages, {format_size(item['octets'])}"
    quota = quota_text(item["quota"], item["quota_messages"])
    yield "Quota", f"{quota}; what is more is {_OVER[item['over_quota']]}" if quota else "none"
    yield "Aliases", " ".join(item["aliases"]) or "none"
    yield "Added", f"{datetime.fromtimestamp(item['created_at'], UTC):%Y-%m-%d %H:%M} UTC"
