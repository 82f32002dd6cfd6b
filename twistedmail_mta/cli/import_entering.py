"""The accounts and aliases of `mta import`, on their way into the database."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from twistedmail_mta.cli.account_import import bring_accounts
from twistedmail_mta.cli.alias import bring_aliases
from twistedmail_mta.cli.hosting import OpenDirectory, open_directory
from twistedmail_mta.cli.site import Invocation
from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.directory.aliases import Alias, shown
from twistedmail_mta.directory.passwords import StoredPassword
from twistedmail_mta.directory.tables import change_account, change_quotas, find_account
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.migrating.draft import Draft, NewAccount

_AT_ONCE: Final = 500
"""Rows written in one transaction."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What came into the database.

    Attributes:
        accounts: that are there now, and weren't before.
        there: that were before, and stay as they were.
        aliases: that are there now.
        refused: why others aren't.
    """

    accounts: int
    there: int
    aliases: int
    refused: tuple[str, ...]


def enter(site_file: Path, draft: Draft) -> Brought:
    """Add what a draft has to the database of a site."""
    accounts, aliases = list(draft.accounts.values()), list(draft.aliases.values())
    new = there = 0
    refused: list[str] = []
    with open_directory(Invocation(str(site_file), as_json=False)) as directory:
        for start in range(0, len(accounts), _AT_ONCE):
            part = accounts[start : start + _AT_ONCE]
            counts, odd = directory.database.write(partial(_add_accounts, directory, part, time.time()))
            new, there = new + counts[0], there + counts[1]
            refused += odd
        for start in range(0, len(aliases), _AT_ONCE):
            refused += directory.database.write(partial(_add_aliases, directory, aliases[start : start + _AT_ONCE]))
        directory.tell_server()
    return Brought(new, there, len(aliases) - sum(each.startswith("alias ") for each in refused), tuple(refused))


def _add_accounts(
    directory: OpenDirectory, wanted: Sequence[NewAccount], now: float, tx: Transaction
) -> tuple[tuple[int, int], list[str]]:
    """Add accounts with what is known of them; those that are there stay as they are."""
    new = [each for each in wanted if find_account(tx, each.name) is None]
    rows = [(each.name, None if each.stored is None else StoredPassword(each.stored, None)) for each in wanted]
    counts, refused = bring_accounts(directory, rows, now, tx)
    for each in new:
        if find_account(tx, each.name) is None:
            continue
        if each.quota is not None:
            change_quotas(tx, each.name, {"quota": each.quota})
        if not each.enabled:
            change_account(tx, each.name, enabled=False)
    return (counts["imported"], counts["there"]), refused


def _add_aliases(directory: OpenDirectory, wanted: Sequence[Alias], tx: Transaction) -> list[str]:
    """Add aliases; return why some weren't."""
    refused: list[str] = []
    for each in wanted:
        try:
            bring_aliases(directory, [each], tx)
        except DirectoryError as error:
            refused.append(f"alias {shown(each.address)} not imported: {error}")
    return refused
