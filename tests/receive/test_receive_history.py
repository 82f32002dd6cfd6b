"""What sessions tell the history: whatever becomes of a message, there is one story of it."""

from __future__ import annotations

from typing import Any

import pytest
from reception import Reception
from zope.interface import directlyProvides

from twistedmail_mta import stages
from twistedmail_mta.history import scribe
from twistedmail_mta.history.query import outcomes_of
from twistedmail_mta.history.scribe import History
from twistedmail_mta.history.story import Filed, Outcome, Refused, Story, Verdict
from twistedmail_mta.history.telling import timeline
from twistedmail_mta.model import Address, Reply
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.stages import AddHeader, Hold, RemoveRecipient, Tag

TEXT = b"Message-ID: <1@strangers.test>\r\nSubject: hi\r\n\r\ntext\r\n.\r\n"


class Notes:
    """A recorder that keeps what it is given."""

    wants = True

    def __init__(self) -> None:
        self.stories: list[Story] = []
        self.dropped = 0

    def now(self) -> float:
        return 1_800_000_000.0

    def story(self, row: tuple[Any, ...], weight: int = 1) -> None:
        self.stories.append(Story.of(row, ()))

    def drop(self) -> None:
        self.dropped += 1


class Says:
    """A plugin that answers at one stage."""

    def __init__(self, stage: Any, answer: Any) -> None:
        (method,) = stage.names()

        async def act(*_: Any) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        setattr(self, method, act)
        directlyProvides(self, stage)


def noting(*plugins: tuple[str, Any, Any], abstains: bool = False, **options: Any) -> tuple[Reception, Notes]:
    """A listener that tells a history, and asks plugins: their names, stages and answers."""
    notes = Notes()
    asked = [Plugin(name, Says(stage, answer), 10.0, abstains, False) for name, stage, answer in plugins]
    reception = Reception(plugins=asked, options={"history": History(notes), **options})  # type: ignore[arg-type]
    return reception, notes


def send(reception: Reception, *recipients: str) -> str:
    client = reception.connect()
    client.type("EHLO me", "MAIL FROM:<joe@strangers.test>", *(f"RCPT TO:<{each}>" for each in recipients), "DATA")
    return client.send(TEXT)


def test_a_message_that_was_taken() -> None:
    """Who, by which door, to whom, and the recipients that weren't; its id is that of the answer."""
    reception, notes = noting()
    assert send(reception, "u1@home.test", "nobody@home.test", "ann@elsewhere.test").startswith("250")

    (story,) = notes.stories
    assert story.id == reception.acceptance.messages[0].id
    assert (story.outcome, story.sender, story.recipients) == (
        Outcome.accepted,
        "joe@strangers.test",
        ("u1@home.test",),
    )
    assert (story.peer, story.helo, story.listener) == ("192.168.1.1", "me", "mx")
    assert (story.message_id, story.protocol) == ("1@strangers.test", "ESMTP")
    assert [each.recipient for each in story.refused] == ["nobody@home.test", "ann@elsewhere.test"]
    assert story.refused[1].reply.startswith("550 5.7.1 Relaying denied")
    assert story.filed == (Filed("u1@home.test", "INBOX", 0),)


def test_no_recipient_was_taken() -> None:
    """One row tells of a message that never came, with all that was refused."""
    reception, notes = noting()
    client = reception.connect()
    client.type("EHLO me", "MAIL FROM:<joe@strangers.test>", "RCPT TO:<nobody@home.test>", "RSET")

    (story,) = notes.stories
    assert (story.outcome, story.command) == (Outcome.refused, "RCPT")
    assert story.refused == (Refused("nobody@home.test", "550 5.1.1 no such address"),)


@pytest.mark.parametrize("end", ["RSET", "QUIT", None])
def test_a_client_that_goes_away(end: str | None) -> None:
    """Whether it says so or not: the message was given up."""
    reception, notes = noting()
    client = reception.connect()
    client.type("EHLO me", "MAIL FROM:<joe@strangers.test>", "RCPT TO:<u1@home.test>")
    if end is None:
        client.hang_up()
    else:
        client.type(end)
        client.hang_up()
    assert [(story.outcome, story.recipients) for story in notes.stories] == [(Outcome.abandoned, ("u1@home.test",))]


def test_plugins_have_their_say() -> None:
    """Each that didn't abstain: which, at which stage, and what it said; mail after that begins anew."""
    reception, notes = noting(
        ("door", stages.IConnectPolicy, Reply(250, "2.0.0", "welcome")),
        ("silent", stages.IMailPolicy, None),
        ("marker", stages.IMessagePolicy, (Tag("spam", "no"), AddHeader("X-Seen", "a secret"))),
        ("keeper", stages.IMessagePolicy, (Hold("look at it"),)),
    )
    for _ in range(2):
        assert send(reception, "u1@home.test").startswith("250")

    for story in notes.stories:
        assert story.verdicts == (
            Verdict("door", "connected", "250 2.0.0 welcome"),
            Verdict("marker", "message", "changed: Tag, AddHeader"),
            Verdict("keeper", "message", "changed: Hold"),
        )
        assert story.detained == "hold by keeper: look at it"
        assert story.tags == "spam=no"
    assert "secret" not in repr(notes.stories)


