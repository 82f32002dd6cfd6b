"""`mta limits`, with no server running, and asked of one that does."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from click.testing import Result
from mta_command import Command

from twistedmail_mta.control.wire import SOCKET_NAME
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.owner import make_state_directory
from twistedmail_mta.store.sync import SyncDatabase

ANN = "ann@example.org"


@pytest.fixture
def limited(command: Command) -> Command:
    with command.file.open("a") as file:
        file.write('[plugins.sending]\nuse = "limits"\naccount.hour.octets = "1MB"\n')
    return command


def put(command: Command, state: str) -> None:
    """Write down what was used, as a server does."""

    def insert(tx: Transaction) -> None:
        tx.execute(
            "INSERT INTO plugin_sending_bucket VALUES (?, unixepoch('now'), ?)", (f"account {ANN}", state.encode())
        )

    with SyncDatabase(command.state_dir / DATABASE_NAME) as database:
        database.write(insert)


def test_show_and_reset(limited: Command) -> None:
    """What is in the database, since no server knows better."""
    assert "messages a day" in limited("limits", "show", ANN).output
    put(limited, json.dumps({"messages day": [7.0, 4e9], "octets hour": [524288.0, 4e9]}))

    rows = [line.split() for line in limited("limits", "show", "Ann@Example.org").output.splitlines()]
    assert rows[1] == ["octets", "an", "hour", "512.0", "KB", "1.0", "MB"]
    assert rows[2] == ["messages", "a", "day", "7", "1000"]
    assert limited("limits", "reset", ANN).output == f"{ANN} has used nothing of its limits now.\n"
    used = limited.json("limits", "show", ANN)["limits"]
    assert {each["used"] for each in used} == {0.0}


def test_none_configured(command: Command) -> None:
    """Said so, and where to read on."""
    result = command("limits", "show", ANN)
    assert result.exit_code == 1
    assert "docs/policies.md" in result.output


def test_the_server_is_asked(limited: Command) -> None:
    """While one runs it alone knows what was used in the last seconds."""
    make_state_directory(limited.state_dir)
    asked: list[object] = []
    answer = {"account": ANN, "limits": [{"measure": "messages", "period": "day", "used": 5.0, "allowed": 9.0}]}

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rwb", buffering=0) as stream:
            stream.write(b'{"control": 1}\n')
            asked.append(json.loads(stream.readline()))
            stream.write(json.dumps({"result": answer}).encode() + b"\n")

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(limited.state_dir / SOCKET_NAME))
        listening.listen()
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        result: Result = limited("limits", "show", ANN)
        thread.join()

    assert asked == [
        {"command": "plugin.ask", "arguments": {"plugin": "sending", "question": {"show": ANN}}},
    ]
    assert result.output.splitlines()[1].split() == ["messages", "a", "day", "5", "9"]
