"""Copies files with their hashes; a copy is whole, and on disk, before it has its name."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

BLOCK: Final = 1024 * 1024
PART: Final = ".part"
"""Ends the name of a copy that isn't whole."""

Advance = Callable[[int], None]


def blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yield what is in a file from where it stands."""
    while block := file.read(BLOCK):
        yield block


def open_source(path: Path) -> BinaryIO:
    """Open a regular file for reading; never through a symbolic link, and never something that waits.

    Raises:
        OSError: it can't be read, or is none.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no regular file")
    return os.fdopen(descriptor, "rb", buffering=0)


def digest_of(path: Path, advance: Advance = lambda _: None) -> str:
    """Return the SHA-256 of a file in hexadecimal digits.

    Raises:
        OSError: it can't be read.
    """
    digest = hashlib.sha256()
    with open_source(path) as file:
        for block in blocks(file):
            digest.update(block)
            advance(len(block))
    return digest.hexdigest()


def store(source: BinaryIO, target: Path, mode: int, advance: Advance) -> str:
    """Copy a file; return its SHA-256.

    Args:
        source: where to read.
        target: its place, in a directory that exists; what is there is replaced.
        mode: its permissions.
        advance: told of the octets copied.

    Raises:
        OSError: one of the two can't be had.
    """
    part = target.with_name(target.name + PART)
    part.unlink(missing_ok=True)
    digest = hashlib.sha256()
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        for block in blocks(source):
            digest.update(block)
            file.write(block)
            advance(len(block))
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    part.replace(target)
    return digest.hexdigest()


def make_directory(path: Path) -> None:
    """Make a directory and those above it, for their owner only, unless they are there."""
    if not path.is_dir():
        make_directory(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def sync_directory(path: Path) -> None:
    """Return once the names in a directory are on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
