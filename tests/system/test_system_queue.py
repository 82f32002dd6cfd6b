"""`mta queue` and a running server: what is suspended, sent another way, or given up."""

from __future__ import annotations

import json
import smtplib
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mail_sink import Sink, running_sink
from running_site import ACCOUNT, PASSWORD, RunningSite, wait_until

BOB = "bob@far.test"


@pytest.fixture
def far() -> Iterator[Sink]:
    """The next hop of far.test and of nothing else."""
    with running_sink() as sink:
        yield sink


@pytest.fixture
def home() -> Iterator[Sink]:
    """Where everything else goes: what is for the sender is found here."""
    with running_sink() as sink:
        yield sink


@pytest.fixture
def site(directory: Path, far: Sink, home: Sink) -> Iterator[RunningSite]:
    """A running site with a login."""
    site = RunningSite(
        directory,
        f'[[route]]\nmatch = {{ to_domain = "far.test" }}\nvia = "smtp://127.0.0.1:{far.port}"\n'
        f'[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{home.port}"\n'
        '[queue]\nretry = ["1s"]\nretry_cap = "1s"\n',
    )
    site.start()
    site.add_account(ACCOUNT, PASSWORD)
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def send(site: RunningSite, to: str = BOB) -> str:
    """Submit a message; return what marks it."""
    mark = uuid.uuid4().hex
    with smtplib.SMTP("127.0.0.1", site.ports["submission"], timeout=20) as client:
        client.login(ACCOUNT, PASSWORD)
        client.sendmail(ACCOUNT, [to], f"Subject: {mark}\r\n\r\nhello\r\n")
    return mark


def has(sink: Sink, mark: str) -> bool:
    return any(mark.encode() in message.data for message in sink.messages)


def listed(site: RunningSite, *selection: str) -> list[dict[str, Any]]:
    found = json.loads(site.mta("queue", "list", "--json", *selection).stdout)
    return [recipient for message in found for recipient in message["recipients"]]


@pytest.mark.parametrize("kind", ["--lane", "--account"])
def test_suspend_and_resume(site: RunningSite, far: Sink, home: Sink, kind: str) -> None:
    """Mail goes on to be accepted and waits, through a restart, until the end of the suspension."""
    named = [kind, ACCOUNT if kind == "--account" else f"smtp://127.0.0.1:{far.port}"]
    site.mta("queue", "suspend", *named)

    mark = send(site)
    wait_until(lambda: listed(site, "--to", BOB)[0]["state"] == "suspended")
    if kind == "--lane":
        other = send(site, "carol@home.test")
        wait_until(lambda: has(home, other))
    assert site.stop() == 0
    site.start()
    (suspension,) = json.loads(site.mta("queue", "suspended", "--json").stdout)
    assert (suspension["suspended"], suspension["recipients"]) == (kind[2:], 1)
    assert not far.messages

    site.mta("queue", "resume", *named)

    wait_until(lambda: has(far, mark))
    assert site.mta("queue", "suspended").stdout == "Nothing is suspended.\n"
    assert listed(site) == []


def test_a_suspension_nobody_told_of(site: RunningSite, far: Sink) -> None:
    """The socket may be gone: the server notices by itself, within seconds."""
    socket = site.state / "control.sock"
    hidden = socket.rename(socket.with_name("hidden"))
    site.mta("queue", "suspend", "--all")
    hidden.rename(socket)

    def is_kept() -> bool:
        mark = send(site)
        wait_until(lambda: has(far, mark) or listed(site))
        return not has(far, mark)

    wait_until(is_kept)
    assert {each["state"] for each in listed(site)} <= {"suspended", "waiting"}
    site.mta("queue", "resume", "--all")
    wait_until(lambda: listed(site) == [])


def test_reroute(site: RunningSite, far: Sink, home: Sink) -> None:
    """What its next hop defers is delivered by another, at once."""
    far.answer = lambda line: "451 4.3.2 not today" if line.startswith("MAIL") else None
    mark = send(site)
    wait_until(lambda: "not today" in listed(site)[0]["reply"])

    said = site.mta("queue", "reroute", "--via", f"smtp://127.0.0.1:{home.port}", "--reason", "*not today*").stdout

    assert said == f"1 recipient sent by way of smtp://127.0.0.1:{home.port}.\n"
    wait_until(lambda: has(home, mark))
    assert not has(far, mark)
    wait_until(lambda: listed(site) == [])


def test_bounce(site: RunningSite, far: Sink, home: Sink) -> None:
    """The sender is told, by the administrator's wish; nothing is tried any more."""
    far.answer = lambda line: "451 4.3.2 not today" if line.startswith("MAIL") else None
    mark = send(site)
    wait_until(lambda: listed(site)[0]["attempts"])

    site.mta("queue", "bounce", "--domain", "far.test", "--account", ACCOUNT)

    wait_until(lambda: has(home, mark))
    (report,) = home.messages
    assert report.sender.startswith("<>")
    assert b"Status: 5.7.1" in report.data
    assert b"Rejected by the administrator" in report.data
    wait_until(lambda: listed(site) == [])


def test_bounce_of_what_is_being_tried(site: RunningSite, far: Sink, home: Sink) -> None:
    """It is done when that attempt ends without delivery."""
    asked, answer = threading.Event(), threading.Event()

    def slow(line: str) -> str | None:
        if not line.startswith("MAIL"):
            return None
        asked.set()
        answer.wait(20)
        return "451 4.3.2 not today"

    far.answer = slow
    mark = send(site)
    assert asked.wait(20)
    site.mta("queue", "bounce", "--to", BOB)
    (recipient,) = listed(site)
    assert (recipient["state"], recipient["wish"]) == ("active", "bounce")

    answer.set()

    wait_until(lambda: has(home, mark))
    wait_until(lambda: listed(site) == [])


def test_summary(site: RunningSite, far: Sink) -> None:
    """By next hop as the routes say, and by the reason the next hop gave."""
    far.answer = lambda line: "452 4.2.2 The mailbox is full" if line.startswith("RCPT") else None
    for _ in range(3):
        send(site)
    wait_until(lambda: all(each["attempts"] for each in listed(site)))
    (reason,) = {each["reason"] or "452 4.2.2" for each in listed(site)}

    lanes = json.loads(site.mta("queue", "summary", "--by", "lane", "--json").stdout)
    reasons = json.loads(site.mta("queue", "summary", "--by", "reason", "--json").stdout)

    assert [(each["name"], each["recipients"]) for each in lanes["groups"]] == [(f"smtp://127.0.0.1:{far.port}", 3)]
    assert [(each["name"], each["recipients"]) for each in reasons["groups"]] == [(reason, 3)]
    assert site.mta("queue", "summary").stdout.splitlines()[1].split()[:3] == ["TOTAL", "3", "3"]
    site.mta("queue", "delete", "--all")
