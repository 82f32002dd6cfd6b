"""Whether the files of large bodies are there, and can be read; and whether there are others."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.keeping.copying import blocks, open_source
from twistedmail_mta.keeping.fault import Fault, Faults, Repair
from twistedmail_mta.spool.sweep import LONGEST_TRANSACTION
from twistedmail_mta.store import sweep
from twistedmail_mta.store.disk import OrdinaryDisk, in_use

_FILES: Final = "SELECT file, size FROM body WHERE file IS NOT NULL ORDER BY file"
_NAMED: Final = "SELECT file FROM body WHERE file >= ? AND file < ? ORDER BY file"
_AFTER_SLASH: Final = "0"
"""The character behind "/"."""


def files(tx: Transaction, root: Path, advance: Callable[[int], None], *, reads: bool) -> Faults:
    """Yield what is wrong with the files that rows name.

    Args:
        tx: reads the rows.
        root: the directory of bodies.
        advance: told of the octets looked at.
        reads: all of each is read; else it is only looked at.
    """
    for name, size in tx.execute(_FILES):
        problem = _problem(root / name, size, reads=reads)
        advance(size)
        if problem is not None:
            yield Fault("file.unreadable", f"{root.name}/{name}", problem)


def _problem(path: Path, size: int, *, reads: bool) -> str | None:
    try:
        with open_source(path) as file:
            found = os.fstat(file.fileno()).st_size
            if reads:
                found = sum(len(block) for block in blocks(file))
    except OSError as error:
        return error.strerror or str(error)
    return None if found == size else f"has {found} octets, not {size}"


def orphans(tx: Transaction, root: Path, now: Callable[[], float] = time.time) -> Faults:
    """Yield the files that no row names, and that aren't so young that one may be on the way."""
    before = now() - LONGEST_TRANSACTION
    for directory in _directories(root):
        named = {name for (name,) in tx.execute(_NAMED, (f"{directory}/", f"{directory}{_AFTER_SLASH}"))}
        for name in sweep.old_bodies(root, directory, before):
            if name not in named and not _is_written(root / name):
                unlink = partial(_unlink, root=root, name=name)
                yield Fault("file.orphan", f"{root.name}/{name}", "no row names it", Repair("remove it", unlink))


def _directories(root: Path) -> Iterator[str]:
    try:
        yield from sweep.directories(root)
    except FileNotFoundError:
        return


def _is_written(path: Path) -> bool:
    try:
        return in_use(path)
    except OSError:
        return True


def _unlink(tx: Transaction, root: Path, name: str) -> None:
    """Remove a file, unless a row names it by now."""
    if not list(tx.execute("SELECT 1 FROM body WHERE file = ?", (name,))):
        sweep.unlink_unused(OrdinaryDisk(), root, [name])
