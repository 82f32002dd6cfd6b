"""`mta account` on a database, with no server running."""

from __future__ import annotations

import pytest
from mta_command import Command

from twistedmail_mta.directory.passwords import PasswordHash
from twistedmail_mta.directory.tables import find_login
from twistedmail_mta.store.sync import SyncDatabase


def password_is(command: Command, name: str, password: str) -> bool:
    with SyncDatabase(command.state_dir / "mta.db") as database:
        login = database.read(lambda tx: find_login(tx, name))
    assert login is not None
    return PasswordHash().matches(login[1].hash, password)


def test_add_list_remove(command: Command) -> None:
    """An account comes, is listed with what it may do, and goes; the state directory comes with it."""
    patterns = ("--send-as", "*@Example.ORG", "--send-as", "<>")
    added = command("account", "add", "Ann@example.org", "--password-stdin", *patterns, stdin="correct horse\n")
    assert (added.exit_code, added.output) == (0, "Added ann@example.org.\n")
    assert password_is(command, "ann@example.org", "correct horse")
    assert command.state_dir.stat().st_mode & 0o777 == 0o700

    (listed,) = command.json("account", "list")
    assert listed["address"] == "ann@example.org"
    assert listed["send_as"] == ["*@example.org", "<>"]
    assert listed["enabled"] is True
    assert "ann@example.org" in command("account", "list").output

    assert command("account", "remove", "ann@example.org").exit_code == 0
    assert command.json("account", "list") == []
    assert command("account", "list").output == "There are no accounts.\n"


def test_password_is_asked_for_twice(command: Command) -> None:
    """Without --password-stdin the password is typed, and typed again."""
    result = command("account", "add", "ann@example.org", stdin="one\ntwo\nthree\nthree\n")

    assert result.exit_code == 0
    assert "do not match" in result.output
    assert password_is(command, "ann@example.org", "three")


def test_password_and_set(command: Command) -> None:
    """A password is replaced; an account is disabled, and its patterns are replaced as a whole."""
    command("account", "add", "ann@example.org", "--password-stdin", stdin="one")

    assert command("account", "password", "ann@example.org", "--password-stdin", stdin="two").exit_code == 0
    assert password_is(command, "ann@example.org", "two")
    assert command("account", "set", "ann@example.org", "--disable", "--send-as", "bob@example.org").exit_code == 0
    (listed,) = command.json("account", "list")
    assert (listed["enabled"], listed["send_as"]) == (False, ["bob@example.org"])
    assert command("account", "set", "ann@example.org", "--enable", "--no-send-as").exit_code == 0
    (listed,) = command.json("account", "list")
    assert (listed["enabled"], listed["send_as"]) == (True, [])


@pytest.mark.parametrize(
    ("arguments", "stdin", "complaint"),
    [
        (["add", "ann"], "", "Domain missing"),
        (["add", "ann@example.org", "--password-stdin"], "", "a password has 1 to"),
        (["add", "ann@example.org", "--password-stdin", "--send-as", "*"], "x", "not a pattern"),
        (["set", "ann@example.org"], "", "Nothing to change"),
        (["set", "ann@example.org", "--send-as", "<>", "--no-send-as"], "", "contradict"),
        (["password", "ann@example.org", "--password-stdin"], "x", "there is no account ann@example.org"),
    ],
)
def test_mistakes_are_told(command: Command, arguments: list[str], stdin: str, complaint: str) -> None:
    """Nothing is changed, and the words say why."""
    result = command("account", *arguments, stdin=stdin)

    assert result.exit_code != 0
    assert complaint in result.output
    assert command.json("account", "list") == []
