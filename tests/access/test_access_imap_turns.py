"""Long IMAP answers: others have their turn in between."""

from __future__ import annotations

import pytest
from imap_access import Desk
from mail_access import Client, RunningClock
from mail_at_rest import run


@pytest.fixture
def desk() -> Desk:
    """Return a listener on 3,000 messages, whose clock runs as it is looked at."""
    made = Desk()
    inbox = run(made.rest.store.make(1, "INBOX"))
    run(made.rest.store.append(inbox.id, [made.rest.incoming() for _ in range(3000)]))
    made.rest.clock.__class__ = RunningClock
    return made


def answer(desk: Desk, client: Client, command: str) -> str:
    """Return what is answered, and make sure that it takes more than one turn."""
    said = client.type(f"b {command}")
    assert "b OK" not in said
    for _ in range(100):
        desk.rest.clock.advance(0)
        said += client.said()
    assert said.endswith("completed\r\n")
    return said


@pytest.mark.parametrize("command", ["NOOP", "UID FETCH 3000 UID"])
def test_what_another_has_changed(desk: Desk, command: str) -> None:
    """After two milliseconds of telling it others are served."""
    client, other = desk.select(), desk.select()
    assert "a OK" in other.type("a STORE 1:* +FLAGS.SILENT (\\Seen)")

    assert answer(desk, client, command).count("FLAGS (\\Seen") == 3000


@pytest.mark.parametrize("command", ["FETCH 1:* UID", "STORE 1:* FLAGS ()", "FETCH 1:* (ENVELOPE)"])
def test_answers_about_many_messages(desk: Desk, command: str) -> None:
    assert answer(desk, desk.select(), command).count("* ") == 3000


def test_a_search_with_many_keys(desk: Desk) -> None:
    """It asks all messages for some keys at a time."""
    keys = " ".join(f"KEYWORD k{number}" for number in range(99))

    assert answer(desk, desk.select(), f"SEARCH {keys}").startswith("* SEARCH\r\n")
