"""Finds body files that no row names: what a crash, or a commit that failed, has left behind."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from twistedmail_mta.store.disk import Disk, in_use
from twistedmail_mta.store.holding import leave_to_remove


def directories(root: Path) -> list[str]:
    """Return the names of the directories of bodies, oldest first."""
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir())


def old_bodies(root: Path, directory: str, before: float) -> list[str]:
    """Return the bodies in a directory that were last written before that time."""
    try:
        paths = list((root / directory).iterdir())
    except FileNotFoundError:
        return []
    return sorted(f"{directory}/{path.name}" for path in paths if _written_before(path, before))


def unlink_unused(disk: Disk, root: Path, names: Iterable[str]) -> int:
    """Unlink bodies unless a living process still writes them, or holds all of them; return how many."""
    with leave_to_remove(root) as may:
        return _unlink(disk, root, names) if may else 0


def _unlink(disk: Disk, root: Path, names: Iterable[str]) -> int:
    unlinked = 0
    for name in names:
        try:
            if in_use(root / name):
                continue
        except FileNotFoundError:
            continue
        disk.unlink(root / name)
        unlinked += 1
    return unlinked


def remove_if_empty(root: Path, directory: str, before: float) -> None:
    """Remove a directory in which nothing is and nothing has changed since that time."""
    path = root / directory
    try:
        if path.stat().st_mtime < before:
            path.rmdir()
    except OSError:  # not empty, or gone
        return


def _written_before(path: Path, time: float) -> bool:
    try:
        return path.stat().st_mtime < time
    except FileNotFoundError:
        return False
