"""`mta quarantine` on a real database, with no server running, and with one that listens."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import Result
from mta_command import Command
from test_cli_queue import listening, states
from twisted.internet.task import Clock

from twistedmail_mta.cli import quarantine
from twistedmail_mta.cli.offline import ImmediateDatabase, body_store, finished
from twistedmail_mta.model import Address, Detention, Envelope, InlineBody, Message, Origin, Recipient, id_text
from twistedmail_mta.spool.owners import Host
from twistedmail_mta.spool.spool import Spool
from twistedmail_mta.spool.tenure import begin_tenure
from twistedmail_mta.store.owner import make_state_directory
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.tasks import TaskGroup

NOW = 1_800_000_000.0
BODY = b"Hello\x1b]0;owned\x07 \xc3\xa4\xff\r\n\x9b31m\xe2\x80\xaered\r\n"
HEADER = b"Subject: win\r\n\tnow \x1b[2J\r\n\r\n"
LOOPING = b"Delivered-To: Abuse@kept.test\r\n" + HEADER
SAFE = "Subject: win\n now \ufffd[2J\n\n"
SAFE_BODY = "Hello\ufffd]0;owned\ufffd \u00e4\ufffd\n\ufffd31m\ufffdred\n"


def detained(
    command: Command,
    *recipients: str,
    sender: str = "eve@example.org",
    kind: Any = "quarantine",
    reason: str = "99 points",
    body: bytes = BODY,
    header: bytes = HEADER,
    at: float = NOW,
) -> str:
    """Put a message where a server would that a plugin wants kept; return its id."""
    make_state_directory(command.state_dir)
    clock = Clock()
    clock.advance(at)
    with SyncDatabase(command.state_dir / "mta.db") as database:
        rows = ImmediateDatabase(database)
        tenure = finished(begin_tenure(rows, clock, clock.seconds, Host("a boot", 1)))
        spool = Spool(rows, body_store(command.state_dir), TaskGroup(), tenure)
        to = tuple(Recipient(Address(*address.split("@"))) for address in recipients)
        message = Message(
            id=spool.new_id(),
            envelope=Envelope(Address(*sender.split("@")) if sender else Address("", ""), to),
            header=header,
            body=InlineBody(body),
            origin=Origin("ESMTP", "192.0.2.1", "evil.example", None, "mx"),
            received_at=at,
        )
        finished(spool.accept(message, False, detention=Detention(kind, reason, "rspamd")))
    return id_text(message.id)


def said(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output.strip()


def listed(command: Command, *selection: str) -> list[str]:
    return [each["id"] for each in command.json("quarantine", "list", *selection)]


def test_nothing_there(command: Command) -> None:
    """Said in words, and as an empty array."""
    assert said(command("quarantine", "list")) == "Nothing is in quarantine."
    assert command.json("quarantine", "list") == []
    assert said(command("quarantine", "list", "--from", "a@*")) == "Nothing in quarantine matches."
    for action in ("release", "delete"):
        assert said(command("quarantine", action, "--all")) == "Nothing that matches is in quarantine."


def test_list(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line a message for programs, few columns on a screen; what is only held isn't there."""
    name = detained(command, "bob@example.net", "kim@example.net", "joe@example.net", "ann@example.net")
    detained(command, "bob@example.net", kind="hold")

    heading, line = command("quarantine", "list").output.splitlines()
    assert heading.split() == ["ID", "Size", "Age", "From", "To", "Reason"]
    assert line.split()[0] == name
    assert line.endswith(" bob@example.net +3              99 points (rspamd)")
    (as_json,) = command.json("quarantine", "list")
    assert as_json["detention"] == {"kind": "quarantine", "reason": "99 points", "plugin": "rspamd"}
    assert (as_json["helo"], as_json["listener"], as_json["peer"]) == ("evil.example", "mx", "192.0.2.1")
    assert [each["state"] for each in as_json["recipients"]] == ["quarantined"] * 4

    monkeypatch.setattr(quarantine, "_is_screen", lambda: True)
    lines = command("quarantine", "list").output.splitlines()
    assert lines[0].split()[0] == name
    assert lines[1:] == [
        "    to bob@example.net, kim@example.net, joe@example.net +1", "    99 points (rspamd)", "1 message.",
    ]  # fmt: skip


