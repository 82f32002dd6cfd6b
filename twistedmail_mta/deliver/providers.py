"""Which provider an MX host belongs to, by a shipped table."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

_TABLE: Final = Path(__file__).with_name("providers.toml")
_VERSION: Final = 1


class Providers:
    """Finds the provider of MX hosts; the size of the table costs nothing per question."""

    def __init__(self, suffixes: Mapping[str, Iterable[str]]) -> None:
        """Index a table.

        Args:
            suffixes: by provider, the names that stand for themselves and all below them.
        """
        self._owners = {suffix: name for name, owned in suffixes.items() for suffix in owned}
        self.names = frozenset(suffixes)

    def of(self, host: str) -> str | None:
        """Return the provider of a host in lower case; None when nobody knows."""
        return next((self._owners[name] for name in enclosing(host) if name in self._owners), None)

    def of_all(self, hosts: Iterable[str]) -> str | None:
        """Return the provider that all of some hosts belong to; None when there is no such one."""
        owners = {self.of(host) for host in hosts}
        return owners.pop() if len(owners) == 1 else None


@cache
def shipped_providers() -> Providers:
    """Return the table that comes with the program.

    Raises:
        ValueError: it is of another version than this program's.
    """
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    if table["version"] != _VERSION:
        raise ValueError(f"providers.toml has version {table['version']}, not {_VERSION}")
    return Providers(table["providers"])


def enclosing(host: str) -> Iterable[str]:
    """Yield a name and every name above it: "a.b.c", "b.c", "c"."""
    while host:
        yield host
        host = host.partition(".")[2]
