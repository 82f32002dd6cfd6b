"""The aliases of one domain, listed in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from twistedmail_mta.directory.aliases import Alias, read_aliases


class AliasFile:
    """Aliases as aliases(5) or virtual(5) write them; `read_aliases` says how.

    Attributes:
        aliases: by their folded addresses; several where case tells them apart.
    """

    def __init__(self, path: Path, domain: str) -> None:
        """Read the file; blocks.

        Raises:
            OSError: the file can't be read.
            ValueError: it can't be understood; the message says where.
        """
        self.aliases = _read(path, domain)


def _read(path: Path, domain: str) -> Mapping[str, tuple[Alias, ...]]:
    found: dict[str, tuple[Alias, ...]] = {}
    text = path.read_text(encoding="utf-8")
    try:
        for alias in read_aliases(text, domain, only_there=True):
            found[alias.folded] = (*found.get(alias.folded, ()), alias)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return found
