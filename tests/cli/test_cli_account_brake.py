"""`mta account brake` on a real database and a real queue, with no server running."""

from __future__ import annotations

import json

import pytest
from mta_command import Command
from test_cli_queue import queued, states

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.policy.brake_words import Stop
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.sync import SyncDatabase

ANN = "ann@example.org"
STOP = Stop(ANN, 1_800_000_000.0, ("It wrote to 26 strangers",), ((1_799_999_990, "203.0.113.7", "eve@else.test"),))


@pytest.fixture
def braked(command: Command) -> Command:
    """A site with the brake, on which an account was stopped that has something in the queue."""
    with command.file.open("a") as file:
        file.write('[plugins.thieves]\nuse = "brake"\n')
    queued(command, "bob@example.net", "eve@example.com")
    assert command("account", "brake", "list").output == "No account is stopped.\n"  # and the tables are made

    def insert(tx: Transaction) -> None:
        tx.execute("INSERT INTO plugin_thieves_stopped VALUES (?, ?, 1)", (ANN, json.dumps(STOP.written())))

    with SyncDatabase(command.state_dir / DATABASE_NAME) as database:
        database.write(insert)
    assert command("queue", "suspend", "--account", ANN).exit_code == 0
    return command


def test_list(braked: Command) -> None:
    """Who, since when, and why; the evidence as JSON."""
    _, row = braked("account", "brake", "list").output.splitlines()
    assert row.split()[0] == ANN
    assert row.endswith("It wrote to 26 strangers")
    assert braked.json("account", "brake", "list") == [
        {
            "account": ANN,
            "since": STOP.at,
            "reasons": ["It wrote to 26 strangers"],
            "recipients": [{"at": 1_799_999_990, "host": "203.0.113.7", "recipient": "eve@else.test"}],
        }
    ]


def test_release(braked: Command) -> None:
    """What waits goes on; a second time there is nothing to release."""
    assert set(states(braked).values()) == {"suspended"}

    assert braked("account", "brake", "release", ANN).output == f"{ANN} sends again; 2 recipients going on.\n"

    assert set(states(braked).values()) == {"waiting"}
    assert braked.json("account", "brake", "list") == []
    assert braked("queue", "suspended").output == "Nothing is suspended.\n"
    again = braked("account", "brake", "release", ANN)
    assert again.exit_code != 0


def test_discard(braked: Command) -> None:
    """What waits is deleted, of this account alone."""
    assert braked.json("account", "brake", "discard", ANN) == {"action": "discard", "account": ANN, "recipients": 2}

    assert braked("queue", "list").output == "The queue is empty.\n"
    assert braked("queue", "suspended").output == "Nothing is suspended.\n"
    assert braked.json("account", "brake", "list") == []
