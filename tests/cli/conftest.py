"""A site in a directory of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from kept_site import filled
from mta_command import SITE, Command

from twistedmail_mta.tls.certificates import write_self_signed


@pytest.fixture
def command(tmp_path: Path) -> Command:
    file = tmp_path / "mta.toml"
    file.write_text(SITE)
    write_self_signed(tmp_path / "cert.pem", tmp_path / "key.pem", ["mail.example.org"], datetime.now(UTC))
    return Command(file)


@pytest.fixture
def site(command: Command, tmp_path: Path) -> Command:
    """Return a site that nobody has started, with an account that has mail."""
    return filled(command, tmp_path)
