"""The lock by which a state directory has one server, or one command that can't have a server beside it.

It is the kernel's, so it ends with the process however that ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

LOCK_NAME: Final = "server.lock"


class AlreadyRunningError(Exception):
    """Another server uses the state directory."""


def take_state_dir(state_dir: Path) -> int:
    """Take a state directory for this process; return the descriptor that holds it until it is closed.

    Raises:
        AlreadyRunningError: another process has it.
        OSError: the directory can't be written.
    """
    lock = os.open(state_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise AlreadyRunningError(f"another server is running in {state_dir}") from error
    return lock