def test_plugins_that_abstain() -> None:
    """They are known, too: somebody may ask whether the mail was looked at."""
    reception, notes = noting(
        ("door", stages.IConnectPolicy, None),
        ("scanner", stages.IMessagePolicy, None),
        ("marker", stages.IMessagePolicy, (Tag("spam", "no"),)),
    )
    assert send(reception, "u1@home.test").startswith("250")
    said = [event.text for event in timeline(notes.stories[0])]
    assert "Plugins that had nothing to say: door (connected), scanner (message)." in said


def test_a_client_that_is_too_slow() -> None:
    """It is said that we ended it, and why."""
    reception, notes = noting()
    client = reception.connect()
    client.type("EHLO me", "MAIL FROM:<joe@strangers.test>", "RCPT TO:<u1@home.test>")
    reception.clock.advance(301)
    client.hang_up()
    (story,) = notes.stories
    assert story.outcome == Outcome.refused
    assert story.reply.startswith("421 4.4.2 Timeout")


def test_a_second_message_of_a_session() -> None:
    """It doesn't show what plugins said of the first."""
    reception, notes = noting(("marker", stages.IMessagePolicy, (Tag("spam", "no"),)))
    client = reception.connect()
    client.type("EHLO me")
    for _ in range(2):
        client.type("MAIL FROM:<joe@strangers.test>", "RCPT TO:<u1@home.test>", "DATA")
        client.send(TEXT)
    assert [len(story.verdicts) for story in notes.stories] == [1, 1]


def test_a_plugin_refuses_the_message() -> None:
    """The reply, who said so, and the recipients that had been taken."""
    reception, notes = noting(("scanner", stages.IMessagePolicy, Reply(550, "5.7.1", "not here")))
    assert send(reception, "u1@home.test").startswith("550")

    (story,) = notes.stories
    assert (story.outcome, story.command, story.reply) == (Outcome.refused, "the message", "550 5.7.1 not here")
    assert story.recipients == ("u1@home.test",)
    assert story.verdicts == (Verdict("scanner", "message", "550 5.7.1 not here"),)


@pytest.mark.parametrize(
    ("stage", "command", "sender"),
    [
        (stages.IConnectPolicy, "connect", None),
        (stages.IHelloPolicy, "HELLO", None),
        (stages.IMailPolicy, "MAIL", "joe@strangers.test"),
    ],
)
def test_refused_before_there_is_a_recipient(stage: Any, command: str, sender: str | None) -> None:
    """An administrator finds why somebody wasn't let in."""
    reception, notes = noting(("gate", stage, Reply(550, "5.7.1", "not you")))
    reception.connect().type("EHLO me", "MAIL FROM:<joe@strangers.test>")

    story = notes.stories[0]
    assert (story.command, story.sender) == (command, sender)
    assert story.reply.endswith("5.7.1 not you")
    assert story.verdicts[0].plugin == "gate"


def test_a_plugin_that_fails_and_abstains() -> None:
    """It is no wonder any more why it didn't see the mail."""
    reception, notes = noting(("broken", stages.IRecipientPolicy, ValueError("bug")), abstains=True)
    assert send(reception, "u1@home.test").startswith("250")
    assert notes.stories[0].verdicts == (Verdict("broken", "recipient", "failed: ValueError"),)


def test_discarded() -> None:
    """The client heard 250, and the message isn't anywhere."""
    reception, notes = noting(("eater", stages.IMessagePolicy, (RemoveRecipient(Address("u1", "home.test")),)))
    assert send(reception, "u1@home.test").startswith("250")
    assert [story.outcome for story in notes.stories] == [Outcome.discarded]


def test_a_login_that_fails() -> None:
    """The mechanism and the answer, never what was typed."""
    reception, notes = noting()
    reception.role = "submission"
    reception.factory.serve(reception._listener())
    client = reception.connect()
    client.type("EHLO me", "AUTH PLAIN AGpvZQB3cm9uZw==")  # joe, wrong

    assert [outcomes_of(story) for story in notes.stories] == [{"refused"}]
    assert notes.stories[0].reply == "535 5.7.8 no"
    assert "wrong" not in repr(notes.stories)


def test_who_knocks_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals that belong to no mail are noted up to a number in a second, and counted beyond."""
    monkeypatch.setattr(scribe, "MOST_A_SECOND", 3)
    reception, notes = noting(("gate", stages.IHelloPolicy, Reply(550, "5.7.1", "not you")))
    for _ in range(5):
        client = reception.connect()
        client.type("EHLO me")
        client.hang_up()
    assert (len(notes.stories), notes.dropped) == (3, 2)


def test_a_mistake_of_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever breaks there, the client hears that its message was accepted, for it was."""
    reception, notes = noting()
    monkeypatch.setattr(notes, "story", None)
    assert send(reception, "u1@home.test").startswith("250")
    assert len(reception.acceptance.messages) == 1


def test_history_that_is_off() -> None:
    """Nothing is put together for it."""
    reception, notes = noting()
    notes.wants = False
    assert send(reception, "u1@home.test").startswith("250")
    assert notes.stories == []
