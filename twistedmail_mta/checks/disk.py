"""The disk of the state directory: its room, and how fast a write is safe on it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

from twistedmail_mta.checks.finding import Finding
from twistedmail_mta.config.units import format_size
from twistedmail_mta.store.files import BALLAST_SIZE, MARGIN

PLENTY: Final = 2 * 1024 * 1024 * 1024
"""Octets that should be free."""
MOST_WRITES: Final = 20
MOST_SECONDS: Final = 0.5
SLOW: Final = 0.05
"""Seconds that a write may take until it is safe; sessions share it, and 50 ms still are 20 commits a second."""
TOO_FAST: Final = 5e-6
"""Seconds in which nothing reaches any disk: memory takes less."""
_BLOCK: Final = bytes(4096)


def findings_of_disk(state_dir: Path) -> Iterator[Finding]:
    """Look at the room, and measure; a state directory that isn't there yet is judged by what it will lie in."""
    existing = next(folder for folder in (state_dir, *state_dir.parents) if folder.exists())
    status = os.statvfs(existing)
    yield from of_room(existing, status.f_bavail * status.f_frsize)
    if state_dir.is_dir() and os.access(state_dir, os.W_OK | os.X_OK):
        yield of_speed(state_dir, seconds_of_write(state_dir))


def of_room(folder: Path, free: int) -> Iterator[Finding]:
    """Judge octets that are free."""
    path, mend = "server.state_dir", "make room, or put the state directory on a larger disk"
    if free < MARGIN + BALLAST_SIZE:
        text = f"{folder} has {format_size(free)} free: below {format_size(MARGIN)} new mail is refused for now"
        yield Finding("warning", path, text, mend)
    elif free < PLENTY:
        yield Finding("warning", path, f"{folder} has only {format_size(free)} free", mend)


def of_speed(folder: Path, seconds: float) -> Finding:
    """Judge how long a small write takes until it is safe."""
    path = "server.state_dir"
    if seconds < TOO_FAST:
        text = (
            f"writes to {folder} are safe in no time at all, so they aren't: it is memory, or a disk that doesn't sync"
        )
        return Finding(
            "warning", path, text, "put the state directory on a disk, or accepted mail is lost with the power"
        )
    if seconds > SLOW:
        text = f"a write to {folder} is safe in {seconds * 1000:.0f} ms only, and mail waits for that"
        return Finding("warning", path, text, "use a disk with less latency: SSD, or a controller with a safe cache")
    return Finding("note", path, f"a write to {folder} is safe in {seconds * 1000:.1f} ms")


def seconds_of_write(folder: Path) -> float:
    """Return the median time of small writes, each synced, to a file that goes again; blocks for half a second."""
    took: list[float] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        end = time.monotonic() + MOST_SECONDS
        while len(took) < MOST_WRITES and time.monotonic() < end:
            begun = time.monotonic()
            os.write(file.fileno(), _BLOCK)
            os.fsync(file.fileno())
            took.append(time.monotonic() - begun)
    return median(took)
