"""What the server runs with, written down in the state directory: a changed site file is compared with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from twistedmail_mta.config.changes import Said, said_by
from twistedmail_mta.config.plugging import Found
from twistedmail_mta.config.site import Site
from twistedmail_mta.private_file import write_private

NAME: Final = "in-use.json"


@dataclass(frozen=True, slots=True)
class InUse:
    """A site as a server uses it.

    Attributes:
        release: of the server that wrote this.
        said: the keys that count.
        plugins: by name, what changes with all that a plugin is made of.
    """

    release: str
    said: Said
    plugins: Mapping[str, str]


def in_use(site: Site, release: str) -> InUse:
    """Return what a server uses that runs with a site."""
    return InUse(release, said_by(site), {each.name: _digest(each) for each in site.found_plugins})


def write_in_use(site: Site, release: str) -> None:
    """Write it down; blocks.

    Raises:
        OSError: it can't be written.
    """
    write_private(site.server.state_dir / NAME, json.dumps(asdict(in_use(site, release))).encode())


def read_in_use(state_dir: Path) -> InUse | None:
    """Return what was written down last; None if nothing was, or nothing that can be read."""
    try:
        found = InUse(**json.loads((state_dir / NAME).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return found if isinstance(found.said, dict) and isinstance(found.plugins, dict) else None


def _digest(found: Found) -> str:
    options = json.dumps(found.table.model_dump(mode="json"), sort_keys=True)
    parts = (options, sorted(found.code), sorted((str(path), look) for path, look in found.files))
    return sha256(repr(parts).encode()).hexdigest()
