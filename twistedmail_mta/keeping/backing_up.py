"""Makes a backup of a site, while its server runs or not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Protocol

from twistedmail_mta.control.lock import LOCK_NAME
from twistedmail_mta.history.tables import NAME as HISTORY_NAME
from twistedmail_mta.keeping import layout
from twistedmail_mta.keeping.copying import digest_of, open_source
from twistedmail_mta.keeping.layout import Manifest, sound_backups
from twistedmail_mta.keeping.sums import NAME as SUMS
from twistedmail_mta.keeping.sums import Sum, SumsWriter, read_sums
from twistedmail_mta.keeping.target import Target
from twistedmail_mta.store.files import BODIES_NAME, DATABASE_NAME
from twistedmail_mta.store.holding import holding
from twistedmail_mta.store.owner import Access
from twistedmail_mta.store.snapshot import ROOM_LEFT, GaveUp, Snapshot, faults, still
from twistedmail_mta.store.space import free_octets

ASIDE: Final = "before-"
"""Begins the name of what a restore has moved aside, in the state directory."""
RESTORING: Final = ".restoring"
"""What a restore is writing there."""
TRYING: Final = ".upgrading-"
"""Begins the name of a directory in which `mta upgrade --dry-run` tries something there."""

_APART: Final = (DATABASE_NAME, HISTORY_NAME, BODIES_NAME, "ballast", LOCK_NAME, ASIDE, RESTORING, TRYING)
"""Begins what isn't copied as a file of the state directory."""
_NAMED_LEFT_OUT: Final = 100
_COUNT: Final = "SELECT count(*), coalesce(sum(size), 0) FROM body WHERE file IS NOT NULL"
_BODIES: Final = "SELECT file, size FROM body WHERE file IS NOT NULL ORDER BY file"


class Progress(Protocol):
    """What is told how far it is; the command line's `Bar` is one."""

    def begin(self, name: str, total: int, unit: str = ...) -> None:
        """Begin a part of the work."""

    def advance(self, steps: int) -> None:
        """Note that steps are done."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is kept.

    Attributes:
        state_dir: the state directory.
        site_file: the site file; None for a trial site.
        files: of the site, absolute.
        history: the history too.
    """

    state_dir: Path
    site_file: Path | None
    files: Sequence[Path]
    history: bool


