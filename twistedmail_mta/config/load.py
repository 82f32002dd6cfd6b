"""Finding and reading the site file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from twistedmail_mta.config.finding import find_plugins
from twistedmail_mta.config.problems import ConfigError, Problem, cross_checks, problems_of
from twistedmail_mta.config.site import Site

SYSTEM_FILE = Path("/etc/mta/mta.toml")


def find_site_file(option: str | None, environment: Mapping[str, str], folder: Path) -> Path | None:
    """Return the site file to use, or None for the trial site.

    Args:
        option: what --config said; it wins even when there is no such file.
        environment: $MTA_CONFIG counts next.
        folder: the working directory, whose mta.toml comes before /etc/mta/mta.toml.
    """
    named = option or environment.get("MTA_CONFIG")
    if named:
        return folder / named
    return next((path for path in (folder / "mta.toml", SYSTEM_FILE) if path.exists()), None)


def read_site(path: Path) -> Site:
    """Read a site file.

    Raises:
        ConfigError: with every mistake found.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(str(path), [Problem("", f"can't be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), [Problem("", f"is not UTF-8 at octet {error.start}")]) from error
    return parse_site(text, path.absolute().parent, str(path))


def parse_site(text: str, folder: Path, source: str) -> Site:
    """Read the text of a site file.

    Args:
        text: TOML.
        folder: where relative paths begin.
        source: what to call it in errors.

    Raises:
        ConfigError: with every mistake found.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source, [Problem("", f"is no TOML: {error}")]) from error
    problems = list(cross_checks(document))
    found, mistaken = find_plugins(document, folder)
    problems += mistaken
    try:
        site = Site.model_validate(document, context={"folder": folder})
    except ValidationError as error:
        raise ConfigError(source, [*problems_of(error), *problems]) from error
    if problems:
        raise ConfigError(source, problems)
    site.take_plugins(found)
    return site
