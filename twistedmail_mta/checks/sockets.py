"""Which process of this system listens on a port, as far as the system tells (Linux, proc(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_LISTENING: Final = "0A"
_UNIT: Final = re.compile(r"/([\w:.@\\-]+)\.service(?=/|$)", re.ASCII | re.MULTILINE)
"""A unit as systemd.unit(5) spells it: users name groups of their own as they like, and this goes into a command."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that listens on a port.

    Attributes:
        process: its number.
        name: what it is called.
        unit: of systemd, without ".service"; empty where it belongs to none.
    """

    process: int
    name: str
    unit: str

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.name} (process {self.process})"


def holders_of(port: int, proc: Path = _PROC) -> list[Holder]:
    """Return who listens on a TCP port; nobody where this process may not see it, as all but root may not."""
    tables = [proc / "net/tcp", proc / "net/tcp6"]
    inodes = {inode for table in tables if table.exists() for inode in listening(table.read_text(), port)}
    return [_holder(folder) for folder in _processes(proc) if inodes and _has(folder, inodes)]


def listening(table: str, port: int) -> Iterator[str]:
    """Yield the inodes of the sockets that listen on a port, of a table as /proc/net/tcp has it."""
    for line in table.splitlines()[1:]:
        words = line.split()
        if words[3] == _LISTENING and int(words[1].rpartition(":")[2], 16) == port:
            yield words[9]


def _processes(proc: Path) -> Iterator[Path]:
    yield from (folder for folder in sorted(proc.iterdir()) if folder.name.isdigit())


def _has(folder: Path, inodes: set[str]) -> bool:
    """Whether a process has one of the sockets open."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    with suppress(OSError):  # it has ended, or is another user's
        for link in (folder / "fd").iterdir():
            with suppress(OSError):
                if str(link.readlink()) in wanted:
                    return True
    return False


def _holder(folder: Path) -> Holder:
    name, unit = "a process", ""
    with suppress(OSError):
        name = _shown((folder / "comm").read_bytes())
        found = _UNIT.search((folder / "cgroup").read_text(errors="replace"))
        unit = found[1] if found else ""
    return Holder(int(folder.name), name, unit)


def _shown(name: bytes) -> str:
    """Return what a process calls itself, which may be any octets, on one line."""
    letters = name.decode(errors="replace").strip()
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in letters)
