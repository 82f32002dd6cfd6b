"""Keeps body files where they are while somebody copies or counts them, whoever would remove them.

The lock is one of the system's on the bodies' directory, so it ends with the
process that has it, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

POLL: Final = 0.005
PATIENCE: Final = 10.0
"""Seconds to wait for those who remove files just now; each takes milliseconds."""


class HeldError(Exception):
    """Another process holds the bodies already."""


@contextmanager
def holding(root: Path) -> Iterator[None]:
    """Let nobody remove a body file while the context lasts.

    What should have been removed meanwhile is left to the sweep.

    Raises:
        HeldError: another process does the same.
        OSError: there is no such directory.
    """
    descriptor = _opened(root)
    try:
        _wait_for(descriptor)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def leave_to_remove(root: Path) -> Iterator[bool]:
    """Tell whether files may be removed now; nobody holds them while the context lasts, if so."""
    try:
        descriptor = _opened(root)
    except FileNotFoundError:
        yield True
        return
    try:
        yield _taken(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _opened(root: Path) -> int:
    return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _wait_for(descriptor: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while not _taken(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            raise HeldError("the bodies are held by another process: a backup or `mta verify` runs already")
        time.sleep(POLL)


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
