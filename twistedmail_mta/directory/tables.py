"""The rows of accounts: plain functions on a transaction, for the server and the commands alike.

Names and patterns are given in the spelling of `account_name` and
`parse_pattern`, and a password as `PasswordHash.store` returned it, or None
where another checker judges: whoever calls has done all computing before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from twistedmail_mta.directory.accounts import PROTOCOLS, Account, DirectoryError
from twistedmail_mta.directory.passwords import StoredPassword
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.sasl.scram_keys import ScramKeys

_ACCOUNT: Final = (
    "SELECT id, address, enabled, protocols, credential_version, created_at,"
    " (SELECT group_concat(pattern, ' ' ORDER BY pattern) FROM send_as WHERE account = accounts.id),"
    " password_hash IS NOT NULL, quota, quota_messages"
)
_WIDTH: Final = 10


def find_account(transaction: Transaction, name: str) -> Account | None:
    """Return the account of that name, or None."""
    rows = list(transaction.execute(_ACCOUNT + " FROM accounts WHERE address = ?", (name,)))
    return _account(rows[0]) if rows else None


def find_login(transaction: Transaction, name: str) -> tuple[Account, StoredPassword | None] | None:
    """Return the account of that name with what is kept of its password, if anything; or None."""
    columns = ", password_hash, scram_salt, scram_iterations, scram_stored_key, scram_server_key"
    rows = list(transaction.execute(_ACCOUNT + columns + " FROM accounts WHERE address = ?", (name,)))
    return (_account(rows[0][:_WIDTH]), _password(*rows[0][_WIDTH:])) if rows else None


def list_accounts(transaction: Transaction, after: str = "", limit: int = 1000) -> Sequence[Account]:
    """Return the next accounts in the order of their names, those behind the name `after`."""
    rows = transaction.execute(_ACCOUNT + " FROM accounts WHERE address > ? ORDER BY address LIMIT ?", (after, limit))
    return [_account(row) for row in rows]


def account_quotas(
    transaction: Transaction, accounts: Iterable[int]
) -> Sequence[tuple[int, str, int | None, int | None]]:
    """Return id, name and own quotas, in octets and messages, of accounts by id."""
    return list(
        transaction.execute(
            "SELECT id, address, quota, quota_messages FROM accounts WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(accounts)),),
        )
    )


def add_account(  # noqa: PLR0913, PLR0917 - what a row holds
    transaction: Transaction,
    name: str,
    password: StoredPassword | None,
    created_at: float,
    protocols: Iterable[str] = PROTOCOLS,
    separators: str = "+",
) -> None:
    """Add an account, enabled and without patterns.

    Args:
        transaction: where.
        name: the address.
        password: None where another checker judges.
        created_at: seconds since the epoch.
        protocols: what it may log in to.
        separators: characters that set off subaddresses in its domain.

    Raises:
        DirectoryError: there is an account of that name already, or one of
            which this would be a subaddress, or the other way round: the two
            could send as one another.
    """
    _refuse_relatives(transaction, name, separators)
    transaction.execute(
        "INSERT INTO accounts (address, enabled, protocols, credential_version, password_hash, scram_salt,"
        " scram_iterations, scram_stored_key, scram_server_key, created_at) VALUES (?, 1, ?, 1, ?, ?, ?, ?, ?, ?)",
        (name, _joined(protocols), *_columns(password), created_at),
    )


def remove_account(transaction: Transaction, name: str) -> None:
    """Remove an account; it can't log in any more from then on.

    Raises:
        DirectoryError: there is none of that name.
    """
    transaction.execute("DELETE FROM send_as WHERE account = (SELECT id FROM accounts WHERE address = ?)", (name,))
    transaction.execute("DELETE FROM accounts WHERE address = ?", (name,))
    _demand_change(transaction, name)


def set_password(transaction: Transaction, name: str, password: StoredPassword | None) -> None:
    """Change the password, or leave judging it to another checker; every login with the old one ends.

    Raises:
        DirectoryError: there is no account of that name.
    """
    transaction.execute(
        "UPDATE accounts SET credential_version = credential_version + 1, password_hash = ?, scram_salt = ?,"
        " scram_iterations = ?, scram_stored_key = ?, scram_server_key = ? WHERE address = ?",
        (*_columns(password), name),
    )
    _demand_change(transaction, name)


def change_account(
    transaction: Transaction,
    name: str,
    enabled: bool | None = None,
    protocols: Iterable[str] | None = None,
    send_as: Iterable[str] | None = None,
) -> None:
    """Change what is given and leave what is None.

    Args:
        transaction: where.
        name: whose.
        enabled: whether the account can be used at all.
        protocols: what it may log in to.
        send_as: its patterns, in place of those it had.

    Raises:
        DirectoryError: there is no account of that name.
    """
    transaction.execute(
        "UPDATE accounts SET enabled = coalesce(?, enabled), protocols = coalesce(?, protocols) WHERE address = ?",
        (enabled, None if protocols is None else _joined(protocols), name),
    )
    _demand_change(transaction, name)
    if send_as is not None:
        transaction.execute("DELETE FROM send_as WHERE account = (SELECT id FROM accounts WHERE address = ?)", (name,))
        _insert_send_as(transaction, name, send_as)


def change_quotas(
    transaction: Transaction, name: str, quotas: Mapping[Literal["quota", "quota_messages"], int | None]
) -> None:
    """Change the quotas that are given.

    Args:
        transaction: where.
        name: whose.
        quotas: in octets and messages; None: what the domain says; 0: no limit.

    Raises:
        DirectoryError: there is no account of that name.
    """
    columns = ", ".join(f"{column} = ?" for column in quotas)
    transaction.execute(f"UPDATE accounts SET {columns} WHERE address = ?", (*quotas.values(), name))  # noqa: S608 - our names
    _demand_change(transaction, name)


def accounts_at(transaction: Transaction, domain: str) -> Sequence[str]:
    """Return the names of the accounts at a domain, in order."""
    rows = transaction.execute(
        "SELECT address FROM accounts WHERE substr(address, -length(?1) - 1) = '@' || ?1 ORDER BY address", (domain,)
    )
    return [address for (address,) in rows]


def accounts_by_domain(transaction: Transaction) -> Mapping[str, int]:
    """Return how many accounts there are at each domain that has any."""
    rows = transaction.execute("SELECT substr(address, instr(address, '@') + 1), count(*) FROM accounts GROUP BY 1")
    return {domain: number for domain, number in rows}  # noqa: C416 - rows of any width, says their type


def renew_password(transaction: Transaction, account: Account, old_hash: str, new: StoredPassword) -> None:
    """Store the same password anew, unless it was changed meanwhile; logins stay remembered."""
    transaction.execute(
        "UPDATE accounts SET password_hash = ?, scram_salt = ?, scram_iterations = ?, scram_stored_key = ?,"
        " scram_server_key = ? WHERE id = ? AND password_hash = ?",
        (*_columns(new), account.id, old_hash),
    )


def _account(row: tuple[Any, ...]) -> Account:
    number, address, enabled, protocols, version, created_at, send_as, has_password, quota, quota_messages = row
    return Account(
        id=number,
        address=address,
        enabled=bool(enabled),
        protocols=frozenset(protocols.split(" ")) if protocols else frozenset(),
        credential_version=version,
        send_as=tuple(send_as.split(" ")) if send_as else (),
        created_at=created_at,
        has_password=bool(has_password),
        quota=quota,
        quota_messages=quota_messages,
    )


def _password(hashed: str | None, salt: bytes | None, *keys: Any) -> StoredPassword | None:  # noqa: ANN401 - of a row
    if hashed is None:
        return None
    return StoredPassword(hashed, None if salt is None else ScramKeys(salt, *keys))


def _columns(
    password: StoredPassword | None,
) -> tuple[str | None, bytes | None, int | None, bytes | None, bytes | None]:
    if password is None:
        return None, None, None, None, None
    keys = password.scram
    if keys is None:
        return password.hash, None, None, None, None
    return password.hash, keys.salt, keys.iterations, keys.stored_key, keys.server_key


def _joined(protocols: Iterable[str]) -> str:
    return " ".join(sorted(set(protocols)))


def _refuse_relatives(transaction: Transaction, name: str, separators: str) -> None:
    """Refuse a name that is taken, a subaddress of an account, or one that has subaddresses as accounts."""
    local, _, domain = name.rpartition("@")
    bases = [name, *(f"{local[:place]}@{domain}" for place, letter in enumerate(local) if letter in separators)]
    below = " OR ".join(["address > ? AND address < ?"] * len(separators)) or "0"
    ranges = [end for letter in separators for end in (local + letter, local + chr(ord(letter) + 1))]
    found = transaction.execute(
        f"SELECT address FROM accounts WHERE address IN ({', '.join('?' * len(bases))})"  # noqa: S608 - question marks
        f" UNION ALL SELECT address FROM accounts WHERE ({below}) AND substr(address, -length(?)) = ?",
        (*bases, *ranges, f"@{domain}", f"@{domain}"),
    )
    for (address,) in list(found):
        if address == name:
            raise DirectoryError(f"there is an account {name} already")
        raise DirectoryError(f"{name} and the account {address} would be subaddresses of one another")


def _insert_send_as(transaction: Transaction, name: str, patterns: Iterable[str]) -> None:
    transaction.executemany(
        "INSERT OR IGNORE INTO send_as (account, pattern) SELECT id, ? FROM accounts WHERE address = ?",
        [(pattern, name) for pattern in patterns],
    )


def _demand_change(transaction: Transaction, name: str) -> None:
    """Refuse when the statement before changed nothing."""
    if not transaction.changes():
        raise DirectoryError(f"there is no account {name}")
