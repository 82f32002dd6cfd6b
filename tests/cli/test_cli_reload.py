"""`mta reload`: what it says, and how it ends."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from mta_command import SITE, Command

from twistedmail_mta.control.wire import SOCKET_NAME

DONE = {"reloaded": True, "changed": [], "restart": [], "begun": [], "ended": []}


@contextmanager
def answering(state_dir: Path, answer: Any) -> Iterator[list[Any]]:
    """A server that gives one answer to one request, which is kept."""
    state_dir.mkdir(exist_ok=True)
    asked: list[Any] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(state_dir / SOCKET_NAME))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, connection.makefile("rwb") as stream:
                stream.write(b'{"control": 1}\n')
                stream.flush()
                asked.append(json.loads(stream.readline()))
                stream.write(json.dumps(answer).encode() + b"\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join()


Ask = Callable[..., Result]


@pytest.fixture
def told(command: Command) -> Ask:
    """The command, with a server that answers so."""

    def ask(answer: Any, *arguments: str) -> Result:
        with answering(command.state_dir, answer) as asked:
            result = command("reload", *arguments)
        assert asked == [{"command": "site.reload", "arguments": {}}]
        return result

    return ask


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "No key has changed.\n"),
        (
            {"changed": ["plugins.a.text", "route"], "begun": ["a"], "ended": ["a", "b"], "restart": ["queue.retry"]},
            """\
Changed: plugins.a.text, route
Plugins that were begun: a
Plugins that end with the sessions that run: a, b
Needs a restart: queue.retry
""",
        ),
    ],
)
def test_done(told: Ask, answer: dict[str, list[str]], words: str) -> None:
    """What counts now, and what doesn't yet; exit status 0."""
    result = told({"result": DONE | answer})

    assert result.output == words
    assert result.exit_code == 0


def test_refused(told: Ask) -> None:
    """Every reason, with its key where it has one; exit status 1."""
    problems = [{"path": "plugins.a", "text": "plugin a can't start"}, {"path": "", "text": "is no TOML"}]

    result = told({"result": {"reloaded": False, "problems": problems}})

    assert result.output.splitlines() == [
        "error: plugins.a: plugin a can't start",
        "error: is no TOML",
        "Nothing has changed: the server goes on as before.",
    ]
    assert result.exit_code == 1


def test_json(told: Ask) -> None:
    """What the server said."""
    result = told({"result": DONE}, "--json")

    assert json.loads(result.output) == DONE
    assert result.exit_code == 0


def test_a_server_that_stops(told: Ask) -> None:
    """It says so."""
    result = told({"error": "the server stops"})

    assert result.exit_code == 1
    assert "the server stops" in str(result.exception)


def test_a_file_that_does_not_say_where_the_server_is(command: Command) -> None:
    """What is wrong with it is said without asking anybody."""
    command.file.write_text(SITE.replace("hostname", "hostnam"))

    result = command("reload")

    assert "error: server.hostnam: is unknown; did you mean hostname?\n" in result.output
    assert result.output.endswith("Nothing has changed: the server goes on as before.\n")
    assert result.exit_code == 1
    as_json = json.loads(command("reload", "--json").output)
    assert not as_json["reloaded"]
    assert {"path": "server.hostname", "text": "is missing"} in as_json["problems"]


def test_nobody_there(command: Command) -> None:
    """There is nothing to reload."""
    result = command("reload")

    assert result.exit_code == 1
    assert result.output == f"Error: no server runs in {command.state_dir}\n"
