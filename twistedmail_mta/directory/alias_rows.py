"""The rows of aliases: plain functions on a transaction, for the server and the commands alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from twistedmail_mta.directory.accounts import DirectoryError, address_key
from twistedmail_mta.directory.aliases import Alias, shown, target_address
from twistedmail_mta.interfaces import Transaction


def find_alias(transaction: Transaction, alias: tuple[str, str]) -> Alias | None:
    """Return an alias, or None.

    Args:
        transaction: where.
        alias: as `alias_key` returns it.
    """
    rows = transaction.execute("SELECT target FROM aliases WHERE folded = ? AND address = ? ORDER BY target", alias)
    targets = tuple(target for (target,) in rows)
    return Alias(*alias, targets) if targets else None


def list_aliases(transaction: Transaction, after: tuple[str, str] = ("", ""), limit: int = 1000) -> Sequence[Alias]:
    """Return the next aliases in the order of their addresses, those behind the alias `after`."""
    rows = transaction.execute(
        "SELECT a.folded, a.address, a.target FROM aliases a JOIN (SELECT DISTINCT folded, address FROM aliases"
        " WHERE (folded, address) > (?, ?) ORDER BY folded, address LIMIT ?) USING (folded, address)"
        " ORDER BY a.folded, a.address, a.target",
        (*after, limit),
    )
    found: dict[tuple[str, str], list[str]] = {}
    for folded, address, target in rows:
        found.setdefault((folded, address), []).append(target)
    return [Alias(*key, tuple(targets)) for key, targets in found.items()]


def aliases_at(transaction: Transaction, domain: str) -> Sequence[str]:
    """Return the addresses of the aliases at a domain, as people type them, in order."""
    rows = transaction.execute(
        "SELECT DISTINCT address FROM aliases WHERE substr(folded, -length(?1) - 1) = '@' || ?1"
        " ORDER BY folded, address",
        (domain,),
    )
    return [shown(address) for (address,) in rows]


def remove_aliases_at(transaction: Transaction, domain: str) -> None:
    """Remove all aliases at a domain, the catch-all too."""
    transaction.execute("DELETE FROM aliases WHERE substr(folded, -length(?1) - 1) = '@' || ?1", (domain,))


def alias_domains(transaction: Transaction) -> set[str]:
    """Return the domains at which there are aliases."""
    return {folded.rpartition("@")[2] for (folded,) in transaction.execute("SELECT DISTINCT folded FROM aliases")}


def aliases_to(transaction: Transaction, names: Collection[str]) -> Sequence[Alias]:
    """Return the aliases that lead to one of some accounts, however its letters are written; it reads all aliases."""
    found, after = list[Alias](), ("", "")
    while page := list_aliases(transaction, after):
        found += [alias for alias in page if any(address_key(target_address(text)) in names for text in alias.targets)]
        after = (page[-1].folded, page[-1].address)
    return found


def add_targets(transaction: Transaction, aliases: Iterable[Alias]) -> None:
    """Let aliases lead to their targets, beside those that they have."""
    transaction.executemany(
        "INSERT OR IGNORE INTO aliases (folded, address, target) VALUES (?, ?, ?)",
        [(alias.folded, alias.address, target) for alias in aliases for target in alias.targets],
    )


def remove_targets(transaction: Transaction, alias: tuple[str, str], targets: Iterable[str] = ()) -> None:
    """Remove targets of an alias, or the whole alias if none are named.

    Args:
        transaction: where.
        alias: as `alias_key` returns it.
        targets: as `Alias.targets` has them.

    Raises:
        DirectoryError: there is no such alias, or it doesn't lead to one of them.
    """
    found = find_alias(transaction, alias)
    if found is None:
        raise DirectoryError(f"there is no alias {shown(alias[1])}")
    wanted = tuple(targets)
    for target in wanted:
        if target not in found.targets:
            raise DirectoryError(f"the alias {shown(alias[1])} doesn't lead to {target}")
    transaction.executemany(
        "DELETE FROM aliases WHERE folded = ? AND address = ? AND target = ?",
        [(*alias, target) for target in wanted or found.targets],
    )
