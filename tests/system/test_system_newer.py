"""A server that finds what a newer release has written refuses to start, in a sentence."""

from __future__ import annotations

import subprocess
from pathlib import Path

import apsw
import pytest
from running_site import TWISTD, RunningSite, environment


def words_at_start(site: RunningSite) -> str:
    """Start a server that refuses; return what it says."""
    command = [*TWISTD, "-n", "--pidfile=", "mta", "--config", str(site.config)]
    result = subprocess.run(
        command, cwd=site.directory, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    return result.stdout + result.stderr


@pytest.mark.parametrize("name", ["mta.db", "history.db"])
def test_a_newer_database(directory: Path, name: str) -> None:
    """Which one is told; it is left as it is, and serves again where its release is."""
    site = RunningSite(directory).start()
    site.add_account("ann@example.org", "secret")
    site.stop()
    path = site.state / name
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", connection.pragma("user_version") + 100)
    connection.close()

    said = words_at_start(site)

    assert f"mta: the database {name} has schema version 1" in said
    assert "it was written by a newer release" in said
    assert "Traceback" not in said
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", connection.pragma("user_version") - 100)
    connection.close()
    assert site.start().stop() == 0


def test_a_newer_site_file(directory: Path) -> None:
    """Its version is what is wrong with it."""
    site = RunningSite(directory)
    site.config.write_text(site.config.read_text().replace("config_version = 1", "config_version = 2"))

    said = words_at_start(site)

    assert "config_version: is 2: the file was written for a newer release; this one reads 1" in said
    assert "Traceback" not in said


def test_upgrade_beside_a_server(directory: Path) -> None:
    """There is nothing to do, on a pipe as on a screen."""
    site = RunningSite(directory).start()

    assert "mta.db: schema version" in site.mta("upgrade").stdout
    assert site.mta("upgrade", "--dry-run").returncode == 0
    assert site.stop() == 0
