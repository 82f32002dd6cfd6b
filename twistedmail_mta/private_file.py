"""Small files that are written whole: secrets, keys, certificates, what a program remembers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Final

_DRAFT: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
AS_IT_IS: Final = (-1, -1)
"""The user and the group who write it."""


def write_private(path: Path, octets: bytes, mode: int = 0o600, owner: tuple[int, int] = AS_IT_IS) -> None:
    """Write a file for its owner alone, so that it is safe on the disk; blocks.

    Whoever reads it sees all of it or the one before, also after a crash of
    the system.  Nobody can have it written elsewhere by a link, nor read it
    before it has its mode.

    Args:
        path: the file.
        octets: what it holds.
        mode: who else may do what with it.
        owner: the numbers of the user and the group who get it; -1 for whoever writes it.

    Raises:
        OSError: it can't be written; there is nothing left of it.
    """
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, _DRAFT, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            if owner != AS_IT_IS:
                os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def create_private(path: Path) -> BinaryIO:
    """Make a file for its owner alone, to be written bit by bit; what is there goes, and is no link that is followed.

    Raises:
        OSError: it can't be made.
    """
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, _DRAFT, 0o600), "wb")


def _sync(folder: Path) -> None:
    """Have the disk know the names in a folder."""
    descriptor = os.open(folder, _FOLDER)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
