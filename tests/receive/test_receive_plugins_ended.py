"""Plugins hear when a transaction is over, and whether its message was taken."""

from __future__ import annotations

from typing import Any

import pytest
from reception import Reception
from zope.interface import implementer

from twistedmail_mta import stages
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Address, Reply
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.tasks import Promise

ENVELOPE = ("EHLO client.test", "MAIL FROM:<ann@sender.test>", "RCPT TO:<bob@relayed.test>")


@implementer(stages.IMailPolicy, stages.IMessagePolicy, stages.IEndedObserver)
class Notes:
    """Writes down what it hears; refuses what it is told to."""

    def __init__(self) -> None:
        self.ended_with: list[bool] = []
        self.begun: list[str] = []
        self.over: list[str] = []
        self.refuses_mail: Reply | None = None
        self.answer: Any = None

    async def sender(self, client: stages.Client, mail: stages.MailFrom) -> Reply | None:
        self.begun.append(mail.id)
        return self.refuses_mail

    async def message(self, client: stages.Client, message: stages.Arriving) -> Any:
        return self.answer

    async def ended(self, client: stages.Client, mail: stages.MailFrom, taken: bool) -> None:
        assert client.host == "192.168.1.1"
        self.over.append(mail.id)
        self.ended_with.append(taken)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def reception(notes: Notes) -> Reception:
    return Reception(plugins=(Plugin("notes", notes, 10.0, False),))


def test_taken(reception: Reception, notes: Notes) -> None:
    """Once for each message."""
    client = reception.connect()
    for _ in range(2):
        assert client.type(*ENVELOPE, "DATA", "Subject: x", "", ".").startswith("250")

    assert notes.ended_with == [True, True]
    assert notes.over == notes.begun


@pytest.mark.parametrize("last", ["RSET", "EHLO again.test", "QUIT"])
def test_given_up(reception: Reception, notes: Notes, last: str) -> None:
    """By whatever ends a transaction."""
    client = reception.connect()
    client.type(*ENVELOPE, last)
    client.hang_up()

    assert notes.ended_with == [False]


def test_refused(reception: Reception, notes: Notes) -> None:
    """By any plugin, or because the disk is full."""
    notes.answer = Reply(550, "5.7.1", "no")
    client = reception.connect()
    assert client.type(*ENVELOPE, "DATA", "Subject: x", "", ".").startswith("550")
    notes.answer = None
    reception.acceptance.gate = Promise()
    reception.acceptance.gate.fail(TemporaryError(Reply(452, "4.3.1", "full")))
    assert client.type(*ENVELOPE, "DATA", "Subject: x", "", ".").startswith("452")

    assert notes.ended_with == [False, False]


def test_discarded(reception: Reception, notes: Notes) -> None:
    """The client was told that it was taken."""
    bob = stages.RemoveRecipient(Address("bob", "relayed.test"))
    notes.answer = (bob,)

    assert reception.connect().type(*ENVELOPE, "DATA", "Subject: x", "", ".").startswith("250")
    assert notes.ended_with == [True]


def test_gone_while_it_is_written(reception: Reception, notes: Notes) -> None:
    """What the writer has is taken, whoever still listens."""
    reception.acceptance.gate = Promise()
    client = reception.connect()
    client.type(*ENVELOPE, "DATA", "Subject: x", "", ".")
    client.hang_up()
    reception.acceptance.gate.resolve(None)

    assert notes.ended_with == [True]
    assert len(reception.acceptance.messages) == 1


def test_a_refused_mail_is_no_transaction(reception: Reception, notes: Notes) -> None:
    """It never began."""
    notes.refuses_mail = Reply(450, "4.7.1", "later")
    client = reception.connect()
    client.type(*ENVELOPE)
    client.hang_up()

    assert notes.ended_with == []
