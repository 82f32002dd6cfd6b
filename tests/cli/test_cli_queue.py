"""`mta queue` on a real database, with no server running, and with one that listens."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import Result
from mta_command import Command
from twisted.internet.task import Clock

from twistedmail_mta.cli import queue
from twistedmail_mta.cli.offline import ImmediateDatabase, ImmediatePool, finished
from twistedmail_mta.control.wire import SOCKET_NAME
from twistedmail_mta.model import Address, Envelope, InlineBody, Message, Origin, Recipient, Tags, Via, id_text
from twistedmail_mta.spool.owners import Host
from twistedmail_mta.spool.spool import Spool
from twistedmail_mta.spool.tenure import begin_tenure
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.owner import make_state_directory
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.tasks import TaskGroup


def queued(
    command: Command,
    *recipients: str | Recipient,
    sender: str = "ann@example.org",
    claim: bool = False,
    tags: Tags = (),
    header: bytes = b"Subject: test\r\n\r\n",
) -> str:
    """Put a message into the queue as a server would, and return its id."""
    make_state_directory(command.state_dir)
    clock = Clock()
    clock.advance(1_800_000_000.0)
    with SyncDatabase(command.state_dir / "mta.db") as database:
        rows, bodies = ImmediateDatabase(database), BodyStore(ImmediatePool(), command.state_dir / "bodies")
        tenure = finished(begin_tenure(rows, clock, clock.seconds, Host("a boot", 1)))
        spool = Spool(rows, bodies, TaskGroup(), tenure)
        to = tuple(each if isinstance(each, Recipient) else Recipient(Address(*each.split("@"))) for each in recipients)
        message = Message(
            id=spool.new_id(),
            envelope=Envelope(Address(*sender.split("@")) if sender else Address("", ""), to),
            header=header,
            body=InlineBody(b"Hello\r\n"),
            origin=Origin("ESMTPSA", "192.0.2.1", account="ann@example.org"),
            received_at=clock.seconds(),
            tags=tags,
        )
        finished(spool.accept(message, claim))
    return id_text(message.id)


def states(command: Command) -> dict[str, str]:
    messages = command.json("queue", "list")
    return {one["address"]: one["wish"] or one["state"] for message in messages for one in message["recipients"]}


def test_empty_queue(command: Command) -> None:
    """Said in words, and as an empty array."""
    assert command("queue", "list").output == "The queue is empty.\n"
    assert command.json("queue", "list") == []


def test_list_and_show(command: Command) -> None:
    """Who, to whom, since when, and what is next."""
    name = queued(command, "bob@example.net", "eve@example.com")

    listed = command("queue", "list").output.splitlines()
    assert listed[0].split() == ["ID", "Size", "Age", "From", "To", "State", "Next", "try", "Last", "answer"]
    assert listed[1].startswith(name)
    assert "<ann@example.org>" in listed[1]
    assert "eve@example.com" in listed[2]

    shown = command("queue", "show", name)
    assert shown.exit_code == 0
    assert "came from 192.0.2.1, login ann@example.org" in shown.output
    (as_json,) = command.json("queue", "show", name)
    assert [one["address"] for one in as_json["recipients"]] == ["bob@example.net", "eve@example.com"]


def test_show_of_what_plugins_decided(command: Command) -> None:
    """The next hop, the mailbox, and what they noted."""
    bob = Recipient(Address("bob", "example.net"), via=Via("smtp://127.0.0.1:10024", "none"), mailbox="Junk")
    name = queued(command, bob, "eve@example.com", tags=(("score", "7"), ("list", "the news")))

    shown = command("queue", "show", name).output
    assert "by way of smtp://127.0.0.1:10024, into Junk" in shown
    assert '\n  tagged    score=7 list="the news"\n' in shown
    (as_json,) = command.json("queue", "show", name)
    assert as_json["tags"] == {"score": "7", "list": "the news"}
    ways = [(one["via"], one["mailbox"]) for one in as_json["recipients"]]
    assert ways == [("smtp://127.0.0.1:10024", "Junk"), (None, None)]


def test_list_on_a_screen(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """An id is never cut in two, and one line says what comes next; how many there are comes last."""
    name = queued(command, "bob@example.net", "eve@example.com")
    monkeypatch.setattr(queue, "_is_screen", lambda: True)

    lines = command("queue", "list").output.splitlines()

    assert lines[0].split()[0] == name
    assert lines[0].endswith("from <ann@example.org>")
    assert [line.split()[:2] for line in lines[1:3]] == [
        ["bob@example.net:", "waiting,"],
        ["eve@example.com:", "waiting,"],
    ]
    assert lines[-1] == "1 message."
    assert command("queue", "list", "--to", "kim@*").output == "Nothing in the queue matches.\n"


def test_show_of_what_is_gone(command: Command) -> None:
    """What is there is shown, what isn't is named, and the exit status tells."""
    name = queued(command, "bob@example.net")

    result = command("queue", "show", name, "0000000000001")

    assert result.exit_code == 1
    assert name in result.output
    assert "not in the queue: 0000000000001" in result.output


