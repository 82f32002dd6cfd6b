"""Whether the disk has room for new mail."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from twistedmail_mta.store.ballast import Ballast


def free_octets(directory: Path) -> int:
    """Return how much of the disk under `directory` this user may still take."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize


class DiskSpace:
    """What is known of the disk's free space, and the ballast that goes with it.

    `look` does the input and output, on a thread; the rest is remembered.

    Attributes:
        low: new mail should not be begun.
        reserved: the ballast is out, and what is free is for urgent writes.
    """

    def __init__(
        self, directory: Path, ballast: Ballast, margin: int, free: Callable[[Path], int] = free_octets
    ) -> None:
        """Describe the disk.

        Args:
            directory: where the state is kept.
            ballast: the space kept back.
            margin: octets that must be free for new mail.
            free: asks the system for the free octets.
        """
        self.low = False
        self.reserved = False
        self._directory = directory
        self._ballast = ballast
        self._margin = margin
        self._free = free

    def look(self) -> None:
        """Ask the system how much is free, and take the ballast back when it fits."""
        free = self._free(self._directory)
        held = self._ballast.held
        if not held and free >= self._margin + self._ballast.size:
            held = self._ballast.restore()
            free -= self._ballast.size
        self.reserved = not held
        self.low = free < self._margin or not held

    def release_ballast(self) -> bool:
        """Free the ballast for an urgent write; False when it was gone already."""
        self.low = self.reserved = True
        return self._ballast.release()
