"""The list of all files of a backup with their hashes, as `sha256sum -c` reads it.

Its lines are in the order of their paths, so that lists of any length are
compared line by line, and none is ever in memory as a whole.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Self

NAME: Final = "SHA256SUMS"

_LINE: Final = re.compile(rb"([0-9a-f]{64})  ([^\n]+)\n")


class DamagedError(Exception):
    """A backup isn't what was written; the text says where."""


@dataclass(frozen=True, slots=True, order=True)
class Sum:
    """A file of a backup.

    Attributes:
        path: as the list has it, from the directory that the list is in.
        digest: SHA-256 of what is in it, in hexadecimal digits.
    """

    path: str
    digest: str


class SumsWriter:
    """Writes a list; a context manager.  It is on disk, and counts, when `finish` has returned."""

    def __init__(self, path: Path) -> None:
        """Begin the list at `path`, for its owner only."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._file: BinaryIO = os.fdopen(descriptor, "wb")
        self._hash = hashlib.sha256()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, each: Sum) -> None:
        """Add a file; paths come in their order."""
        line = f"{each.digest}  ".encode() + os.fsencode(each.path) + b"\n"
        self._hash.update(line)
        self._file.write(line)

    def finish(self) -> str:
        """Bring the list to disk; return its own SHA-256."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._hash.hexdigest()


def read_sums(path: Path) -> Iterator[Sum]:
    """Yield the files of a list, in their order.

    Raises:
        DamagedError: it isn't one that was written here.
        OSError: it can't be read.
    """
    before = b""
    with path.open("rb") as file:
        for line in file:
            match = _LINE.fullmatch(line)
            if match is None or match[2] <= before:
                raise DamagedError(f"{path} is damaged")
            before = match[2]
            yield Sum(os.fsdecode(match[2]), match[1].decode())
