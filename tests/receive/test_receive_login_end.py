"""A login that ends while its session goes on: the session ends, but no message is cut off."""

from __future__ import annotations

import base64

import pytest
from reception import Client, Reception

from twistedmail_mta.tasks import Promise

LOGIN = "AUTH PLAIN " + base64.b64encode(b"\0ann@example.org\0secret").decode()
ENVELOPE = ("MAIL FROM:<ann@example.org>", "RCPT TO:<bob@relayed.test>")
FAREWELL = "421 4.7.0 Your login has ended: please log in again\r\n"


@pytest.fixture
def reception() -> Reception:
    """Return a submission listener where the tests may log in without TLS."""
    return Reception("submission")


def logged_in(reception: Reception) -> Client:
    client = reception.connect()
    assert client.type("EHLO me", LOGIN).startswith("235")
    assert len(reception.logins.watchers) == 1
    return client


def test_idle_session(reception: Reception) -> None:
    """It is told at once, and over."""
    client = logged_in(reception)

    reception.logins.end()

    assert client.said() == FAREWELL
    assert not client.connected
    assert reception.logins.watchers == []


def test_next_command(reception: Reception) -> None:
    """Between MAIL and DATA the next command is answered so, whichever it is."""
    client = logged_in(reception)
    client.type(*ENVELOPE)

    reception.logins.end()
    assert client.said() == ""

    assert client.type("DATA") == FAREWELL
    assert not client.connected
    assert reception.acceptance.messages == []


def test_message_on_its_way(reception: Reception) -> None:
    """A message whose text was being sent is taken; then the session is over."""
    client = logged_in(reception)
    client.type(*ENVELOPE, "DATA", "Subject: x", "")
    reception.logins.end()

    said = client.type("text", ".")

    assert said.startswith("250")
    assert said.endswith(FAREWELL)
    assert not client.connected
    assert len(reception.acceptance.messages) == 1


def test_command_being_answered(reception: Reception) -> None:
    """What is under way is answered; what was pipelined behind it isn't begun."""
    reception.acceptance.gate = Promise()
    client = logged_in(reception)
    client.type(*ENVELOPE, "DATA")
    client.send(b"Subject: x\r\n\r\ntext\r\n.\r\nMAIL FROM:<ann@example.org>\r\n")

    reception.logins.end()
    assert client.said() == ""
    reception.acceptance.gate.resolve(None)

    assert client.said().splitlines()[-1] == FAREWELL.strip()
    assert not client.connected
    assert len(reception.acceptance.messages) == 1


def test_client_that_left(reception: Reception) -> None:
    """Nobody is watched for a session that is over."""
    client = logged_in(reception)
    client.hang_up()

    assert reception.logins.watchers == []


def test_sessions_without_a_login(reception: Reception) -> None:
    """A login that failed isn't watched."""
    client = reception.connect()
    client.type("EHLO me", "AUTH PLAIN AGEAYg==")

    assert reception.logins.watchers == []
