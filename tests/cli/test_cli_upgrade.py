"""`mta upgrade`: from the database of any older release, tried before and done."""

from __future__ import annotations

import os

import apsw
import pytest
from mta_command import Command

from twistedmail_mta.control.lock import take_state_dir
from twistedmail_mta.history.tables import MIGRATIONS
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.schema import shipped_migrations
from twistedmail_mta.store.upgrading import upgrade, version_of

NEWEST = shipped_migrations()[-1].number


def older(site: Command, version: int) -> None:
    """Make the databases of an older release."""
    site.state_dir.mkdir(mode=0o700)
    for name, migrations in ((DATABASE_NAME, shipped_migrations()[:version]), ("history.db", MIGRATIONS[:1])):
        (site.state_dir / name).touch()
        upgrade(site.state_dir / name, migrations)
    connection = apsw.Connection(str(site.state_dir / DATABASE_NAME))
    connection.execute("INSERT INTO suspension (kind, name, since) VALUES ('domain', 'a.test', 0.0)")
    connection.close()


def versions(site: Command) -> tuple[int, int]:
    return version_of(site.state_dir / DATABASE_NAME), version_of(site.state_dir / "history.db")


@pytest.mark.parametrize("version", [1, 8, NEWEST - 1])
def test_an_older_release_s_databases(command: Command, version: int) -> None:
    """Tried on copies that are gone afterwards; then done, with what was in them; then there is nothing to do."""
    older(command, version)
    tried = command.json("upgrade", "--dry-run")

    main = tried["databases"]["mta.db"]
    assert (main["version"], main["newest"], main["faults"]) == (version, NEWEST, [])
    assert [each["name"] for each in main["steps"]] == [each.name for each in shipped_migrations()[version:]]
    assert all(each["seconds"] >= 0 for each in main["steps"])
    assert versions(command) == (version, 1)
    assert not [path for path in command.state_dir.iterdir() if path.name.startswith(".")]

    done = command("upgrade")

    assert done.exit_code == 0, done.output
    assert f"mta.db: schema version {version} was brought to {NEWEST}:" in done.stdout
    assert versions(command) == (NEWEST, MIGRATIONS[-1].number)
    assert command("upgrade").stdout.splitlines() == [
        "site file: config_version 1, the newest.",
        f"mta.db: schema version {NEWEST}, the newest.",
        f"history.db: schema version {MIGRATIONS[-1].number}, the newest.",
    ]
    assert command.json("queue", "suspended")[0]["name"] == "a.test"


def test_before_the_first_start(command: Command) -> None:
    """There is nothing to upgrade, and nothing is made."""
    assert command("upgrade").exit_code == command("upgrade", "--dry-run").exit_code == 0
    assert list(command.state_dir.iterdir()) == []


@pytest.mark.parametrize("name", ["mta.db", "history.db"])
def test_a_newer_release_s_database(command: Command, name: str) -> None:
    """It is named, and left as it is."""
    older(command, NEWEST)
    connection = apsw.Connection(str(command.state_dir / name))
    connection.pragma("user_version", 999)
    connection.close()

    for options in ((), ("--dry-run",)):
        result = command("upgrade", *options)
        assert result.exit_code == 1
        assert f"the database {name} has schema version 999" in str(result.exception)
    assert version_of(command.state_dir / name) == 999


def test_beside_a_server_it_is_only_tried(command: Command) -> None:
    """Whoever has the state directory goes on with databases that it knows."""
    older(command, 8)
    lock = take_state_dir(command.state_dir)

    tried, done = command("upgrade", "--dry-run"), command("upgrade")
    os.close(lock)

    assert tried.exit_code == 0
    assert (done.exit_code, versions(command)) == (1, (8, 1))
    assert "a server of an older release runs; stop it, or try with --dry-run" in done.stderr
