"""What a disk holds after a power cut: only what was synced, or any part of the rest as well.

A `Journal` records every operation on the files under one directory.  A
`SimulatedDisk` plays it back to any point; `crash_images` lays out, for every
point, the files that a machine would find when it comes up again.

The rules are the strict ones of POSIX: content is durable after the file's
sync, a name after its directory's sync.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

SECTOR = 512


@dataclass(frozen=True)
class Step:
    """One operation: "create", "write", "truncate", "sync", "unlink", "directory", "sync_directory" or "mark"."""

    kind: str
    path: str = ""
    offset: int = 0
    content: Any = b""


class Journal:
    """The operations on files under `root`, in order, from whatever thread."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.steps: list[Step] = []
        self._lock = threading.Lock()

    def record(self, kind: str, path: str | Path = "", offset: int = 0, content: Any = b"") -> None:
        """Add a step; `path` is absolute."""
        inside = str(Path(path).relative_to(self.root)) if path else ""
        with self._lock:
            self.steps.append(Step(kind, inside, offset, content))

    def mark(self, fact: Any) -> None:
        """Note that the outside world has been told `fact`: from here on it must survive."""
        self.record("mark", content=fact)


@dataclass
class SimulatedFile:
    """One file: what is on disk, and what only the page cache has."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Step] = field(default_factory=list)

    def sync(self) -> None:
        for step in self.pending:
            _apply(self.durable, step)
        self.pending = []

    def after_cut(self, chance: Random | None) -> bytes:
        content = bytearray(self.durable)
        for step in self.pending if chance is not None else ():
            if chance.random() < 0.5:
                _apply(content, _torn(step, chance))
        return bytes(content)


def _apply(content: bytearray, step: Step) -> None:
    if step.kind == "truncate":
        content[step.offset :] = bytes(max(0, step.offset - len(content)))
        return
    content.extend(bytes(max(0, step.offset - len(content))))
    content[step.offset : step.offset + len(step.content)] = step.content


def _torn(step: Step, chance: Random) -> Step:
    if step.kind != "write" or chance.random() < 0.5:
        return step
    sectors = chance.randrange(len(step.content) // SECTOR + 1)
    return Step("write", step.path, step.offset, step.content[: sectors * SECTOR])


class SimulatedDisk:
    """Files and their names as the steps of a journal leave them."""

    def __init__(self) -> None:
        self.facts: list[Any] = []
        self._files: dict[str, SimulatedFile] = {}
        self._names: dict[str, SimulatedFile | None] = {}
        """What is on disk; None is a directory."""
        self._changes: dict[str, SimulatedFile | bool | None] = {}
        """Names made (the file, or None for a directory) or removed (False), not on disk yet."""

    def play(self, step: Step) -> None:
        """Take the next step."""
        getattr(self, "_" + step.kind)(step)

    def _mark(self, step: Step) -> None:
        self.facts.append(step.content)

    def _create(self, step: Step) -> None:
        self._changes[step.path] = self._files[step.path] = SimulatedFile()

    def _directory(self, step: Step) -> None:
        self._changes[step.path] = None

    def _write(self, step: Step) -> None:
        self._files[step.path].pending.append(step)

    _truncate = _write

    def _sync(self, step: Step) -> None:
        self._files[step.path].sync()

    def _unlink(self, step: Step) -> None:
        self._files.pop(step.path, None)
        self._changes[step.path] = False

    def _sync_directory(self, step: Step) -> None:
        for path in [path for path in self._changes if str(Path(path).parent) == step.path]:
            self._change(self._names, path, self._changes.pop(path))

    @staticmethod
    def _change(names: dict[str, SimulatedFile | None], path: str, change: SimulatedFile | bool | None) -> None:
        if isinstance(change, bool):
            names.pop(path, None)
        else:
            names[path] = change

    def lay_out(self, target: Path, chance: Random | None = None) -> None:
        """Write what a cut leaves into the empty directory `target`.

        Args:
            target: where.
            chance: None for exactly what was synced; else it decides which of
                the other writes and names happened to reach the disk too.
        """
        names = dict(self._names)
        for path, change in self._changes.items() if chance is not None else ():
            if chance.random() < 0.5:
                self._change(names, path, change)
        for path in sorted(names):
            if not (target / path).parent.is_dir():
                continue  # the name is in a directory that was lost
            file = names[path]
            if file is None:
                (target / path).mkdir()
            else:
                (target / path).write_bytes(file.after_cut(chance))


def crash_images(journal: Journal, target: Path, chance: Random | None = None) -> Iterator[tuple[int, list[Any], Path]]:
    """For every step of the journal, lay out the files of a power cut right after it.

    Yields:
        The number of steps taken, the facts that were told before, and a
        directory that may be changed and is removed afterwards.
    """
    disk = SimulatedDisk()
    for number, step in enumerate(list(journal.steps), 1):
        disk.play(step)
        if step.kind == "mark":
            continue  # nothing new on disk; the next step is judged with this fact
        image = target / f"cut{number}"
        image.mkdir()
        disk.lay_out(image, chance)
        yield number, list(disk.facts), image
        shutil.rmtree(image)
