"""Which files a site consists of, beside its state: the site file, and what that names."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from twistedmail_mta.config.secrets import is_credential
from twistedmail_mta.config.site import Site

_FILE: Final = "file:"
_CACHE: Final = "__pycache__"


def site_files(site: Site, source: Path | None) -> list[Path]:
    """Return the files of a site, in order; some may not be there.

    Folders are those of `plugin_path`, with all that is in them.  What lies in
    the state directory isn't among them, nor are sockets and credentials of systemd.

    Args:
        site: what the site file says.
        source: the site file; None for a trial site.
    """
    folders = set(site.plugin_path)
    named = {path.absolute() for value in (site, *(each.options for each in site.found_plugins)) for path in _in(value)}
    if source is not None:
        named.add(source.absolute())
    found = {file for path in named for file in _files(path, path in folders)}
    return sorted(path for path in found if not path.is_relative_to(site.server.state_dir.absolute()))


def _in(value: object) -> Iterator[Path]:
    """Yield the paths that stand in a model, also as "file:PATH"."""
    match value:
        case Path():
            yield value
        case str() if value.startswith(_FILE):
            yield Path(value.removeprefix(_FILE))
        case BaseModel():
            for name in type(value).model_fields:
                yield from _in(getattr(value, name))
        case Mapping():
            for each in value.values():
                yield from _in(each)
        case tuple() | list() | set() | frozenset():
            for each in value:
                yield from _in(each)


def _files(path: Path, is_plugin_folder: bool) -> Iterator[Path]:
    if is_plugin_folder and path.is_dir():
        yield from (each for each in path.rglob("*") if each.is_file() and _CACHE not in each.parts)
    elif not is_credential(path) and _may_be_file(path):
        yield path


def _may_be_file(path: Path) -> bool:
    """Whether a path is a file's, or of nothing that is there: that it lacks is for the backup to say."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True
    except OSError:
        return True
