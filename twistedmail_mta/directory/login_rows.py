"""What logins that go on rest on, in the database: plain functions on a transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from twistedmail_mta.directory.accounts import Standing
from twistedmail_mta.interfaces import Transaction


def changes_of_logins(transaction: Transaction) -> int:
    """Return a number that every change raises which may end a login."""
    ((number,),) = list(transaction.execute("SELECT number FROM login_changes"))
    return int(number)


def good_standings(transaction: Transaction, accounts: Iterable[int]) -> Mapping[int, frozenset[Standing]]:
    """Return what logins to accounts can rest on now; an account that is disabled or gone is left out.

    Args:
        transaction: where.
        accounts: ids, some hundreds at most.
    """
    rows = transaction.execute(
        "SELECT id, credential_version, protocols FROM accounts"
        " WHERE enabled AND id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(accounts)),),
    )
    return {
        account: frozenset(Standing(account, version, protocol) for protocol in protocols.split(" "))
        for account, version, protocols in rows
    }