def test_selection(command: Command) -> None:
    """As those of the queue; the reason is a text that is looked for in it."""
    first = detained(command, "bob@example.net", sender="")
    second = detained(command, "kim@example.com", reason="holds a virus: X", at=NOW + 5)

    assert listed(command) == [first, second]
    assert listed(command, "--from", "<>") == listed(command, "--to", "bob@*") == listed(command, first) == [first]
    assert listed(command, "--reason", "VIRUS") == listed(command, "--domain", "example.com") == [second]
    assert listed(command, "--from", "<>", "--reason", "virus") == []
    assert "must be a time with its unit" in command("quarantine", "list", "--older", "yesterday").output


def test_show(command: Command) -> None:
    """Envelope, origin, reason, header; nothing in it commands the terminal."""
    name = detained(command, "bob@example.net", reason="99\ufffd points")

    text = said(command("quarantine", "show", name))
    assert "came from 192.0.2.1, which said evil.example, to listener mx" in text
    assert "quarantined: 99\ufffd points (rspamd)" in text
    assert "to bob@example.net: quarantined" in text
    assert text.endswith(SAFE.strip())
    assert command("quarantine", "show", name, "--body").output.endswith("\n\n" + SAFE + SAFE_BODY)
    as_json = command.json("quarantine", "show", name)
    assert (as_json["id"], as_json["header"], "body" in as_json) == (name, SAFE, False)
    assert command.json("quarantine", "show", name, "--body")["body"] == SAFE_BODY


