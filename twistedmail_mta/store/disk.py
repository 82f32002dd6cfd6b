"""The few operations on files that bodies need, as one object that tests can replace."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Final, Protocol

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.store.replies import DISK_FULL, STORE_FAILED

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class Disk(Protocol):
    """Blocking operations on files; each raises OSError."""

    def make_directory(self, path: Path) -> bool:
        """Make a directory for its owner only; False when it exists."""

    def create(self, path: Path) -> int:
        """Make a new file for its owner only; the descriptor marks it as in use while it is open."""

    def write(self, descriptor: int, octets: bytearray) -> None:
        """Append all of `octets`."""

    def sync(self, descriptor: int) -> None:
        """Return once the file's content is on disk."""

    def sync_directory(self, path: Path) -> None:
        """Return once the names in a directory are on disk."""

    def close(self, descriptor: int) -> None:
        """Close a file."""

    def unlink(self, path: Path) -> None:
        """Remove a file's name; nothing when it is gone already."""


class OrdinaryDisk:
    """The operating system's."""

    def make_directory(self, path: Path) -> bool:
        """Make a directory for its owner only; False when it exists."""
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            return False
        return True

    def create(self, path: Path) -> int:
        """Make a new file for its owner only, with a lock that says it is in use."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return descriptor

    def write(self, descriptor: int, octets: bytearray) -> None:
        """Append all of `octets`."""
        left = memoryview(octets)
        while left:
            left = left[os.write(descriptor, left) :]

    def sync(self, descriptor: int) -> None:
        """Return once the file's content is on disk."""
        os.fsync(descriptor)

    def sync_directory(self, path: Path) -> None:
        """Return once the names in a directory are on disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a file."""
        os.close(descriptor)

    def unlink(self, path: Path) -> None:
        """Remove a file's name; nothing when it is gone already."""
        path.unlink(missing_ok=True)


def in_use(path: Path) -> bool:
    """Whether a living process still writes the file (it holds the lock that `create` took)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def refusal_for(error: OSError) -> TemporaryError:
    """Return what a client is told of an input or output error."""
    return TemporaryError(DISK_FULL if error.errno in _NO_ROOM else STORE_FAILED)
