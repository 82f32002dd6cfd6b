"""Where aliases lead, looked at while they are made: operators hear of what would get no mail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import click

from twistedmail_mta.cli.hosting import OpenDirectory
from twistedmail_mta.directory.aliases import Alias, shown, target_address
from twistedmail_mta.directory.expansion import DISABLED, NO_SUCH_ADDRESS, Places, Walk
from twistedmail_mta.directory.site_domains import site_domains
from twistedmail_mta.directory.tables import find_account
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.model import Address, Expansion, Reply

_WARNINGS: Final = 20
_SAID: Final = {NO_SUCH_ADDRESS: "is no address here", DISABLED: "is disabled"}


def oddities(directory: OpenDirectory, aliases: Iterable[Alias], tx: Transaction) -> list[str]:
    """Return which targets of aliases get no mail, and why."""
    where, found = places(directory, tx), list[str]()
    for item in aliases:
        for target in map(target_address, item.targets):
            if target == item.own_address and find_account(tx, item.folded) is None:
                found.append(f"{shown(item.address)} leads to itself, and there is no account of that name")
            refusal, problem = followed(target, where, tx)
            if isinstance(refusal, Reply) and target != item.own_address:
                found.append(f"{shown(item.address)} leads to {target}, which {problem or _SAID[refusal]}")
    return found


def eclipsed(directory: OpenDirectory, name: str, tx: Transaction) -> list[str]:
    """Return what to say of an account whose mail goes where an alias of its name leads, and not to it."""
    account, where = find_account(tx, name), places(directory, tx)
    local, _, domain = name.rpartition("@")
    if account is None or not account.enabled or domain not in where.domains:
        return []
    found, _ = followed(Address(local, domain), where, tx)
    if isinstance(found, Expansion) and account.id in (delivery.account for delivery in found.deliveries):
        return []
    return [
        f"mail to {name} goes where its alias leads, and not to the account; let it lead to {name}, too, to keep it"
    ]


def places(directory: OpenDirectory, tx: Transaction) -> Places:
    """Return where a walk looks beside the database."""
    aliases = site_domains(directory.site.domains).aliases
    return Places(directory.domains(tx), aliases, directory.site.server.admin)


def followed(start: Address, where: Places, tx: Transaction) -> tuple[Expansion | Reply, str]:
    """Return what an address stands for, and what is wrong with it."""
    walk = Walk(start, where)
    while not walk.go_on(tx):
        pass
    return walk.end(), walk.problem


def warn(warnings: Sequence[str]) -> None:
    """Print warnings, the first of many."""
    for warning in warnings[:_WARNINGS]:
        click.echo(f"Warning: {warning}", err=True)
    if len(warnings) > _WARNINGS:
        click.echo(f"Warning: and {len(warnings) - _WARNINGS} more like these", err=True)
