"""Where a site whose ports can't be 0 may listen: what leads to free ports when it is added to the usual ones."""

from __future__ import annotations

import os
import socket
from typing import Final

PORTS: Final = (25, 80, 465, 587, 993, 995)
_LEAST, _MOST, _STEP = 10_000, 31_000, 1_100
"""Below the ports that systems give to clients."""


def free_base() -> int:
    """Return that number; processes that look at the same time begin in different places."""
    start = _LEAST + os.getpid() % _STEP
    for base in range(start, _MOST, _STEP):
        if all(_is_free(base + port) for port in PORTS):
            return base
    raise AssertionError("no ports are free")


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
