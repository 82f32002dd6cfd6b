"""The callout of a backup MX: what the next hop says, what is remembered, and what happens when it is down."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest
import pytest_twisted
from scripted_host import DROP, SILENCE, Scene, ScriptedHost
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from twistedmail_mta.deliver import callout as subject
from twistedmail_mta.deliver.callout import (
    DOWN_FOR,
    KNOWN_FOR,
    MAX_QUESTIONS,
    TIME_LIMIT,
    TOO_BUSY,
    UNKNOWN_FOR,
    Callout,
)
from twistedmail_mta.deliver.router import Router, RouteRule
from twistedmail_mta.interfaces import IRecipientCheck
from twistedmail_mta.model import Address, Discard, NextHop, Refuse, Reply, Route

NO = b"550 5.1.1 <bob@inside.example> secret details\r\n"
REFUSAL = Reply(550, "5.1.1", "The recipient's own mail host refuses this recipient")


class Backup:
    """A callout for a domain whose next hop is a scripted host, under a clock of its own."""

    def __init__(self, scene: Scene, host: ScriptedHost | None, route: Route | None = None) -> None:
        route = route or NextHop("127.0.0.1", host.port if host else 1)
        router = Router([RouteRule(("example.net",), route)], NextHop("", 25, mx=True))
        self.clock = Clock()
        self.callout = Callout(scene.dialer(), scene.hosts(), router, self.clock)

    def verify(self, name: str = "bob") -> Awaitable[Reply | None]:
        return Deferred.fromCoroutine(self.callout.verify(Address(name, "example.net")))


@pytest_twisted.ensureDeferred
async def test_known_recipient(scene: Scene) -> None:
    """The host is asked once a day, with the null sender and without DATA."""
    host = scene.host()
    backup = Backup(scene, host)

    assert await backup.verify() is None
    backup.clock.advance(KNOWN_FOR - 1)
    assert await backup.verify() is None
    assert len(host.sessions) == 1
    await host.sessions[0].gone
    assert [line.split(b" SIZE")[0] for line in host.commands] == [
        b"EHLO mail.example.org",
        b"MAIL FROM:<>",
        b"RCPT TO:<bob@example.net>",
        b"QUIT",
    ]
    backup.clock.advance(2)
    assert await backup.verify() is None
    assert len(host.sessions) == 2


@pytest_twisted.ensureDeferred
async def test_unknown_recipient(scene: Scene) -> None:
    """A refusal is passed on without the words of the inner host, and asked again after two hours."""
    host = scene.host(answers={"RCPT": NO})
    backup = Backup(scene, host)

    assert await backup.verify() == REFUSAL
    backup.clock.advance(UNKNOWN_FOR - 1)
    assert await backup.verify() == REFUSAL
    assert len(host.sessions) == 1
    host.answers.clear()
    backup.clock.advance(2)
    assert await backup.verify() is None


@pytest.mark.parametrize(
    "answers",
    [
        {"RCPT": b"450 4.7.1 greylisted\r\n"},
        {"MAIL": b"550 5.7.1 no null sender\r\n"},
        {"RCPT": DROP},
        {"RCPT": b"?\r\n"},
    ],
)
@pytest_twisted.ensureDeferred
async def test_undecided(scene: Scene, answers: dict[str, Any]) -> None:
    """What is no word on the recipient lets the mail in, and isn't remembered."""
    host = scene.host(answers=answers)
    backup = Backup(scene, host)

    assert await backup.verify() is None
    assert await backup.verify() is None
    assert len(host.sessions) == 2


@pytest.mark.parametrize("answers", [{"GREETING": b"554 no\r\n"}, {"EHLO": DROP}])
@pytest_twisted.ensureDeferred
async def test_next_hop_down(scene: Scene, answers: dict[str, Any]) -> None:
    """A host that is down is what a backup is for: mail is taken, and the host left alone for a minute."""
    host = scene.host(answers=answers)
    backup = Backup(scene, host)

    assert await backup.verify("bob") is None
    assert await backup.verify("eve") is None
    assert len(host.sessions) == 1
    host.answers = {"RCPT": NO}
    backup.clock.advance(DOWN_FOR + 1)
    assert await backup.verify("eve") == REFUSAL


@pytest_twisted.ensureDeferred
async def test_what_is_known_outlasts_a_failure(scene: Scene) -> None:
    """While the next hop is down, whom it refused before stays refused."""
    host = scene.host(answers={"RCPT": NO})
    backup = Backup(scene, host)
    assert await backup.verify("bob") == REFUSAL

    host.answers = {"GREETING": DROP}
    assert await backup.verify("eve") is None
    assert await backup.verify("bob") == REFUSAL


