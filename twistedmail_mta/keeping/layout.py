"""Where things are in a directory of backups.

bodies/HOUR/NAME          large bodies, each once, whichever backups have it
20261201T013000Z/         a backup, named by the time of its state (UTC)
    mta.db, history.db    the databases
    state/, site/         files of the state directory; those of the site, by their absolute paths
    SHA256SUMS            all of these, and the bodies
    backup.json           what it is; written last
unfinished/               a backup that isn't one yet, or never became one
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from twistedmail_mta.keeping.copying import digest_of
from twistedmail_mta.keeping.sums import NAME as SUMS
from twistedmail_mta.keeping.sums import DamagedError
from twistedmail_mta.store.files import BODIES_NAME

FORMAT: Final = 1
MANIFEST: Final = "backup.json"
BODIES: Final = BODIES_NAME
UNFINISHED: Final = "unfinished"
STATE: Final = "state"
SITE: Final = "site"
TO_BODIES: Final = f"../{BODIES}/"
"""Begins the paths of bodies in the list of a backup."""

_NAME: Final = re.compile(r"\d{8}T\d{6}Z")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is.

    Attributes:
        format: of the backup.
        made_at: seconds since the epoch: the time of the state.
        release: that made it.
        schema: the version of the database.
        history_schema: that of the history; None: it isn't in it.
        state_dir: where the state was.
        site_file: where the site file was; None: a trial site.
        sound: whether SQLite found nothing wrong with the database.
        bodies: how many there are.
        octets: of all, bodies and databases and files.
        left_out: what couldn't be read, with the reason.
        modes: the permissions of files of state and site.
        sums: SHA-256 of the list.
    """

    made_at: float
    release: str
    schema: int
    history_schema: int | None
    state_dir: str
    site_file: str | None
    sound: bool
    bodies: int
    octets: int
    sums: str
    left_out: tuple[str, ...] = ()
    modes: Mapping[str, int] = field(default_factory=dict)
    format: int = FORMAT

    def text(self) -> bytes:
        """Return it as JSON, with a hash of its own."""
        said = asdict(self)
        return json.dumps(said | {"check": _check(said)}, indent=1).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that is complete.

    Attributes:
        path: its directory.
        manifest: what it is.
    """

    path: Path
    manifest: Manifest


def name_of(made_at: float) -> str:
    """Return the name of the backup of that time."""
    return f"{datetime.fromtimestamp(made_at, UTC):%Y%m%dT%H%M%SZ}"


def names(directory: Path) -> list[str]:
    """Return the names of all complete backups, oldest first."""
    try:
        found = [path.name for path in directory.iterdir() if _NAME.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    return sorted(name for name in found if (directory / name / MANIFEST).is_file())


def remains(directory: Path) -> list[str]:
    """Return the names of what was a backup until its removal began."""
    found = [path.name for path in directory.iterdir() if _NAME.fullmatch(path.name)]
    return sorted(name for name in found if not (directory / name / MANIFEST).is_file())


def read_backup(path: Path) -> Backup:
    """Read what a backup is, and see that its list is the one that was written.

    Raises:
        DamagedError: it isn't, or another release made it, which this one can't read.
        OSError: it can't be read.
    """
    file = path / MANIFEST
    try:
        said: dict[str, Any] = json.loads(file.read_bytes())
        if said.pop("check") != _check(said):
            raise DamagedError(f"{file} is damaged")
        if said["format"] != FORMAT:
            raise DamagedError(f"{path} was made by a newer release: it has format {said['format']}, not {FORMAT}")
        manifest = _MANIFEST.validate_python(said)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"{file} is damaged") from error
    if digest_of(path / SUMS) != manifest.sums:
        raise DamagedError(f"{path / SUMS} is damaged: it isn't the list that belongs to {file}")
    return Backup(path, manifest)


def sound_backups(directory: Path) -> Iterator[Backup]:
    """Yield the backups that can be read, newest first."""
    for name in reversed(names(directory)):
        try:
            yield read_backup(directory / name)
        except (DamagedError, OSError):
            continue


_MANIFEST: Final = TypeAdapter(Manifest)


def _check(said: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
