"""The aliases of one domain, listed in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from twisted.logger import Logger

from twistedmail_mta.directory.aliases import Alias, read_aliases
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.tasks import WorkerPool


class AliasFile:
    """Aliases as aliases(5) or virtual(5) write them; `read_aliases` says how.

    Attributes:
        aliases: by their folded addresses; several where case tells them apart.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(self, path: Path, domain: str) -> None:
        """Read the file; blocks, so before the reactor serves.

        Raises:
            OSError: the file can't be read.
            ValueError: it can't be understood; the message says where.
        """
        self._path = path
        self._domain = domain
        self.aliases = _read(path, domain)

    async def reload(self, threads: WorkerPool) -> None:
        """Read the file again, on a thread; when it can't be used, the old aliases stay."""
        try:
            self.aliases = await threads.run(_read, self._path, self._domain)
        except (OSError, ValueError, TemporaryError) as error:
            self.log.warn(
                "aliases not reloaded, the old ones stay in use: {reason}",
                reason=str(error),
                event="aliases.reload.failed",
            )


def _read(path: Path, domain: str) -> Mapping[str, tuple[Alias, ...]]:
    found: dict[str, tuple[Alias, ...]] = {}
    text = path.read_text(encoding="utf-8")
    try:
        for alias in read_aliases(text, domain, only_there=True):
            found[alias.folded] = (*found.get(alias.folded, ()), alias)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return found
