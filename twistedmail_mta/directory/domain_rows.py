"""The rows of hosted domains: plain functions on a transaction, for the server and the commands alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.directory.domains import HostedDomain
from twistedmail_mta.interfaces import Transaction

_COLUMNS: Final = "name, alias_of, subaddress, case_sensitive, quota, quota_messages, over_quota"
_DOMAINS: Final = f"SELECT {_COLUMNS} FROM domains"  # noqa: S608 - constant


def list_domains(transaction: Transaction) -> Sequence[HostedDomain]:
    """Return the domains of the database, by name."""
    return [_domain(row) for row in transaction.execute(f"{_DOMAINS} ORDER BY name")]


def read_directory(transaction: Transaction) -> tuple[int, Sequence[HostedDomain]]:
    """Return how often domains, aliases or accounts were changed, and the domains as of then."""
    ((number,),) = list(transaction.execute("SELECT number FROM directory_changes"))
    return number, list_domains(transaction)


def find_domain(transaction: Transaction, name: str) -> HostedDomain | None:
    """Return a domain of the database, or None."""
    rows = list(transaction.execute(f"{_DOMAINS} WHERE name = ?", (name,)))
    return _domain(rows[0]) if rows else None


def add_domain(transaction: Transaction, domain: HostedDomain) -> None:
    """Add a domain.

    Raises:
        DirectoryError: it is there already.
    """
    if find_domain(transaction, domain.name) is not None:
        raise DirectoryError(f"the domain {domain.name} is there already")
    transaction.execute(
        f"INSERT INTO domains ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constant
        (domain.name, *_values(domain)),
    )


def change_domain(transaction: Transaction, domain: HostedDomain) -> None:
    """Give the domain of that name other settings.

    Raises:
        DirectoryError: there is none.
    """
    transaction.execute(
        "UPDATE domains SET alias_of = ?, subaddress = ?, case_sensitive = ?, quota = ?, quota_messages = ?,"
        " over_quota = ? WHERE name = ?",
        (*_values(domain), domain.name),
    )
    _demand_change(transaction, domain.name)


def remove_domain(transaction: Transaction, name: str) -> None:
    """Remove a domain; its accounts and aliases stay where they are.

    Raises:
        DirectoryError: there is none.
    """
    transaction.execute("DELETE FROM domains WHERE name = ?", (name,))
    _demand_change(transaction, name)


def _domain(row: tuple[Any, ...]) -> HostedDomain:
    name, alias_of, subaddress, case_sensitive, *quotas = row
    return HostedDomain(name, alias_of, subaddress, bool(case_sensitive), *quotas)


def _values(domain: HostedDomain) -> tuple[str | int | None, ...]:
    return (
        domain.alias_of,
        domain.subaddress,
        domain.case_sensitive,
        domain.quota,
        domain.quota_messages,
        domain.over_quota,
    )


def _demand_change(transaction: Transaction, name: str) -> None:
    """Refuse when the statement before changed nothing."""
    if not transaction.changes():
        raise DirectoryError(f"there is no domain {name} in the database")