@dataclass(slots=True)
class Made:
    """What became of it.

    Attributes:
        path: the backup's directory.
        sound: whether SQLite found nothing wrong with the databases.
        copied: bodies that were copied now.
        known: bodies that an earlier backup has.
        octets: of the whole backup.
        octets_copied: written now.
        faults: what is wrong with the databases.
        left_out: what couldn't be read, with the reason; some of it.
        left_out_count: all of it.
        held: seconds for which a state of the databases was held.
    """

    path: Path = Path()
    sound: bool = True
    copied: int = 0
    known: int = 0
    octets: int = 0
    octets_copied: int = 0
    faults: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    left_out_count: int = 0
    held: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether all is in it, and sound."""
        return self.sound and not self.left_out_count


class BackingUp:
    """One run.

    What belongs to the state directory is read by the rights of its owner, so
    that no link in there leads to a file that isn't theirs.
    """

    def __init__(  # noqa: PLR0913 - by name
        self,
        subject: Subject,
        directory: Path,
        access: Access,
        bar: Progress,
        *,
        reread: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare it.

        Args:
            subject: what is kept.
            directory: of all backups; made if need be.
            access: gives the rights by which the site's files are read and backups are written.
            bar: told how far it is.
            reread: read what is there of bodies, and copy anew what isn't what it was.
            now: the time of day.
        """
        self._subject = subject
        self._target = Target(directory, access)
        self._access = access
        self._bar = bar
        self._reread = reread
        self._now = now
        self._made = Made()
        self._modes: dict[str, int] = {}
        self._versions: dict[str, int] = {}

    def run(self) -> Made:
        """Make the backup.

        Raises:
            TargetBusy: somebody else makes one there.
            HeldError: somebody else makes one elsewhere.
            GaveUp: there is too little room, here or there.
            UnusableDatabase: the database can't be read.
            OSError: the directory of backups can't be written.
        """
        with self._target.begun(), self._bodies_held():
            made_at = self._target.free_moment(self._now())
            for name in self._databases():
                self._copy_database(name)
            with self._target.open() as draft:
                known = self._digests()
                sums = SumsWriter(draft / SUMS)
            with sums:
                self._copy_bodies(sums, known)
                self._copy_files(sums)
                digest = sums.finish()
            self._made.path = self._target.finish(lambda: self._manifest(made_at, digest))
        return self._made

    def _bodies_held(self) -> AbstractContextManager[None]:
        root = self._subject.state_dir / BODIES_NAME
        return holding(root) if root.is_dir() else nullcontext()

    def _databases(self) -> list[str]:
        has_history = self._subject.history and (self._subject.state_dir / HISTORY_NAME).is_file()
        return [DATABASE_NAME, *([HISTORY_NAME] if has_history else [])]

    def _copy_database(self, name: str) -> None:
        begun = time.monotonic()
        with Snapshot(self._subject.state_dir / name) as snapshot:
            self._versions[name] = snapshot.version
            self._bar.begin(name, snapshot.octets, "octets")
            with self._target.open() as draft:
                snapshot.copy(draft / name, self._bar.advance)
        self._made.held = max(self._made.held, time.monotonic() - begun)
        self._note(snapshot.octets)
        with self._target.open() as draft, still(draft / name) as tx:
            self._made.faults += [f"{name}: {fault}" for fault in faults(tx, thorough=False)]
        self._made.sound = not self._made.faults

    def _note(self, octets: int) -> None:
        self._made.octets += octets
        self._made.octets_copied += octets

    def _digests(self) -> Callable[[str], str | None]:
        """Return what tells the SHA-256 of bodies, in their order, as the latest backup has them."""
        backup = next(sound_backups(self._target.directory), None)
        lists = iter(()) if backup is None else read_sums(backup.path / SUMS)
        latest = next(lists, None)

        def digest(name: str) -> str | None:
            nonlocal latest
            path = layout.TO_BODIES + name
            while latest is not None and latest.path < path:
                latest = next(lists, None)
            return latest.digest if latest is not None and latest.path == path else None

        return digest

    def _copy_bodies(self, sums: SumsWriter, known: Callable[[str], str | None]) -> None:
        with self._target.open() as draft, still(draft / DATABASE_NAME) as tx:
            ((count, octets),) = tx.execute(_COUNT)
        self._bar.begin(f"{count} large bodies", octets, "octets")
        for name, size in self._bodies():
            self._demand_room()
            digest = self._kept_body(name, size, known(name)) or self._copied_body(name, size, known(name))
            if digest is not None:
                sums.add(Sum(layout.TO_BODIES + name, digest))
                self._made.octets += size

    def _bodies(self) -> Iterator[tuple[str, int]]:
        """Yield the bodies that the copied database names, a page of them at a time, in order."""
        after = ""
        while page := self._page(after):
            yield from page
            after = page[-1][0]

    def _page(self, after: str) -> list[tuple[str, int]]:
        sql = _BODIES.replace("ORDER", "AND file > ? ORDER") + " LIMIT 1000"
        with self._target.open() as draft, still(draft / DATABASE_NAME) as tx:
            return [(file, size) for file, size in tx.execute(sql, (after,))]

    def _demand_room(self) -> None:
        # While bodies are held, mail that is done gives no room back.
        if free_octets(self._subject.state_dir) < ROOM_LEFT:
            raise GaveUp(f"the disk of {self._subject.state_dir} is too full")

    def _kept_body(self, name: str, size: int, digest: str | None) -> str | None:
        """Return the SHA-256 of a body that the directory of backups has already; None if it has to be copied."""
        if self._target.size_of_body(name) != size:
            return None
        if digest is None:  # an unfinished backup brought it
            digest = self._digest_here(name)
            kept = self._target.digest_of_body(name, _ignored) == digest
        else:
            kept = not self._reread or self._target.digest_of_body(name, _ignored) == digest
        if not kept:
            return None
        self._made.known += 1
        self._bar.advance(size)
        return digest

    def _digest_here(self, name: str) -> str | None:
        try:
            return digest_of(self._subject.state_dir / BODIES_NAME / name)
        except OSError:
            return None

    def _copied_body(self, name: str, size: int, before: str | None) -> str | None:
        try:
            source = open_source(self._subject.state_dir / BODIES_NAME / name)
        except OSError as error:
            self._leave_out(f"{BODIES_NAME}/{name}", error.strerror or str(error))
            return None
        with source:
            found = os.fstat(source.fileno()).st_size
            if found != size:
                self._leave_out(f"{BODIES_NAME}/{name}", f"has {found} octets, not {size}")
                return None
            digest = self._target.put_body(source, name, self._bar.advance)
        if before not in (None, digest):
            self._leave_out(f"{BODIES_NAME}/{name}", "isn't what it was when it was copied before; now it is as here")
        self._made.copied += 1
        self._made.octets_copied += size
        return digest

    def _leave_out(self, path: str, reason: str) -> None:
        self._made.left_out_count += 1
        if len(self._made.left_out) < _NAMED_LEFT_OUT:
            self._made.left_out.append(f"{path}: {reason}")

    def _copy_files(self, sums: SumsWriter) -> None:
        found = [Sum(name, self._digest_of_copy(name)) for name in self._databases()]
        found += [each for path in _state_files(self._subject.state_dir) if (each := self._copied_state(path))]
        found += [each for path in self._subject.files if (each := self._copied_of_site(path))]
        once = {each.path: each for each in found}  # a file may be named in two ways
        for each in sorted(once.values(), key=lambda each: os.fsencode(each.path)):
            sums.add(each)

    def _digest_of_copy(self, name: str) -> str:
        with self._target.open() as draft:
            return digest_of(draft / name)

    def _copied_state(self, path: Path) -> Sum | None:
        try:
            return self._copied(path, f"{layout.STATE}/{path.relative_to(self._subject.state_dir)}")
        except FileNotFoundError:  # another has taken its place, or none
            return None

    def _copied_of_site(self, path: Path) -> Sum | None:
        try:
            with self._access():
                return self._copied(path.resolve(), layout.SITE + os.path.normpath(path))
        except OSError as error:
            self._leave_out(str(path), error.strerror or str(error))
            return None

    def _copied(self, path: Path, name: str) -> Sum | None:
        if "\n" in name:
            self._leave_out(name, "its name has a line end in it")
            return None
        with open_source(path) as source:
            status = os.fstat(source.fileno())
            self._modes[name] = status.st_mode & 0o777
            digest = self._target.put(source, name, status.st_mode & 0o700 | 0o600, _ignored)
        self._note(status.st_size)
        return Sum(name, digest)

    def _manifest(self, made_at: float, sums: str) -> Manifest:
        made, subject = self._made, self._subject
        return Manifest(
            made_at=made_at,
            release=_release(),
            schema=self._versions[DATABASE_NAME],
            history_schema=self._versions.get(HISTORY_NAME),
            state_dir=str(subject.state_dir),
            site_file=None if subject.site_file is None else str(subject.site_file.absolute()),
            sound=made.sound,
            bodies=made.copied + made.known,
            octets=made.octets,
            sums=sums,
            left_out=tuple(made.left_out),
            modes=self._modes,
        )


def _release() -> str:
    try:
        return version("twistedmail-mta")
    except PackageNotFoundError:  # run from a checkout
        return "checkout"


def _ignored(_: int) -> None:
    """Nobody wants to know how far it is."""


def _state_files(state_dir: Path) -> list[Path]:
    """Return the regular files of a state directory that are copied as they are."""
    found: list[Path] = []
    for folder, folders, names in os.walk(state_dir):
        here = Path(folder)
        if here == state_dir:
            folders[:] = [name for name in folders if not name.startswith(_APART)]
            names = [name for name in names if not name.startswith(_APART)]  # noqa: PLW2901 - what is left of it
        found += [path for name in names if (path := here / name).is_file() and not path.is_symlink()]
    return found