@pytest_twisted.ensureDeferred
async def test_time_limit(scene: Scene) -> None:
    """A host that keeps us waiting counts as down."""
    host = scene.host(answers={"RCPT": SILENCE})
    backup = Backup(scene, host)

    waiting = backup.verify()
    await _until(scene, lambda: any(line.startswith(b"RCPT") for line in host.commands))
    backup.clock.advance(TIME_LIMIT)

    assert await waiting is None
    assert await backup.verify("eve") is None
    assert len(host.sessions) == 1


@pytest_twisted.ensureDeferred
async def test_concurrent_questions_are_one(scene: Scene) -> None:
    """Many clients that ask for one recipient cost one connection."""
    host = scene.host(answers={"RCPT": NO})
    backup = Backup(scene, host)

    waiting = [backup.verify() for _ in range(10)]

    assert [await answer for answer in waiting] == [REFUSAL] * 10
    assert len(host.sessions) == 1


@pytest_twisted.ensureDeferred
async def test_one_who_gives_up_takes_nobody_along(scene: Scene) -> None:
    """A client that hangs up cancels its own wait only."""
    host = scene.host(answers={"RCPT": NO})
    backup = Backup(scene, host)

    first, second = backup.verify(), backup.verify()
    first.addErrback(lambda _failure: None)  # type: ignore[attr-defined]
    first.cancel()  # type: ignore[attr-defined]

    assert await second == REFUSAL


@pytest_twisted.ensureDeferred
async def test_too_many_questions(scene: Scene) -> None:
    """A dictionary attack opens no more than a few connections; closing gives up on them."""
    host = scene.host(answers={"RCPT": SILENCE})
    backup = Backup(scene, host)

    waiting = [backup.verify(f"n{number}") for number in range(MAX_QUESTIONS + 1)]
    for answer in waiting:
        answer.addErrback(lambda _failure: "given up")  # type: ignore[attr-defined]

    assert await waiting[-1] == TOO_BUSY
    await backup.callout.close()
    assert [await answer for answer in waiting[:-1]] == ["given up"] * MAX_QUESTIONS


@pytest_twisted.ensureDeferred
async def test_memory_is_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The least recently used answers go first."""
    monkeypatch.setattr(subject, "MAX_ANSWERS", 2)
    host = scene.host()
    backup = Backup(scene, host)

    for name in ("a", "b", "a", "c", "a", "b"):
        await backup.verify(name)

    asked = [line.split(b"<")[1][:1] for line in host.commands if line.startswith(b"RCPT")]
    assert asked == [b"a", b"b", b"c", b"b"]


@pytest_twisted.ensureDeferred
async def test_second_host_is_asked(scene: Scene) -> None:
    """When the first host of the next hop is down, another one knows too."""
    host = scene.host("127.0.0.3", answers={"RCPT": NO})
    scene.tables.address_table["relay.example.net"] = ["127.0.0.2", "127.0.0.3"]
    backup = Backup(scene, None, NextHop("relay.example.net", host.port))

    assert await backup.verify() == REFUSAL


@pytest.mark.parametrize(
    ("route", "answer"), [(Discard(), None), (Refuse(Reply(550, "5.1.2", "gone")), Reply(550, "5.1.2", "gone"))]
)
@pytest_twisted.ensureDeferred
async def test_routes_without_a_host(scene: Scene, route: Route, answer: Reply | None) -> None:
    """The site file alone decides where there is nobody to ask."""
    assert await Backup(scene, None, route).verify() == answer


@pytest.mark.parametrize(
    ("records", "status"), [("missing", "5.1.2"), ([(0, "")], "5.1.10"), ([(10, "x.example")], "4.4.4")]
)
@pytest_twisted.ensureDeferred
async def test_mail_that_leads_nowhere(scene: Scene, records: Any, status: str) -> None:
    """What would fail at once is refused before it is taken; what may be mended is taken."""
    scene.tables.mx_table["example.net"] = records
    refusal = await Backup(scene, None, NextHop("", 25, mx=True)).verify()

    assert (refusal.status if refusal else "4.4.4") == status


def test_it_is_a_recipient_check(scene: Scene) -> None:
    """It fits where the receiving side asks."""
    assert verifyObject(IRecipientCheck, Backup(scene, None).callout)


async def _until(scene: Scene, happened: Any) -> None:
    while not happened():
        turn: Deferred[None] = Deferred()
        scene.reactor.callLater(0, turn.callback, None)
        await turn