def test_retry_at(command: Command) -> None:
    """In a time, or at one that is to come."""
    name = queued(command, "bob@example.net", "eve@example.com")
    before = time.time()

    assert said(command("queue", "retry", name, "--at", "2h")).startswith("2 recipients due 2")
    result = command.json("queue", "retry", "--to", "eve@*", "--at", "2099-01-02 03:04")

    assert result == {"action": "retry", "at": time.mktime((2099, 1, 2, 3, 4, 0, 0, 0, -1)), "recipients": 1}
    (message,) = command.json("queue", "show", name)
    bob, eve = (one["due"] for one in message["recipients"])
    assert before + 7200 <= bob <= time.time() + 7200
    assert eve == result["at"]
    assert "is over" in command("queue", "retry", "--all", "--at", "2001-01-01").output
    assert "must be in how long" in command("queue", "retry", "--all", "--at", "soon").output


def test_hold_release_delete(command: Command) -> None:
    """By id, by recipient, by sender, by domain; the others stay as they are."""
    first = queued(command, "bob@example.net", "eve@example.com")
    queued(command, "kim@example.net", sender="")

    assert said(command("queue", "hold", first)) == "2 recipients on hold."
    assert states(command) == {"bob@example.net": "held", "eve@example.com": "held", "kim@example.net": "waiting"}
    assert said(command("queue", "release", "--to", "bob@*")) == "1 recipient released."
    assert said(command("queue", "hold", "--domain", "Example.NET", "--from", "<>")) == "1 recipient on hold."
    assert states(command) == {"bob@example.net": "waiting", "eve@example.com": "held", "kim@example.net": "held"}
    assert said(command("queue", "retry", "--all")) == "1 recipient due now."
    assert command.json("queue", "delete", "--domain", "example.net") == {"action": "delete", "recipients": 2}
    assert states(command) == {"eve@example.com": "held"}
    assert said(command("queue", "retry", "--all")).startswith("Nothing that matches waits")
    assert said(command("queue", "delete", "--all")) == "1 recipient deleted."
    assert command.json("queue", "list") == []


def said(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output.strip()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["delete"], "Say which messages"),
        (["delete", "--all", "--to", "*"], "Say which messages"),
        (["hold", "nonsense"], "not a queue id"),
        (["hold", "--domain", "no domain"], "is no domain name"),
    ],
)
def test_mistakes_change_nothing(command: Command, arguments: list[str], complaint: str) -> None:
    """A forgotten id must not empty the queue."""
    queued(command, "bob@example.net")

    result = command("queue", *arguments)

    assert result.exit_code != 0
    assert complaint in result.output
    assert states(command) == {"bob@example.net": "waiting"}


def test_predicates(command: Command) -> None:
    """By login, by age, by the last answer; what isn't a name or a time is told."""
    queued(command, "bob@example.net")

    assert command.json("queue", "hold", "--account", "Tim@example.org")["recipients"] == 0
    assert command.json("queue", "hold", "--reason", "full")["recipients"] == 0
    assert command.json("queue", "hold", "--account", "Ann@Example.ORG", "--reason", "not tried yet")["recipients"] == 1
    assert "must be a time with its unit" in command("queue", "list", "--older", "yesterday").output


def test_suspend_and_resume(command: Command) -> None:
    """What waits is counted, what is suspended listed, and what isn't told."""
    queued(command, "bob@example.net", "eve@example.com")

    assert said(command("queue", "suspend", "--domain", "Example.NET")) == (
        "Suspended domain example.net; 1 recipient waiting for that to end."
    )
    assert said(command("queue", "suspend", "--lane", "smtp://Relay.example")).startswith(
        "Suspended lane smtp://relay.example:25; 0 recipients"
    )
    assert [(one["suspended"], one["name"], one["recipients"]) for one in command.json("queue", "suspended")] == [
        ("domain", "example.net", 1),
        ("lane", "smtp://relay.example:25", 0),
    ]
    assert states(command) == {"bob@example.net": "suspended", "eve@example.com": "waiting"}
    assert said(command("queue", "resume", "--domain", "example.net")) == (
        "Resumed domain example.net; 1 recipient going on.\nStill suspended: lane smtp://relay.example:25."
    )
    assert states(command) == {"bob@example.net": "waiting", "eve@example.com": "waiting"}
    gone = command("queue", "resume", "--domain", "example.net")
    assert (gone.exit_code, "domain example.net is not suspended" in gone.output) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["suspend"], "Say one of"),
        (["suspend", "--all", "--domain", "example.net"], "Say one of"),
        (["suspend", "--account", "nobody"], "Invalid value"),
        (["reroute", "--all"], "Say --via HOP"),
        (["reroute", "--all", "--back", "--tls", "none"], "Say --via HOP"),
        (["reroute", "--all", "--via", "mx"], "name a host"),
        (["reroute", "--all", "--via", "discard"], "--via: must be"),
        (["reroute", "--all", "--via", "filter+mx"], "--via: a content filter is"),
        (["reroute", "--all", "--via", "pigeon://roof"], "--via:"),
        (["reroute", "--via", "smtp://relay.example"], "Say which messages"),
        (["bounce"], "Say which messages"),
    ],
)
def test_half_said_is_not_done(command: Command, arguments: list[str], complaint: str) -> None:
    """Nothing changes before all is clear."""
    queued(command, "bob@example.net")

    result = command("queue", *arguments)

    assert result.exit_code == 2
    assert complaint in result.output
    assert states(command) == {"bob@example.net": "waiting"}
    assert command.json("queue", "suspended") == []


