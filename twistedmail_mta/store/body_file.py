"""One large body on its way to its file: steps that run on the I/O threads."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.store.disk import Disk
from twistedmail_mta.store.replies import STORE_FAILED

_CLOSED: Final = -1


class Directories:
    """The directories of the body store, made when their first file comes.

    A directory's name is on disk before its first file is.  One that another
    process has made may not be there yet, so each process sees to that itself.
    """

    def __init__(self, disk: Disk, root: Path, *, makes: bool = True) -> None:
        """Keep directories under `root`, which is made if need be, unless `makes` says otherwise."""
        self.root = root
        self._disk = disk
        self._durable: set[Path] = set()
        if makes:
            self.make(root)

    def make(self, path: Path) -> None:
        """Make a directory unless it is there; its name is on disk when this returns."""
        if path in self._durable and path.is_dir():
            return
        self._disk.make_directory(path)
        self._disk.sync_directory(path.parent)
        self._durable.add(path)


class BodyFile:
    """A file that is appended to in steps and then made durable, or abandoned.

    The steps come one after the other, but `abandon` may run beside any of
    them, on another thread: a lock keeps it from unlinking too early.
    """

    def __init__(self, disk: Disk, directories: Directories, name: str) -> None:
        """Name the file; the first step makes it."""
        self.name = name
        self._disk = disk
        self._directories = directories
        self._path = directories.root / name
        self._lock = threading.Lock()
        self._descriptor = _CLOSED
        self._abandoned = False

    def append(self, octets: bytearray) -> None:
        """Write octets at the end.

        Raises:
            OSError: the file is of no use any more.
            TemporaryError: the body was abandoned before.
        """
        with self._lock:
            self._append(octets)

    def finish(self, octets: bytearray) -> None:
        """Write the last octets; file and directory are on disk when this returns.

        Raises:
            OSError: the file is of no use any more.
            TemporaryError: the body was abandoned before.
        """
        with self._lock:
            self._append(octets)
            self._disk.sync(self._descriptor)
            self._close()
            self._disk.sync_directory(self._path.parent)

    def abandon(self) -> None:
        """Close and unlink the file.

        Raises:
            OSError: it couldn't be unlinked; the sweep of orphans will try again.
        """
        with self._lock:
            self._abandoned = True
            self._close()
            self._disk.unlink(self._path)

    def _append(self, octets: bytearray) -> None:
        if self._abandoned:
            raise TemporaryError(STORE_FAILED)
        if self._descriptor == _CLOSED:
            self._directories.make(self._path.parent)
            self._descriptor = self._disk.create(self._path)
        self._disk.write(self._descriptor, octets)

    def _close(self) -> None:
        if self._descriptor != _CLOSED:
            descriptor, self._descriptor = self._descriptor, _CLOSED
            self._disk.close(descriptor)