def test_show_raw(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Octet for octet into a file, never onto a terminal."""
    name = detained(command, "bob@example.net", body=BODY * 10_000)

    assert command("quarantine", "show", name, "--raw").stdout_bytes == HEADER + BODY * 10_000
    monkeypatch.setattr(quarantine, "_is_screen", lambda: True)
    refused = command("quarantine", "show", name, "--raw")
    assert (refused.exit_code, "may command a terminal" in refused.output) == (2, True)
    assert "\x1b" not in refused.output
    assert command("quarantine", "show", name, "--raw", "--body").exit_code == 2


def test_letters_cut_by_blocks(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are whole again, wherever the body is cut."""
    name = detained(command, "bob@example.net")
    for size in (1, 2, 3, 7):
        monkeypatch.setattr(quarantine, "_BLOCK", size)
        assert command.json("quarantine", "show", name, "--body")["body"] == SAFE_BODY


def test_show_of_what_isnt_there(command: Command) -> None:
    """What is gone, and what is only held."""
    held = detained(command, "bob@example.net", kind="hold")
    for name in ("0000000000001", held):
        result = command("quarantine", "show", name)
        assert (result.exit_code, f"not in quarantine: {name}" in result.output) == (1, True)


def test_release(command: Command) -> None:
    """To their recipients; a server that runs is told at once."""
    name = detained(command, "bob@example.net", "kim@example.net")
    other = detained(command, "joe@example.net")

    with listening(command) as heard:
        assert said(command("quarantine", "release", name)) == "1 message released."

    assert [each["command"] for each in heard] == ["queue.look"]
    assert listed(command) == [other]
    assert states(command) == {
        "bob@example.net": "waiting", "kim@example.net": "waiting", "joe@example.net": "quarantined",
    }  # fmt: skip
    assert command.json("quarantine", "release", "--from", "eve@*") == {"action": "release", "to": None, "messages": 1}


def test_release_to_another_address(command: Command) -> None:
    """Kept here; another isn't taken, and then nothing happens."""
    command.file.write_text(command.file.read_text() + '[domains."kept.test"]\n')
    command("account", "add", "abuse@kept.test", "--password-stdin", stdin="correct horse\n")
    name = detained(command, "bob@example.net", "kim@example.net")

    for address, complaint in (
        ("abuse@else.test", "isn't hosted here"),
        ("nobody@kept.test", "is nobody here who takes mail"),
    ):
        result = command("quarantine", "release", name, "--to", address)
        assert (result.exit_code, complaint in result.output) == (1, True)
    assert "must be an address" in command("quarantine", "release", name, "--to", "abuse").output
    assert listed(command) == [name]

    assert said(command("quarantine", "release", name, "--to", "abuse@kept.test")) == (
        "1 message released to abuse@kept.test."
    )
    assert states(command) == {"abuse@kept.test": "waiting"}


def test_release_to_where_it_would_be_refused(command: Command) -> None:
    """A message can say of anybody that he had it: nothing is released then, for nobody might hear of its end."""
    command.file.write_text(command.file.read_text() + '[domains."kept.test"]\n')
    command("account", "add", "abuse@kept.test", "--external")
    command("alias", "add", "team@kept.test", "abuse@kept.test")
    names = [detained(command, "bob@example.net"), detained(command, "bob@example.net", header=LOOPING)]

    for address in ("abuse@kept.test", "team@kept.test"):
        result = command("quarantine", "release", *names, "--to", address)
        assert (result.exit_code, f"{names[1]} says that {address} had it before" in result.output) == (1, True)

    assert listed(command) == names
    assert said(command("quarantine", "release", names[0], "--to", "team@kept.test")).startswith("1 message released")


def test_delete(command: Command) -> None:
    """By what is said of them; the others stay."""
    first, second = detained(command, "bob@example.net"), detained(command, "kim@example.com", reason="virus")
    third = detained(command, "joe@example.com", sender="tim@example.org")

    assert said(command("quarantine", "delete", "--reason", "virus", "--to", "*@example.com")) == "1 message deleted."
    assert listed(command) == [first, third]
    assert command.json("quarantine", "delete", third, second) == {"action": "delete", "messages": 1}
    assert said(command("quarantine", "delete", "--all")) == "1 message deleted."
    assert command.json("queue", "list") == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["delete"], "Say which messages: IDs, --to,"),
        (["release"], "Say which messages: IDs, --from"),
        (["delete", "--all", "--to", "*"], "Say which messages"),
        (["release", "--to", "abuse@kept.test"], "Say which messages"),
        (["delete", "nonsense"], "not a queue id"),
        (["show", "nonsense"], "not a queue id"),
    ],
)
def test_mistakes_change_nothing(command: Command, arguments: list[str], complaint: str) -> None:
    """A forgotten id must not empty it."""
    name = detained(command, "bob@example.net")

    result = command("quarantine", *arguments)

    assert result.exit_code == 2
    assert complaint in result.output
    assert listed(command) == [name]


@pytest.mark.parametrize("action", [["release"], ["delete"], ["bounce"], ["hold"], ["retry"], ["reroute", "--back"]])
def test_the_queue_leaves_it_alone(command: Command, action: list[str]) -> None:
    """Of many it passes over them; named, it says where to go, and does nothing to the others either."""
    name, held = detained(command, "bob@example.net"), detained(command, "kim@example.net", kind="hold")

    result = command("queue", *action, name, held)

    assert result.exit_code == 1
    assert f"in quarantine, so nothing was done: {name};" in result.output
    assert states(command) == {"bob@example.net": "quarantined", "kim@example.net": "held"}
    for selection in (["--all"], ["--domain", "example.net"], ["--from", "eve@*"], ["--reason", "99*"]):
        assert command("queue", *action, *selection).exit_code == 0
    assert states(command)["bob@example.net"] == "quarantined"


def test_the_queue_shows_why(command: Command) -> None:
    """Of what is held as of what is in quarantine."""
    detained(command, "bob@example.net")
    held = detained(command, "kim@example.net", kind="hold", reason="")

    lines = command("queue", "list").output.splitlines()
    assert "quarantined" in lines[1]
    assert lines[1].endswith("99 points (rspamd)")
    assert lines[2].endswith("(rspamd)")
    assert "held: (rspamd)" in command("queue", "show", held).output
    (shown,) = command.json("queue", "show", held)
    assert shown["detention"] == {"kind": "hold", "reason": "", "plugin": "rspamd"}
    assert json.loads(json.dumps(shown)) == shown