def test_reroute_and_bounce(command: Command) -> None:
    """Both are seen in the list."""
    queued(command, "bob@example.net", "eve@example.com")

    rerouted = command("queue", "reroute", "--via", "smtp://relay.example", "--tls", "required", "--to", "bob@*")
    assert said(rerouted) == "1 recipient sent by way of smtp://relay.example:25."
    ways = {one["address"]: one["via"] for message in command.json("queue", "list") for one in message["recipients"]}
    assert ways == {"bob@example.net": "smtp://relay.example:25", "eve@example.com": None}
    assert said(command("queue", "reroute", "--back", "--all")) == "2 recipients sent the way of the site file."

    assert said(command("queue", "bounce", "--to", "eve@*")).startswith("1 recipient given up")
    assert states(command) == {"bob@example.net": "waiting", "eve@example.com": "failed"}


def test_summary(command: Command) -> None:
    """Totals first, then the largest groups; the rest is told of."""
    assert command("queue", "summary").output == "The queue is empty.\n"
    queued(command, "bob@example.net", "eve@example.com", "kim@example.net")

    lines = [line.split() for line in command("queue", "summary", "--limit", "1").output.splitlines()]

    assert lines[0] == ["Domain", "Total", "<10m", "<1h", "<4h", "<12h", "<1d", "<2d", "2d+"]
    assert [line[:2] for line in lines[1:3]] == [["TOTAL", "3"], ["example.net", "2"]]
    assert " ".join(lines[3]) == "And 1 more with 1 recipient; --limit shows more."
    for by, name in (("lane", "example.net"), ("reason", "not tried yet"), ("account", "ann@example.org")):
        counted = command.json("queue", "summary", "--by", by)
        assert (counted["recipients"], counted["groups"][0]["name"]) == (3, name)
    assert command.json("queue", "summary", "--by", "age")["recipients"] == 3


def test_mailboxes_are_a_lane(command: Command) -> None:
    """What waits for mailboxes here is counted as one, for domains of the site file and of the database alike."""
    command.file.write_text(command.file.read_text() + '[domains."kept.test"]\n')
    assert command("domain", "add", "added.test").exit_code == 0
    queued(command, "bob@kept.test", "eve@added.test", "kim@example.net")

    lanes = command.json("queue", "summary", "--by", "lane")["groups"]

    assert [(one["name"], one["recipients"]) for one in lanes] == [("mailbox", 2), ("example.net", 1)]
    assert said(command("queue", "suspend", "--lane", "mailbox")).startswith("Suspended lane mailbox")


def test_running_server_is_told(command: Command) -> None:
    """Of recipients that are being delivered the server hears who holds them; until then it is a wish."""
    name = queued(command, "bob@example.net", claim=True)

    with listening(command) as heard:
        assert said(command("queue", "hold", name)) == "1 recipient on hold."

    (request,) = heard
    assert request["command"] == "queue.changed"
    ((_, place, owner),) = request["arguments"]["recipients"]
    assert (place, owner is None, request["arguments"]["wanted"]) == (0, False, False)
    assert states(command) == {"bob@example.net": "hold"}


@contextmanager
def listening(command: Command) -> Iterator[list[dict[str, object]]]:
    """A server that takes one connection, and agrees to everything."""
    heard: list[dict[str, object]] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.settimeout(10)
        server.bind(str(command.state_dir / SOCKET_NAME))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            connection.settimeout(10)
            with connection, connection.makefile("rwb", buffering=0) as stream:
                stream.write(b'{"control":1}\n')
                for line in stream:
                    heard.append(json.loads(line))
                    stream.write(b'{"result":{}}\n')

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield heard
        thread.join(15)
