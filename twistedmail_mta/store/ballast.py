"""Space that is kept back for the time when the disk is full."""

from __future__ import annotations

import os
from pathlib import Path


class Ballast:
    """A file that takes up room until urgent writes need it.

    With a full disk nothing could be settled or deleted any more, so that the
    disk would stay full.  Every process of the site shares the one file.
    """

    def __init__(self, path: Path, size: int) -> None:
        """Name the file and its size in octets; `restore` makes it."""
        self.size = size
        self._path = path

    @property
    def held(self) -> bool:
        """Whether the file is there."""
        return self._path.exists()

    def release(self) -> bool:
        """Give the space to whoever writes next; False when it was gone already, or can't be removed."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def restore(self) -> bool:
        """Take the space back; False when there isn't enough of it."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        try:
            os.posix_fallocate(descriptor, 0, self.size)
        except OSError:
            self.release()
            return False
        finally:
            os.close(descriptor)
        return True
