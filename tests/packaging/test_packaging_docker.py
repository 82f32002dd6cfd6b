"""The container's files fit together, and the tree."""

from __future__ import annotations

import json
import re
from pathlib import Path

from twistedmail_mta.config.endpoints import parse_endpoint
from twistedmail_mta.config.load import read_site

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "etc" / "docker"
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
COMPOSE = (FOLDER / "compose.yaml").read_text()


def test_ports() -> None:
    """What the site listens on is what the container shows and compose publishes."""
    site = read_site(FOLDER / "mta.toml")
    listened = {parse_endpoint(text).arguments["port"] for table in site.listen.values() for text in table.endpoint}

    assert set(re.search(r"^EXPOSE (.*)$", DOCKERFILE, re.MULTILINE)[1].split()) == listened  # type: ignore[index]
    assert set(re.findall(r'- "(\d+):\1"', COMPOSE)) == listened


def test_the_site_trusts_no_address() -> None:
    """Not even that of the container's gateway, whom all clients may seem to be."""
    site = read_site(FOLDER / "mta.toml")

    assert site.server.gateway == "refuse"
    assert not site.relay.plugins
    assert not any(table.plaintext_login or table.trusted for table in site.listen.values())


def test_what_is_copied_is_there() -> None:
    """Each source of a COPY is in the tree, and everything that the package is built from is copied."""
    sources = {
        name for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()
    }

    assert all((ROOT / name).exists() for name in sources)
    assert {"setup.cfg", "pyproject.toml", "README.md", "plugins", "twistedmail_mta"} <= sources


def test_it_runs_as_nobody_special() -> None:
    """The state belongs to the user that the server runs as, and the commands are lists, which signals reach."""
    command = json.loads(re.search(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)[1])  # type: ignore[index]

    assert command == ["twistd", "--nodaemon", "--pidfile=", "mta", "--config", "/etc/mta/mta.toml"]
    assert DOCKERFILE.index("USER mta") < DOCKERFILE.index("\nCMD")
    assert "-o mta -g mta /var/lib/mta" in DOCKERFILE
    assert str(read_site(FOLDER / "mta.toml").server.state_dir) == "/var/lib/mta"
