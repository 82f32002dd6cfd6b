"""A directory of backups, while one is written there."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from twistedmail_mta.keeping.copying import Advance, digest_of, make_directory, store, sync_directory
from twistedmail_mta.keeping.layout import BODIES, MANIFEST, UNFINISHED, Manifest, name_of
from twistedmail_mta.store.owner import Access


class TargetBusy(Exception):
    """Another process writes a backup there."""


class Target:
    """Where a backup goes; what it does there it does by the rights of whoever called.

    Attributes:
        directory: of all backups.
        draft: of the one that is being made.
    """

    def __init__(self, directory: Path, access: Access) -> None:
        self.directory = directory
        self.draft = directory / UNFINISHED
        self._access = access
        self._made: set[Path] = set()

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Make an empty draft; nobody else writes there while the context lasts.

        Raises:
            TargetBusy: somebody does already.
            OSError: it can't be written.
        """
        with self._access():
            make_directory(self.directory)
            descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._lock(descriptor)
            with self._access():
                shutil.rmtree(self.draft, ignore_errors=True)
                make_directory(self.draft)
                make_directory(self.directory / BODIES)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TargetBusy(f"another backup is being written to {self.directory}") from error

    def free_moment(self, now: float) -> float:
        """Return the time by which a backup is named, so that it is the only one of that second."""
        with self._access():
            while (self.directory / name_of(now)).exists():
                now += 1.0
        return now

    @contextmanager
    def open(self) -> Iterator[Path]:
        """Give the draft, and the right to write there."""
        with self._access():
            yield self.draft

    def put(self, source: BinaryIO, path: str, mode: int, advance: Advance) -> str:
        """Copy a file into the draft; return its SHA-256."""
        with self._access():
            target = self.draft / path
            self._make(target.parent)
            return store(source, target, mode, advance)

    def put_body(self, source: BinaryIO, name: str, advance: Advance) -> str:
        """Copy a body to where all backups share it; return its SHA-256."""
        with self._access():
            target = self.directory / BODIES / name
            self._make(target.parent)
            return store(source, target, 0o600, advance)

    def size_of_body(self, name: str) -> int | None:
        """Return how many octets of a body are there; None: there is no such file."""
        with self._access():
            path = self.directory / BODIES / name
            return path.stat().st_size if path.is_file() and not path.is_symlink() else None

    def digest_of_body(self, name: str, advance: Advance) -> str:
        """Return the SHA-256 of a body that is there."""
        with self._access():
            return digest_of(self.directory / BODIES / name, advance)

    def finish(self, manifest: Callable[[], Manifest]) -> Path:
        """Let the draft be a backup; return its directory.

        Args:
            manifest: makes it, once all else is on disk.
        """
        with self._access():
            for each in sorted(self._made, reverse=True):
                sync_directory(each)
            sync_directory(self.directory / BODIES)
            made = manifest()
            path = self.draft / MANIFEST
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(made.text())
                file.flush()
                os.fsync(descriptor)
            sync_directory(self.draft)
            final = self.directory / name_of(made.made_at)
            self.draft.rename(final)
            sync_directory(self.directory)
            return final

    def _make(self, path: Path) -> None:
        if path not in self._made:
            make_directory(path)
            self._made.update((path, *[each for each in path.parents if each.is_relative_to(self.draft)]))
