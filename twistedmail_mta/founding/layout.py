"""Where the files of a site go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEBIAN_USER: Final = "mta"
"""Whom the server becomes where a package, or root, sets it up."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of a site.

    Attributes:
        site_file: the TOML file.
        tls: the folder of certificate and key.
        state_dir: everything that the server writes.
        unit: the systemd unit; None where none is wanted.
    """

    site_file: Path
    tls: Path
    state_dir: Path
    unit: Path | None

    @property
    def certificate(self) -> Path:
        """The certificate, with those that lead to its issuer."""
        return self.tls / "fullchain.pem"

    @property
    def key(self) -> Path:
        """Its key."""
        return self.tls / "key.pem"


def debian_layout(root: Path) -> Layout:
    """Return the places that the Filesystem Hierarchy Standard has for them, below a root."""
    etc = root / "etc" / "mta"
    unit = root / "etc" / "systemd" / "system" / "mta.service"
    return Layout(etc / "mta.toml", etc / "tls", root / "var" / "lib" / "mta", unit)


def one_folder(folder: Path) -> Layout:
    """Return places that are all in one folder, for whoever is not root."""
    return Layout(folder / "mta.toml", folder / "tls", folder / "state", None)
