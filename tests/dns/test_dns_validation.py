"""Whether name servers are known to validate."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from twistedmail_mta.dns.codec import Question, Response
from twistedmail_mta.dns.upstream import SERVER_FAILED, UNANSWERED
from twistedmail_mta.dns.validation import (
    DISPROVEN_FOR,
    NO_SERVER,
    PROVEN_FOR,
    UNDECIDED_FOR,
    Probe,
    Validation,
)
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.tasks import TaskGroup

PROBE = Probe("signed.test", "broken.test")
FAILS, SILENT = TemporaryError(SERVER_FAILED), TemporaryError(UNANSWERED)
SIGNED, PLAIN = Response("found", authentic=True), Response("found")


class Server:
    """Answers about each zone as told."""

    def __init__(self, signed: Any = SIGNED, broken: Any = FAILS) -> None:
        self.answers = {"signed.test": signed, "broken.test": broken}
        self.asked: list[str] = []

    async def ask(self, question: Question) -> Response:
        self.asked.append(question.name)
        answer = self.answers[question.name]
        if isinstance(answer, Exception):
            raise answer
        return answer


def validation(*servers: Server, clock: Clock | None = None, probe: Probe | None = PROBE) -> Validation:
    named = [(f"192.0.2.{place}", each) for place, each in enumerate(servers)]
    return Validation(clock or Clock(), named, probe, TaskGroup())


def verdict(of: Validation) -> tuple[str, str]:
    results: list[Any] = []
    Deferred.fromCoroutine(of.verdict()).addBoth(results.append)
    (found,) = results
    return found.state, found.reason


def test_proven() -> None:
    """It vouches for what is signed and has no answer about what is broken."""
    assert verdict(validation(Server())) == ("proven", "")


@pytest.mark.parametrize(
    ("signed", "broken", "state", "words"),
    [
        (PLAIN, FAILS, "disproven", "doesn't vouch for signed.test"),
        (SIGNED, PLAIN, "disproven", "has an answer about broken.test"),
        (SIGNED, SIGNED, "disproven", "has an answer about broken.test"),
        (FAILS, FAILS, "undecided", "doesn't say whether signed.test is signed"),
        (SILENT, FAILS, "undecided", "doesn't say whether signed.test is signed"),
        (SIGNED, SILENT, "undecided", "doesn't answer about broken.test"),
    ],
)
def test_not_proven(signed: Any, broken: Any, state: str, words: str) -> None:
    """No AD bit, answers that should have failed, or no answers: nobody relies on it."""
    found, reason = verdict(validation(Server(signed, broken)))

    assert found == state
    assert words in reason


def test_all_servers_count() -> None:
    """One that doesn't validate spoils it; one that is silent does no harm."""
    assert verdict(validation(Server(), Server(PLAIN)))[0] == "disproven"
    assert verdict(validation(Server(SILENT), Server()))[0] == "proven"


def test_nobody_to_ask() -> None:
    """Without a server whose AD bit counts there is nothing to prove."""
    assert verdict(validation()) == ("disproven", NO_SERVER)
    assert verdict(validation(probe=None)) == ("disproven", NO_SERVER)


def test_trusted_by_the_site() -> None:
    """Where the site says that they validate, they aren't asked."""
    server = Server(PLAIN)

    assert verdict(validation(server, probe=None)) == ("proven", "")
    assert server.asked == []


@pytest.mark.parametrize(
    ("server", "lasts"), [(Server(), PROVEN_FOR), (Server(PLAIN), DISPROVEN_FOR), (Server(SILENT), UNDECIDED_FOR)]
)
def test_asked_again(server: Server, lasts: float) -> None:
    """What was found out stands for a time, not for ever."""
    clock = Clock()
    of = validation(server, clock=clock)
    before = verdict(of)
    asked = len(server.asked)

    clock.advance(lasts - 1)
    assert verdict(of) == before
    assert len(server.asked) == asked

    clock.advance(1)
    server.answers = {"signed.test": SIGNED, "broken.test": FAILS}
    assert verdict(of) == ("proven", "")
    assert len(server.asked) == asked + 2


def test_silence_proves_nothing_new() -> None:
    """A server that validated and is silent now still does; one that has stopped to validate doesn't."""
    clock, server = Clock(), Server()
    of = validation(server, clock=clock)
    verdict(of)

    clock.advance(PROVEN_FOR)
    server.answers["signed.test"] = SILENT
    assert verdict(of)[0] == "proven"

    clock.advance(PROVEN_FOR)
    server.answers["signed.test"] = PLAIN
    assert verdict(of)[0] == "disproven"


def test_looked_at_once() -> None:
    """Behind the scenes it is found out once, however often somebody looks; not where the site answers for it."""
    server, trusted = Server(PLAIN), Server(PLAIN)
    of, by_site = validation(server), validation(trusted, probe=None)

    for _ in range(3):
        of.look()
        by_site.look()

    assert (len(server.asked), trusted.asked) == (1, [])
    assert verdict(of)[0] == "disproven"
    assert len(server.asked) == 1
