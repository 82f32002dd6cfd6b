"""Long work beside a server: the processor is the server's first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

_NICE: Final = 10


@contextmanager
def behind_the_server() -> Iterator[None]:
    """Run at a lower priority as long as the context lasts; who isn't root stays at it."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, max(before, _NICE))
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)
