"""Where secrets come from: files, the environment, systemd credentials; never the site file itself."""

from __future__ import annotations

import os
import re
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,200}")


def read_secret(source: str) -> str:
    """Return the secret that `source` names, without a final line end.

    It is read when it is needed, so a changed file counts at once.

    Args:
        source: "file:PATH", "env:NAME" or "credential:NAME".

    Raises:
        OSError: the file can't be read.
        ValueError: the variable isn't set, or the source is of no known kind.
    """
    kind, _, name = source.partition(":")
    if kind == "env":
        if name not in os.environ:
            raise ValueError(f"the environment has no {name}")
        return os.environ[name]
    path = credential_path(name) if kind == "credential" else Path(name)
    if kind not in ("file", "credential"):
        raise ValueError('a secret comes from "file:", "env:" or "credential:"')
    return path.read_text(encoding="utf-8").rstrip("\r\n")


def secret_source(text: object) -> str:
    """Check a source as the site file may name it: never the secret itself.

    Raises:
        ValueError: it names no source.
    """
    if not isinstance(text, str) or not text.startswith(("env:", "credential:")):
        raise ValueError('must be "env:NAME" or "credential:NAME"; a password never stands in this file')
    return text


def credential_path(name: str) -> Path:
    """Return the path of a systemd credential (LoadCredential= of the unit).

    Raises:
        ValueError: the name is none.
    """
    if not _NAME.fullmatch(name) or name in (".", ".."):
        raise ValueError(f"{name!r} is no name of a credential")
    return Path(os.environ.get("CREDENTIALS_DIRECTORY", "/run/credentials/mta.service")) / name


def is_credential(path: Path) -> bool:
    """Whether a file is a systemd credential: it stays readable for the unit alone."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return folder is not None and path.is_relative_to(folder)
