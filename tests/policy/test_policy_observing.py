"""What plugins are told of mail that was accepted: when it is in mailboxes, and of each attempt."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock
from zope.interface import directlyProvides

from twistedmail_mta import stages
from twistedmail_mta.mail.structure import structure
from twistedmail_mta.model import (
    Address,
    Claim,
    Deferred,
    Delivered,
    Delivery,
    Envelope,
    Failed,
    InlineBody,
    LocalMail,
    Message,
    Origin,
    Outcome,
    Recipient,
    Reply,
    Settlement,
    Tags,
    Unconfirmed,
    Withdrawn,
    id_text,
)
from twistedmail_mta.pipeline import Pipeline
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.policy.observing import Observation
from twistedmail_mta.tasks import TaskGroup

ANN, BOB = Address("ann", "home.test"), Address("bob", "elsewhere.test")
HEADER = b"Subject: x\r\n\r\n"
OBSERVERS = (stages.IDeliveredObserver, stages.IDeferredObserver, stages.IBouncedObserver, stages.IMailboxObserver)


def observation() -> tuple[Observation, list[tuple[str, Any]]]:
    """An observation with a plugin that remembers what it was told, and by which method."""
    told: list[tuple[str, Any]] = []

    class Notes:
        def __getattr__(self, method: str) -> Any:
            async def note(value: Any) -> None:
                told.append((method, value))

            return note

    notes = Notes()
    directlyProvides(notes, *OBSERVERS)
    return Observation(Pipeline((Plugin("notes", notes, 1.0, False),), Clock()), TaskGroup()), told


def message(tags: Tags = ()) -> Message:
    envelope, origin = Envelope(ANN, (Recipient(BOB),)), Origin("ESMTPSA", account="ann@home.test")
    return Message(7, envelope, HEADER, InlineBody(b"Hello\r\n"), origin, 0.0, tags)


@pytest.mark.parametrize(
    ("outcome", "method"),
    [
        (Delivered(Reply(250, "2.0.0", "ok"), "mx [192.0.2.1]"), "delivered"),
        (Deferred(Reply(450, "4.2.0", "busy"), "mx [192.0.2.1]"), "deferred"),
        (Unconfirmed(Reply(451, "4.4.2", "lost"), "mx [192.0.2.1]"), "deferred"),
        (Failed(Reply(550, "5.1.1", "no"), "mx [192.0.2.1]"), "bounced"),
    ],
)
def test_an_attempt(outcome: Any, method: str) -> None:
    """Who, what was said, how often it was tried, and what plugins noted before."""
    seen, told = observation()

    seen.attempted(message((("score", "7"),)), Settlement(Claim(7, 0, 1, Recipient(BOB), 2, 0.0, 0), outcome, 5.0))

    attempt = stages.Attempted(
        id_text(7), ANN, BOB, "ann@home.test", outcome.reply, "mx [192.0.2.1]", 3, {"score": "7"}
    )
    assert told == [(method, attempt)]


def test_what_is_no_attempt() -> None:
    """Nobody hears of what was given back without one."""
    seen, told = observation()
    outcome: Outcome = Withdrawn()

    seen.attempted(message(), Settlement(Claim(7, 0, 1, Recipient(BOB), 0, 0.0, 0), outcome, 5.0))

    assert told == []


def test_mailboxes() -> None:
    """Whose they are, their names, and what was noted."""
    seen, told = observation()
    mail = message((("score", "7"),))

    seen.stored(mail, LocalMail(structure(HEADER, b"Hello\r\n"), (Delivery(1, ANN, "Junk"),)))

    assert told == [("stored", stages.Stored(id_text(7), ANN, ((ANN, "Junk"),), mail.size, {"score": "7"}))]
