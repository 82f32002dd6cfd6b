"""Directories and files of somebody else, read without following any symbolic link."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO, Final

from twistedmail_mta.store.owner import Access

_NO_LINK: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


class Directory:
    """A directory that stays open as long as this is used, whatever is put in its place.

    Everything is reached from the directory that the operator named, a level
    at a time: so whoever owns it can't have files read that lie elsewhere.

    Attributes:
        path: for messages.
    """

    def __init__(self, path: Path, above: Directory | None = None, access: Access = nullcontext) -> None:
        """Open it.

        Args:
            path: where it is.
            above: the directory that it is in; None where `path` may lead through links.
            access: in which all below is opened.

        Raises:
            OSError: there is none, or it is a link.
        """
        self.path = path
        self._access = access
        self._descriptor = -1
        if above is None:
            with access():
                self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        else:
            self._descriptor = above._open(path.name, os.O_DIRECTORY)  # noqa: SLF001 - its own kind

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def below(self, name: str) -> Directory:
        """Open a directory in it.

        Raises:
            OSError: there is none, or it is a link.
        """
        return Directory(self.path / name, self, self._access)

    def has(self, name: str) -> bool:
        """Return whether there is a directory of that name, and no link."""
        try:
            self.below(name)
        except OSError:
            return False
        return True

    def entries(self) -> Iterator[os.DirEntry[str]]:
        """Yield what is in it.

        Raises:
            OSError: it can't be read.
        """
        with os.scandir(self._descriptor) as entries:
            yield from entries

    def file(self, name: str) -> BinaryIO:
        """Open a regular file in it, which may belong to somebody else only where we need no `access` to read it.

        Raises:
            OSError: there is none, or it is something else.
        """
        descriptor = self._open(name, os.O_NONBLOCK)
        status = os.fstat(descriptor)
        problem = None
        if not stat.S_ISREG(status.st_mode):
            problem = "not a regular file"
        elif self._access is not nullcontext and status.st_uid != os.fstat(self._descriptor).st_uid:
            problem = "it doesn't belong to the owner of its directory"
        if problem is not None:
            os.close(descriptor)
            raise OSError(errno.EINVAL, problem, str(self.path / name))
        return os.fdopen(descriptor, "rb")

    def modified_at(self, name: str) -> int:
        """Return when a file in it was last written, in seconds since the epoch.

        Raises:
            OSError: there is none.
        """
        with self._access():
            return int(os.stat(name, dir_fd=self._descriptor, follow_symlinks=False).st_mtime)

    def _open(self, name: str, flags: int) -> int:
        try:
            with self._access():
                return os.open(name, _NO_LINK | flags, dir_fd=self._descriptor)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path / name)) from None
