"""`mta queue` on many messages: the first of them, and how far a change is."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from full_queue import fill
from mta_command import Command
from pty_program import PtyProgram
from running_site import environment
from test_cli_queue import queued

from twistedmail_mta.cli.queue_progress import MANY


def mta(command: Command, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(command.file), *arguments]


def filled(command: Command, recipients: int) -> None:
    fill(command.state_dir, ["a.example"] * recipients, due=time.time(), spread=0.0, age=60.0, size=10)


def test_the_oldest(command: Command) -> None:
    """Only so many, of those that are meant."""
    first = queued(command, "bob@example.net", sender="eve@example.org")
    second, third = queued(command, "bob@example.net"), queued(command, "bob@example.net")

    assert [one["id"] for one in command.json("queue", "list", "--oldest", "2")] == [first, second]
    assert [one["id"] for one in command.json("queue", "list", "--oldest", "9")] == [first, second, third]
    assert [one["id"] for one in command.json("queue", "list", "--oldest", "1", "--from", "ann@*")] == [second]
    assert command("queue", "list", "--oldest", "0").exit_code == 2


def test_the_largest(command: Command) -> None:
    """The largest first, whenever they came."""
    queued(command, "bob@example.net")
    large = queued(command, "bob@example.net", header=b"Subject: " + b"x" * 500 + b"\r\n\r\n")
    larger = queued(command, "bob@example.net", header=b"Subject: " + b"x" * 600 + b"\r\n\r\n")

    assert [one["id"] for one in command.json("queue", "list", "--largest", "2")] == [larger, large]
    assert [one["id"] for one in command.json("queue", "list", "--largest", "1", "--oldest", "2")] == [large]


@pytest.mark.parametrize("action", ["hold", "delete", "bounce", "retry", "reroute"])
def test_a_long_change_shows_how_far_it_is(command: Command, action: str) -> None:
    """On a terminal there is a bar that comes to its end; the answer stands below it."""
    filled(command, MANY)
    how = ("--via", "smtp://relay.example.net:25") if action == "reroute" else ()

    with PtyProgram(mta(command, "queue", action, "--all", *how), environment() | {"TERM": "xterm"}) as program:
        assert program.ends() == 0

    assert f"{action} " in program.written.decode()
    assert "100%" in program.written.decode()
    shown, cursor_again = program.written.decode().splitlines()[-1], "\x1b[?25h"
    assert shown.removeprefix(cursor_again).startswith(f"{MANY} recipients ")


@pytest.mark.parametrize("suspended", [("--domain", "a.example"), ("--all",)])
def test_suspending_many_shows_how_far_it_is(command: Command, suspended: tuple[str, ...]) -> None:
    """As does letting them go on."""
    filled(command, MANY)

    for action in ("suspend", "resume"):
        with PtyProgram(mta(command, "queue", action, *suspended), environment() | {"TERM": "xterm"}) as program:
            assert program.ends() == 0
        assert f"{action} " in program.written.decode()
        assert "100%" in program.written.decode()
        assert f"{MANY} recipients" in program.written.decode()


def test_suspending_a_lane_shows_no_bar(command: Command) -> None:
    """Nothing is looked at before it would be tried."""
    filled(command, MANY)

    words = ("queue", "suspend", "--lane", "smtp://relay.example.net:25")
    with PtyProgram(mta(command, *words), environment() | {"TERM": "xterm"}) as program:
        assert program.ends() == 0

    assert program.written.decode().count("\n") == 1


def test_a_short_change_shows_no_bar(command: Command) -> None:
    """Which would be gone before anybody saw it."""
    filled(command, MANY - 1)

    with PtyProgram(mta(command, "queue", "hold", "--all"), environment() | {"TERM": "xterm"}) as program:
        assert program.ends() == 0

    assert program.written.decode() == f"{MANY - 1} recipients on hold.\r\n"


def test_a_pipe_has_no_bar(command: Command) -> None:
    """Whoever reads a pipe gets the answer alone."""
    filled(command, MANY)

    done = subprocess.run(
        mta(command, "queue", "hold", "--all"), env=environment(), capture_output=True, text=True, check=True
    )

    assert (done.stdout, done.stderr) == (f"{MANY} recipients on hold.\n", "")
