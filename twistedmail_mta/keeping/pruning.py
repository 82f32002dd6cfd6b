"""Removes old backups, and the bodies that no other has."""

from __future__ import annotations

import heapq
import shutil
from collections.abc import Iterator, Sequence
from itertools import groupby, takewhile
from pathlib import Path

from twistedmail_mta.keeping.layout import BODIES, MANIFEST, TO_BODIES, UNFINISHED, Backup, names, read_backup, remains
from twistedmail_mta.keeping.sums import NAME as SUMS
from twistedmail_mta.keeping.sums import Sum, read_sums
from twistedmail_mta.keeping.target import Target


def prune(target: Target, keep: int) -> list[str]:
    """Remove all but the latest backups; return the names of those that went.

    Args:
        target: begun by nobody.
        keep: how many stay; at least 1.

    Raises:
        DamagedError: one that stays is damaged, so nobody knows which bodies it needs; nothing was removed.
        TargetBusy: a backup is being written there.
        OSError: something can't be removed.
    """
    with target.begun(), target.open():
        directory = target.directory
        shutil.rmtree(directory / UNFINISHED)
        old, kept = names(directory)[:-keep], names(directory)[-keep:]
        if not old:
            return []
        staying = [read_backup(directory / name) for name in kept]
        for name in old:
            (directory / name / MANIFEST).unlink()  # from here on it is none
        for name in remains(directory):
            shutil.rmtree(directory / name)
        _remove_bodies(directory, staying)
        return old


def _remove_bodies(directory: Path, staying: Sequence[Backup]) -> None:
    needed = groupby(_bodies_of(staying), key=lambda name: name.partition("/")[0])
    hour, wanted = next(needed, (None, iter(())))
    for folder in sorted(path.name for path in (directory / BODIES).iterdir() if path.is_dir()):
        while hour is not None and hour < folder:
            hour, wanted = next(needed, (None, iter(())))
        kept = {name.partition("/")[2] for name in wanted} if hour == folder else set()
        _remove_all_but(kept, directory / BODIES / folder)


def _bodies_of(backups: Sequence[Backup]) -> Iterator[str]:
    """Yield the bodies that backups have, in order."""
    lists = (
        (each.path.removeprefix(TO_BODIES) for each in takewhile(_is_body, read_sums(backup.path / SUMS)))
        for backup in backups
    )
    return iter(heapq.merge(*lists))


def _is_body(each: Sum) -> bool:
    # They stand first: nothing else begins with a dot.
    return each.path.startswith(TO_BODIES)


def _remove_all_but(kept: set[str], folder: Path) -> None:
    for path in list(folder.iterdir()):
        if path.name not in kept:
            path.unlink()
    if not kept:
        folder.rmdir()
