"""A site that has its certificates from an authority."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from twistedmail_mta.config.load import parse_site
from twistedmail_mta.config.site import Site

MakeSite = Callable[..., Site]


@pytest.fixture
def make_site(tmp_path: Path) -> MakeSite:
    """Read a site file with more in [acme]."""

    def make(more: str = "", directory: str = "https://ca.test/dir") -> Site:
        text = (
            'config_version = 1\n[server]\nhostname = "mail.example.org"\nstate_dir = "state"\n'
            f'admin = "a@example.org"\n[acme]\ndirectory = "{directory}"\nagree = true\n{more}\n'
            '[listen.acme]\nendpoint = "tcp:80"\nrole = "acme"\n'
            '[listen.acmes]\nendpoint = "tcp:443"\nrole = "acme"\ntls = "implicit"\n'
        )
        (tmp_path / "state").mkdir(exist_ok=True)
        return parse_site(text, tmp_path, "mta.toml")

    return make
