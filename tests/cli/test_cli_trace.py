"""`mta trace` on a real file: of one message, of several, of none; for people and for programs."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest
from mta_command import Command
from running_site import environment

from twistedmail_mta.cli.times import parse_time
from twistedmail_mta.history import tables
from twistedmail_mta.history.keys import EPOCH, outcome_key
from twistedmail_mta.history.story import Kind, Outcome, packed
from twistedmail_mta.history.writer import Batch, write_batch
from twistedmail_mta.model import id_text
from twistedmail_mta.store.aside import AsideDatabase
from twistedmail_mta.store.owner import make_state_directory

NOW = 1_800_000_000.0
NOTHING = (None,) * 8


def id_at(at: float) -> int:
    return int((at - EPOCH) * 1000) << 21


def noted(command: Command, *stories: dict[str, object], steps: Sequence[tuple[object, ...]] = ()) -> None:
    """Write a history as a server would."""
    make_state_directory(command.state_dir)
    database = AsideDatabase(command.state_dir / tables.NAME, tables.MIGRATIONS)
    rows = [tuple(each.get(name) for name in tables.STORY_COLUMNS) for each in stories]
    terms = [(step[0], outcome_key("bounced")) for step in steps if step[2] == Kind.failed]
    database.write(lambda tx: write_batch(tx, Batch(rows, list(steps), terms)))  # type: ignore[arg-type]
    database.close()


LIFE = {
    "id": id_at(NOW),
    "at": NOW + 0.25,
    "outcome": Outcome.accepted,
    "sender": "ann@sender.test",
    "recipients": "bob@home.test\ncleo@far.test",
    "message_id": "1@sender.test",
    "size": 2100,
    "protocol": "ESMTPS",
    "peer": "192.0.2.1",
    "helo": "mail.sender.test",
    "listener": "mx",
    "session": id_text(id_at(NOW - 1)),
    "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384",
    "verdicts": packed([("greylist", "recipient", "250 2.0.0 known"), ("door", "connected", "250 2.0.0 welcome")]),
    "refused": packed([("eve@home.test", "550 5.1.1 No such address here")]),
    "filed": packed([("bob@home.test", "INBOX", 7)]),
}
STEPS = (
    (LIFE["id"], int((NOW + 1) * 1e6), Kind.deferred, "cleo@far.test", "far.test", "mx.far.test [192.0.2.9]",
     0, None, "450 4.2.0 busy \x1b[31m", 1, NOW + 900, None),
    (LIFE["id"], int((NOW + 900) * 1e6), Kind.failed, "cleo@far.test", "far.test", "mx.far.test [192.0.2.9]",
     1, "DANE", "550 5.1.1 no such user", 2, None, None),
    (LIFE["id"], int((NOW + 901) * 1e6), Kind.told, "ann@sender.test", *NOTHING[1:], packed([id_at(NOW + 901)])),
)  # fmt: skip
REFUSED = {
    "id": id_at(NOW + 5),
    "at": NOW + 5,
    "outcome": Outcome.refused,
    "sender": "joe@strangers.test",
    "peer": "192.0.2.66",
    "command": "RCPT",
    "refused": packed([("ann@elsewhere.test", "550 5.7.1 Relaying denied")]),
}


def test_the_life_of_a_message(command: Command) -> None:
    """Every event in order, with the words of the others; nothing in them commands the terminal."""
    noted(command, LIFE, steps=STEPS)
    result = command("trace", "bob@home.test")
    assert result.exit_code == 0
    said = result.output
    assert said.splitlines()[0] == f"{id_text(id_at(NOW))}  delivered, bounced, refused"
    for order in (
        "192.0.2.1 connected to the listener mx",
        "It called itself mail.sender.test",
        "The connection is encrypted: TLSv1.3",
        "Plugin door, at the stage connected: 250 2.0.0 welcome",
        "MAIL FROM:<ann@sender.test>",
        "Recipient <eve@home.test> was refused: 550 5.1.1 No such address here",
        "Plugin greylist, at the stage recipient: 250 2.0.0 known",
        "Accepted as",
        "Delivered into INBOX of <bob@home.test>, UID 7.",
        "Attempt 1 for <cleo@far.test> by way of far.test: not now. mx.far.test [192.0.2.9]: 450 4.2.0 busy \ufffd[31m",
        "Attempt 2 for <cleo@far.test> by way of far.test: failed for good over TLS, verified by DANE.",
        f"<ann@sender.test> is told by the report {id_text(id_at(NOW + 901))}.",
    ):
        _, found, said = said.partition(order)
        assert found, f"{order!r} isn't behind what came before it:\n{result.output}"


def test_json(command: Command) -> None:
    """For programs: the same, with ids as people write them, and times as numbers."""
    noted(command, LIFE, REFUSED, steps=STEPS)
    told = command.json("trace", "--outcome", "bounced")
    (message,) = told["messages"]
    assert told["more"] is False
    assert message["id"] == id_text(id_at(NOW))
    assert message["outcomes"] == ["bounced", "deferred", "delivered", "refused"]
    assert message["filed"] == [{"recipient": "bob@home.test", "mailbox": "INBOX", "uid": 7}]
    assert [step["kind"] for step in message["steps"]] == ["deferred", "failed", "told"]
    assert [event["at"] for event in message["timeline"]] == sorted(event["at"] for event in message["timeline"])


def test_a_page_of_several(command: Command) -> None:
    """The newest first, a line each; --limit says how many, and where to go on."""
    noted(command, LIFE, REFUSED)
    lines = command("trace").stdout.splitlines()
    assert lines[0].split() == ["time", "id", "became", "from", "to"]
    assert [line.split()[2] for line in lines[1:]] == [id_text(id_at(NOW + 5)), id_text(id_at(NOW))]
    assert "joe@strangers.test" in lines[1]
    assert "ann@elsewhere.test" in lines[1]

    result = command("trace", "--limit", "1")
    assert id_text(id_at(NOW)) not in result.stdout
    assert "There may be more: go on with --until" in result.stderr


def test_why_did_they_get_a_550(command: Command) -> None:
    """By the recipient they wrote to, or by their own address."""
    noted(command, LIFE, REFUSED)
    for words in (["ann@elsewhere.test"], ["--from", "joe@strangers.test"], ["192.0.2.66"]):
        said = command("trace", *words).output
        assert "Recipient <ann@elsewhere.test> was refused: 550 5.7.1 Relaying denied" in said
        assert "No recipient was taken, so no message came." in said


def test_nothing_found(command: Command) -> None:
    """The exit status tells; JSON stays JSON."""
    noted(command, LIFE)
    result = command("trace", "nobody@sender.test")
    assert (result.exit_code, result.output) == (1, "Nothing in the history matches.\n")
    result = command("trace", "nobody@sender.test", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (1, {"messages": [], "more": False})


def test_there_is_no_history(command: Command) -> None:
    """It is said where it would be."""
    result = command("trace", "ann@sender.test")
    assert result.exit_code == 1
    assert "there is no history yet" in result.output


def test_a_file_that_is_no_history(command: Command) -> None:
    """In words, not with a traceback."""
    make_state_directory(command.state_dir)
    (command.state_dir / tables.NAME).write_bytes(b"x" * 10_000)
    result = subprocess.run(
        [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(command.file), "trace"],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "can't be used" in result.stderr


@pytest.mark.parametrize("words", [["word"], ["--since", "yesterday"], ["--domain", "no domain"]])
def test_what_cannot_be_meant(command: Command, words: list[str]) -> None:
    """A mistake is named, and nothing is searched."""
    result = command("trace", *words)
    assert result.exit_code == 2
    assert "Invalid value" in result.output


def test_times() -> None:
    """How long ago, or when, in local time."""
    assert abs(parse_time("2h") - (time.time() - 7200)) < 5
    assert parse_time("2026-11-30 14:05") == time.mktime((2026, 11, 30, 14, 5, 0, 0, 0, -1))
    assert parse_time("2026-11-30T14:05:00+0100") == 1796043900.0
    assert time.localtime(parse_time("14:05"))[3:5] == (14, 5)


@pytest.mark.parametrize("width", [40, 100])
def test_on_a_screen(command: Command, width: int) -> None:
    """No line is longer than the screen is wide."""
    noted(command, LIFE, steps=STEPS)
    main, side = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(command.file), "trace", "bob@home.test"],
        env=environment() | {"COLUMNS": str(width)}, stdin=side, stdout=side, stderr=side, check=True,
    )  # fmt: skip
    os.close(side)
    said = b""
    try:
        while block := os.read(main, 65536):
            said += block
    except OSError:
        pass  # the end of a terminal
    os.close(main)
    lines = said.decode().splitlines()
    assert max(map(len, lines)) <= width
    assert "INBOX" in said.decode()
