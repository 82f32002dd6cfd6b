"""Brings a backup back into a state directory, when all of it was found to be what was written."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from twistedmail_mta.control.lock import LOCK_NAME
from twistedmail_mta.history.tables import MIGRATIONS
from twistedmail_mta.keeping.backing_up import ASIDE, RESTORING, Progress
from twistedmail_mta.keeping.copying import digest_of, make_directory, open_source, store, sync_directory
from twistedmail_mta.keeping.layout import BODIES, SITE, STATE, TO_BODIES, Backup, name_of
from twistedmail_mta.keeping.sums import NAME as SUMS
from twistedmail_mta.keeping.sums import DamagedError, Sum, read_sums
from twistedmail_mta.store.files import BODIES_NAME, DATABASE_NAME, MARGIN
from twistedmail_mta.store.owner import Access
from twistedmail_mta.store.schema import demand_known, shipped_migrations
from twistedmail_mta.store.space import free_octets

_ODD: Final = ("lost+found", LOCK_NAME)
"""What stands in a directory that is empty all the same."""
_NAMED: Final = 20


class NotEmptyError(Exception):
    """There is something in the state directory."""


def examine(backup: Backup, access: Access, bar: Progress) -> int:
    """Read everything that is in a backup and compare it with its hashes; return how many files there are.

    Raises:
        DamagedError: with what is missing or isn't what it was.
        SchemaError: this release is too old for it.
    """
    _demand_schema(backup)
    bar.begin(backup.path.name, backup.manifest.octets, "octets")
    wrong: list[str] = []
    count = 0
    with access():
        for each in read_sums(backup.path / SUMS):
            count += 1
            problem = _problem(backup, each, bar)
            if problem is not None:
                wrong.append(problem)
    if wrong:
        more = f"\n  and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise DamagedError(f"{backup.path} is damaged:\n  " + "\n  ".join(wrong[:_NAMED]) + more)
    return count


def _problem(backup: Backup, each: Sum, bar: Progress) -> str | None:
    try:
        digest = digest_of(_source(backup, each.path), bar.advance)
    except OSError as error:
        return f"{each.path}: {error.strerror or error}"
    return None if digest == each.digest else f"{each.path}: isn't what was written"


def _source(backup: Backup, path: str) -> Path:
    """Return where a file of a backup is; never outside of the directory of backups.

    Raises:
        DamagedError: the path leads elsewhere.
    """
    inside = path.removeprefix(TO_BODIES)
    if not {"", ".", ".."}.isdisjoint(inside.split("/")):  # an empty part: what is behind it would be absolute
        raise DamagedError(f"{backup.path} is damaged: it names {path}")
    return backup.path.parent / BODIES / inside if path.startswith(TO_BODIES) else backup.path / inside


def _demand_schema(backup: Backup) -> None:
    demand_known(f"in {backup.path}", backup.manifest.schema, shipped_migrations())
    demand_known(f"of the history in {backup.path}", backup.manifest.history_schema or 0, MIGRATIONS)


def occupants(state_dir: Path) -> list[str]:
    """Return what is in a state directory, but for what an unfinished restore left there."""
    found = sorted(path.name for path in state_dir.iterdir())
    return [name for name in found if name not in (*_ODD, RESTORING) and not name.startswith(ASIDE)]


class Restoring:
    """Brings a backup back, which was examined before; acts as the owner of the state directory.

    All of it is written into a directory in there first, and put in place
    when it is whole: the database last.
    """

    def __init__(
        self, backup: Backup, state_dir: Path, access: Access, bar: Progress, now: Callable[[], float] = time.time
    ) -> None:
        """Prepare it.

        Args:
            backup: what is brought back.
            state_dir: where to; it exists.
            access: gives the rights to read the backup.
            bar: told how far it is.
            now: the time of day.
        """
        self._backup = backup
        self._state_dir = state_dir
        self._draft = state_dir / RESTORING
        self._access = access
        self._bar = bar
        self._now = now
        self._made: set[Path] = set()

    def demand_room(self) -> None:
        """See to it that there is enough room.

        Raises:
            OSError: there isn't.
        """
        wanted = self._backup.manifest.octets + MARGIN
        free = free_octets(self._state_dir)
        if free < wanted:
            raise OSError(f"{self._state_dir} has {free} octets free, and {wanted} are needed")

    def run(self, prepare: Callable[[Path], None], *, force: bool = False) -> Path | None:
        """Bring it back.

        Args:
            prepare: called with the directory in which the state is, before that is put in place.
            force: move aside what is there.

        Returns:
            Where that went; None when there was nothing.

        Raises:
            NotEmptyError: there is something, and `force` isn't said.
            DamagedError: the backup isn't any more what it was when it was examined.
            OSError: something can't be read or written.
        """
        if occupants(self._state_dir) and not force:
            raise NotEmptyError(f"{self._state_dir} isn't empty")
        self.demand_room()
        shutil.rmtree(self._draft, ignore_errors=True)
        make_directory(self._draft)
        self._copy()
        prepare(self._draft)
        for each in sorted(self._made, reverse=True):
            sync_directory(each)
        aside = self._move_aside()
        self._put_in_place()
        return aside

    def _copy(self) -> None:
        self._bar.begin(str(self._state_dir), self._backup.manifest.octets, "octets")
        with self._access():
            sums = read_sums(self._backup.path / SUMS)
            first = next(sums, None)
        for each in _with_first(first, sums):
            place = _place(each.path)
            if place is not None:
                self._bring(each, self._draft / place)

    def _bring(self, each: Sum, target: Path) -> None:
        make_directory(target.parent)
        self._made.update((target.parent, *[each for each in target.parents if each.is_relative_to(self._draft)]))
        with self._access():
            source = open_source(_source(self._backup, each.path))
        mode = self._backup.manifest.modes.get(each.path, 0o600) & 0o777
        with source:
            if store(source, target, mode, self._bar.advance) != each.digest:
                raise DamagedError(f"{self._backup.path} is damaged: {each.path} isn't what was written")

    def _move_aside(self) -> Path | None:
        found = occupants(self._state_dir)
        if not found:
            return None
        aside = self._state_dir / f"{ASIDE}{name_of(self._now())}"
        aside.mkdir(mode=0o700)
        # The database first: without it no server takes the rest for a state.
        for name in sorted(found, key=lambda name: (not name.startswith(DATABASE_NAME), name)):
            (self._state_dir / name).rename(aside / name)
        sync_directory(aside)
        sync_directory(self._state_dir)
        return aside

    def _put_in_place(self) -> None:
        if (self._state_dir / DATABASE_NAME).exists():
            raise NotEmptyError(f"a program has made a database in {self._state_dir} meanwhile")
        for path in sorted(self._draft.iterdir(), key=lambda path: (path.name == DATABASE_NAME, path.name)):
            path.rename(self._state_dir / path.name)
        self._draft.rmdir()
        sync_directory(self._state_dir)


def _with_first(first: Sum | None, others: Iterator[Sum]) -> Iterator[Sum]:
    """Yield all of a list whose first line is read, and whose file is open therefore."""
    if first is not None:
        yield first
        yield from others


def _place(path: str) -> str | None:
    """Return where a file of a backup belongs in the state directory; None for those of the site."""
    if path.startswith(TO_BODIES):
        return os.path.join(BODIES_NAME, path.removeprefix(TO_BODIES))  # noqa: PTH118 - texts
    if path.startswith(f"{SITE}/"):
        return None
    return path.removeprefix(f"{STATE}/")
