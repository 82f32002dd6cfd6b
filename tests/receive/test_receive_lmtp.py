"""The listener of role lmtp: hosted recipients only, each with an answer of its own."""

from __future__ import annotations

from typing import Any

import pytest
from reception import Client, Reception, Transport, mailboxes
from twisted.internet.address import UNIXAddress
from zope.interface import directlyProvides

from twistedmail_mta.model import Address, Recipient, Via
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.stages import IMessagePolicy, SetNextHop

LMTP = ("LHLO me", "MAIL FROM:<joe@strangers.test>")
TEXT = ("DATA", "Subject: x", "", "Hello", ".")


def begin(reception: Reception, *recipients: str) -> Client:
    client = reception.connect()
    client.type(*LMTP, *(f"RCPT TO:<{each}>" for each in recipients))
    return client


def test_greeting_and_trace_say_lmtp() -> None:
    """Both ends, and whoever reads the message, know what was spoken."""
    reception = Reception(role="lmtp")
    client = reception.connect()

    assert client.said() == "220 mail.example.org LMTP\r\n"
    client.type(*LMTP, "RCPT TO:<u1@home.test>", *TEXT)

    (message,) = reception.acceptance.messages
    assert b"by mail.example.org with LMTP id " in message.header
    assert message.origin.protocol == "LMTP"


def test_it_never_relays() -> None:
    """What isn't kept here is refused, relayed domains included, for whoever connects."""
    client = begin(Reception(role="lmtp", admin="admin@relayed.test", limits={"errors_before_delay": 9}))

    for path in ("x@else.test", "ann@relayed.test", "postmaster", "x%else.test@home.test"):
        assert client.type(f"RCPT TO:<{path}>").startswith("550 5.7.1")


def test_each_rcpt_gets_an_answer() -> None:
    """Those that were refused get none, those named twice get two."""
    reception = Reception(role="lmtp")

    said = begin(reception, "u1@home.test", "nobody@home.test", "u2@home.test", "u1@home.test").type(*TEXT)

    assert [line[:9] for line in said.splitlines()] == ["250 2.0.0"] * 3
    assert reception.acceptance.local[0].deliveries == mailboxes(1, 2)  # type: ignore[union-attr]


def test_what_comes_back_is_refused_to_that_recipient() -> None:
    """Nobody has to be told later: the answer says it, and the queue gets nothing."""
    reception = Reception(role="lmtp")
    client = begin(reception, "u1@home.test", "u2@home.test")

    said = client.type("DATA", "Delivered-To: u1@home.test", "Subject: x", "", ".")

    assert [line[:9] for line in said.splitlines()] == ["554 5.4.6", "250 2.0.0"]
    assert reception.acceptance.local[0].deliveries == mailboxes(2)  # type: ignore[union-attr]
    assert reception.acceptance.messages[0].envelope.recipients == ()


def test_answers_where_a_plugin_chose_the_next_hop() -> None:
    """Each is taken by the queue, for there; what comes back is refused to that recipient, and goes nowhere."""

    class Filter:
        async def message(self, *_: Any) -> Any:
            return (SetNextHop("smtp://127.0.0.1:10024"),)

    directlyProvides(filtering := Filter(), IMessagePolicy)
    reception = Reception(role="lmtp", plugins=(Plugin("filter", filtering, 1.0, False),))
    client = begin(reception, "u1@home.test", "u2@home.test", "nobody@home.test")

    said = client.type("DATA", "Delivered-To: u1@home.test", "Subject: x", "", ".")

    assert [line[:9] for line in said.splitlines()] == ["554 5.4.6", "250 2.0.0"]
    assert reception.acceptance.local == [None]
    u2 = Recipient(Address("u2", "home.test"), via=Via("smtp://127.0.0.1:10024"))
    assert reception.acceptance.messages[0].envelope.recipients == (u2,)


def test_aliases_forward_from_here() -> None:
    """Who stands for an address elsewhere is sent on, which is no relaying: the site says so."""
    reception = Reception(role="lmtp")

    assert begin(reception, "away@home.test").type(*TEXT).startswith("250")
    assert [str(each.address) for each in reception.acceptance.messages[0].envelope.recipients] == ["ann@else.test"]


def test_chunks() -> None:
    """BDAT, whose last chunk is answered for each."""
    reception = Reception(role="lmtp")
    client = begin(reception, "u1@home.test", "u2@home.test")

    assert client.send(b"BDAT 14\r\nSubject: x\r\n\r\n") == "250 2.0.0 Chunk OK\r\n"
    said = client.send(b"BDAT 7 LAST\r\nHello\r\n")

    assert [line[:9] for line in said.splitlines()] == ["250 2.0.0"] * 2


def test_no_login() -> None:
    """Who gets at the socket is trusted with that, and with nothing else."""
    client = Reception(role="lmtp").connect()

    assert "AUTH" not in client.type("LHLO me")
    assert client.type("AUTH PLAIN AGEAYg==").startswith("500")


class SocketTransport(Transport):
    """A unix socket: its peer has no address, and TCP's options mean nothing to it."""

    def getPeer(self) -> UNIXAddress:  # type: ignore[override]  # noqa: N802
        return UNIXAddress(None)

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        raise OSError("not supported")


@pytest.mark.parametrize("role", ["lmtp", "mx"])
def test_unix_sockets(role: str) -> None:
    """The trace tells of the client by its name alone, and TLS isn't offered."""
    reception = Reception(role=role, options={"tls": object()})
    client = Client(reception, SocketTransport())
    hello = "LHLO me" if role == "lmtp" else "EHLO me"

    assert "STARTTLS" not in client.type(hello)
    client.type("MAIL FROM:<joe@strangers.test>", "RCPT TO:<u1@home.test>", *TEXT)

    (message,) = reception.acceptance.messages
    assert message.header.startswith(b"Received: from me\r\n\tby mail.example.org with ")
    assert message.origin.peer == ""
