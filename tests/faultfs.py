"""A file system for tests: SQLite's and the bodies' files, recorded in a journal, failing on demand."""

# ruff: noqa: N802 - names of apsw and Twisted

from __future__ import annotations

import errno
import os
from itertools import count
from pathlib import Path
from typing import Any, Self

import apsw
from power_cut import Journal

from twistedmail_mta.store.disk import OrdinaryDisk

_numbers = count()

_CODES = {
    "write": apsw.SQLITE_IOERR_WRITE,
    "read": apsw.SQLITE_IOERR_READ,
    "sync": apsw.SQLITE_IOERR_FSYNC,
    "open": apsw.SQLITE_CANTOPEN,
    "truncate": apsw.SQLITE_IOERR_TRUNCATE,
}


class Faults:
    """Which operations are to fail, and which were asked for."""

    def __init__(self) -> None:
        self._planned: list[list[Any]] = []
        self.asked: list[str] = []

    def fail(self, operation: str, suffix: str = "", *, after: int = 0, times: int = 1_000_000, code: int = 0) -> None:
        """Let an operation fail.

        Args:
            operation: "open", "read", "write", "truncate", "sync" (also
                "sync_directory", "unlink" and "make_directory" of bodies).
            suffix: what the file's name ends with, such as "-wal".
            after: how many of them still work.
            times: how many fail then.
            code: of SQLite's for its files (by default the operation's
                input/output error), of errno for bodies (EIO).
        """
        self._planned.append([operation, suffix, after, times, code])

    def heal(self) -> None:
        """Let everything work again."""
        self._planned.clear()

    def code(self, operation: str, path: str) -> int | None:
        """Return None when the operation works; else the code planned, 0 for the default."""
        self.asked.append(operation)
        for plan in self._planned:
            if plan[0] == operation and path.endswith(plan[1]):
                plan[2] -= 1
                if plan[2] < 0 and -plan[2] <= plan[3]:
                    return int(plan[4])
        return None


class FaultVFS(apsw.VFS):
    """SQLite's files on the ordinary VFS below, recorded and failing; a context manager.

    The WAL's shared memory is the ordinary one: it is of no use after a crash.
    """

    def __init__(self, journal: Journal | None = None, faults: Faults | None = None) -> None:
        self.name = f"fault{os.getpid()}-{next(_numbers)}"
        self.journal = journal
        self.faults = faults or Faults()
        super().__init__(self.name, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unregister()

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _FaultFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        if self.journal is not None:
            self.journal.record("unlink", filename)
            if syncdir:
                self.journal.record("sync_directory", Path(filename).parent)

    def check(self, operation: str, path: str) -> None:
        code = self.faults.code(operation, path)
        if code is not None:
            raise apsw.exception_for(code or _CODES[operation])

    def record(self, kind: str, path: str, offset: int = 0, content: bytes = b"") -> None:
        if self.journal is not None and path:
            self.journal.record(kind, path, offset, content)


class _FaultFile(apsw.VFSFile):
    def __init__(self, vfs: FaultVFS, name: Any, flags: list[int]) -> None:
        self._vfs = vfs
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        vfs.check("open", self._path)
        # The store itself makes the main file, and syncs its directory.
        is_main = bool(flags[0] & apsw.SQLITE_OPEN_MAIN_DB)
        is_new = bool(self._path) and (
            not Path(self._path).exists() or (is_main and not Path(self._path).stat().st_size)
        )
        super().__init__("", name, flags)
        # SQLite syncs the directory of a journal or WAL with its first sync.
        self._name_pending = is_new and not is_main
        if is_new:
            vfs.record("create", self._path)
            if is_main:
                self._record_directory()

    def _record_directory(self) -> None:
        self._vfs.record("sync_directory", str(Path(self._path).parent))

    def xRead(self, amount: int, offset: int) -> bytes:
        self._vfs.check("read", self._path)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._vfs.check("write", self._path)
        super().xWrite(data, offset)
        self._vfs.record("write", self._path, offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:
        self._vfs.check("truncate", self._path)
        super().xTruncate(newsize)
        self._vfs.record("truncate", self._path, newsize)

    def xSync(self, flags: int) -> None:
        self._vfs.check("sync", self._path)
        super().xSync(flags)
        self._vfs.record("sync", self._path)
        if self._name_pending:
            self._name_pending = False
            self._record_directory()


class FaultDisk:
    """The operations on body files, recorded and failing (`twistedmail_mta.store.disk.Disk`)."""

    def __init__(self, journal: Journal | None = None, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self._journal = journal
        self._disk = OrdinaryDisk()
        self._paths: dict[int, Path] = {}
        self._sizes: dict[int, int] = {}

    def make_directory(self, path: Path) -> bool:
        self._check("make_directory", path)
        made = self._disk.make_directory(path)
        if made:
            self._record("directory", path)
        return made

    def create(self, path: Path) -> int:
        self._check("open", path)
        descriptor = self._disk.create(path)
        self._paths[descriptor], self._sizes[descriptor] = path, 0
        self._record("create", path)
        return descriptor

    def write(self, descriptor: int, octets: bytearray) -> None:
        self._check("write", self._paths[descriptor])
        self._disk.write(descriptor, octets)
        self._record("write", self._paths[descriptor], self._sizes[descriptor], bytes(octets))
        self._sizes[descriptor] += len(octets)

    def sync(self, descriptor: int) -> None:
        self._check("sync", self._paths[descriptor])
        self._disk.sync(descriptor)
        self._record("sync", self._paths[descriptor])

    def sync_directory(self, path: Path) -> None:
        self._check("sync_directory", path)
        self._disk.sync_directory(path)
        self._record("sync_directory", path)

    def close(self, descriptor: int) -> None:
        self._check("close", self._paths.pop(descriptor))
        self._disk.close(descriptor)

    def unlink(self, path: Path) -> None:
        self._check("unlink", path)
        self._disk.unlink(path)
        self._record("unlink", path)

    def _check(self, operation: str, path: Path) -> None:
        code = self.faults.code(operation, str(path))
        if code is not None:
            raise OSError(code or errno.EIO, os.strerror(code or errno.EIO))

    def _record(self, kind: str, path: Path, offset: int = 0, content: bytes = b"") -> None:
        if self._journal is not None and path != self._journal.root.parent:
            self._journal.record(kind, path, offset, content)
