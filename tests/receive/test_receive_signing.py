"""Which mail is signed as it is accepted, in whose name, and over which octets."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest
from reception import Client, Reception, Transport
from twisted.internet.address import IPv4Address
from zope.interface import implementer

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import ISigning
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Address, Body, Former, InlineBody, Origin, Reply, id_text
from twistedmail_mta.networks import LOOPBACK
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.receive.signing import domains_of
from twistedmail_mta.stages import AddHeader, IMessagePolicy, SetNextHop

ID = 0x123456789ABCDEF
BEFORE = Origin("ESMTPSA", "192.0.2.7", "client.test", "alias@example.org", "submission")
FIELD = b"DKIM-Signature: x\r\n"
LOGIN = "AUTH PLAIN " + base64.b64encode(b"\0alias@example.org\0secret").decode()


@implementer(ISigning)
class Signing:
    """Notes what it is to sign."""

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, bytes, tuple[str, ...]]] = []
        self.error: Exception | None = None
        self.fields = FIELD
        self.known = True

    async def has_keys(self) -> bool:
        return self.known

    async def signature(self, header: Header, body: Body, domains: Sequence[str]) -> bytes:
        assert isinstance(body, InlineBody)
        self.asked.append((header.block, body.data, tuple(domains)))
        if self.error is not None:
            raise self.error
        return self.fields


@implementer(IMessagePolicy)
class Changing:
    """A plugin that changes each message the same way."""

    def __init__(self, *changes: Any) -> None:
        self.changes = changes

    async def message(self, client: Any, message: Any) -> Any:
        return self.changes


def reception(signing: Signing, role: str = "submission", *changes: Any, **options: Any) -> Reception:
    plugins = [Plugin("changing", Changing(*changes), 5.0, abstains=False)] if changes else []
    return Reception(role=role, plugins=plugins, options={"signing": signing, **options})


def client_of(reception: Reception, host: str = "192.168.1.5") -> Client:
    return Client(reception, Transport(peerAddress=IPv4Address("TCP", host, 54321)))


def submit(reception: Reception, *fields: str) -> str:
    client = client_of(reception)
    client.type("EHLO me", LOGIN, "MAIL FROM:<alias@example.org>", "RCPT TO:<joe@far.test>", "DATA")
    return client.type(*fields, "", "Hello", ".")


def test_submission() -> None:
    """The completed header is signed, without our trace field, which comes on top of the signature."""
    signing = Signing()
    host = reception(signing)

    said = submit(host, "From: <alias@example.org>", "Bcc: secret@far.test", "Subject: x")

    assert said.startswith("250 ")
    ((header, body, domains),) = signing.asked
    assert body == b"Hello\r\n"
    assert domains == ("example.org",)
    assert b"Message-ID:" in header
    assert b"Bcc" not in header
    assert b"Received" not in header
    (message,) = host.acceptance.messages
    assert message.header.startswith(b"Received: ")
    assert message.header.endswith(FIELD + header)


def test_what_plugins_changed_is_signed() -> None:
    """Signing comes after every change, so no signature is broken here."""
    signing = Signing()

    submit(reception(signing, "submission", AddHeader("X-Seen", "yes")), "From: <alias@example.org>")

    assert b"X-Seen: yes" in signing.asked[0][0]


def test_strangers_are_not_signed_for() -> None:
    """Mail of nobody who logged in is handed on as it came."""
    signing = Signing()
    host = reception(signing, "mx")
    client = client_of(host)
    client.type("EHLO me", "MAIL FROM:<ann@example.org>", "RCPT TO:<u1@home.test>", "DATA")

    assert client.type("From: <ann@example.org>", "", "Hello", ".").startswith("250 ")
    assert signing.asked == []
    assert host.acceptance.messages[0].header.count(b"DKIM") == 0


def test_local_copies_are_signed_too() -> None:
    """What goes into mailboxes here is the same message."""
    signing = Signing()
    host = reception(signing)
    client = client_of(host)
    client.type("EHLO me", LOGIN, "MAIL FROM:<alias@example.org>", "RCPT TO:<u1@home.test>", "DATA")

    assert client.type("From: <alias@example.org>", "", "Hello", ".").startswith("250 ")
    assert FIELD in host.acceptance.messages[0].header


def test_mail_for_a_content_filter_is_signed_when_it_comes_back() -> None:
    """The filter may change it; so what it gives back is signed, in the name of who submitted it first."""
    signing = Signing()
    submit(reception(signing, "submission", SetNextHop("filter+lmtp://127.0.0.1:10024")), "From: <alias@example.org>")
    assert signing.asked == []

    host = reception(signing, "reinject", trusted=LOOPBACK)
    host.filtered_mail.known[ID] = Former(BEFORE)
    client = client_of(host, "127.0.0.1")
    client.type("EHLO filter", f"XFORWARD ADDR=192.0.2.7 IDENT={id_text(ID)}", "MAIL FROM:<alias@example.org>")
    client.type("RCPT TO:<joe@far.test>", "DATA")

    assert client.type("From: <alias@example.org>", "X-Filtered: yes", "", "Hello", ".").startswith("250 ")
    ((header, _, domains),) = signing.asked
    assert b"X-Filtered" in header
    assert domains == ("example.org",)


def test_mail_that_was_signed_before_a_filter_had_it() -> None:
    """Where the queue chose the filter, the new signatures replace ours, which it may have broken; others stay."""
    signing = Signing()
    host = reception(signing, "reinject", trusted=LOOPBACK)
    host.filtered_mail.known[ID] = Former(BEFORE)
    client = client_of(host, "127.0.0.1")
    client.type("EHLO filter", f"XFORWARD ADDR=192.0.2.7 IDENT={id_text(ID)}", "MAIL FROM:<alias@example.org>")
    client.type("RCPT TO:<joe@far.test>", "DATA")
    ours = ["DKIM-Signature: v=1; a=rsa-sha256; d=Example.org; s=r;", "\tb=old"]
    others = ["DKIM-Signature: v=1; d=example.net; b=theirs", "DKIM-Signature: nonsense"]

    assert client.type(*ours, *others, "From: <alias@example.org>", "", "Hello", ".").startswith("250 ")
    (message,) = host.acceptance.messages
    assert b"b=old" not in message.header
    assert message.header.endswith(
        FIELD + b"".join(f"{line}\r\n".encode() for line in others) + b"From: <alias@example.org>\r\n"
        + signing.asked[0][0].partition(b"From: <alias@example.org>\r\n")[2]
    )  # fmt: skip


def test_signatures_of_a_submission_stay() -> None:
    """What a login's own program has signed is the login's business."""
    signing = Signing()
    host = reception(signing)

    submit(host, "DKIM-Signature: v=1; d=example.org; b=own", "From: <alias@example.org>")

    assert b"b=own" in host.acceptance.messages[0].header


def test_mail_that_no_key_signs_again() -> None:
    """Without new signatures the earlier ones stay."""
    signing = Signing()
    signing.fields = b""
    host = reception(signing, "reinject", trusted=LOOPBACK)
    host.filtered_mail.known[ID] = Former(BEFORE)
    client = client_of(host, "127.0.0.1")
    client.type("EHLO filter", f"XFORWARD ADDR=192.0.2.7 IDENT={id_text(ID)}", "MAIL FROM:<alias@example.org>")
    client.type("RCPT TO:<joe@far.test>", "DATA")
    client.type("DKIM-Signature: v=1; d=example.org; b=old", "From: <alias@example.org>", "", "Hello", ".")

    assert b"b=old" in host.acceptance.messages[0].header


def test_mail_of_strangers_that_a_filter_gives_back() -> None:
    """It is nobody's who logged in, so nobody signs it."""
    signing = Signing()
    host = reception(signing, "reinject", trusted=LOOPBACK)
    client = client_of(host, "127.0.0.1")
    client.type("EHLO filter", "MAIL FROM:<ann@example.org>", "RCPT TO:<joe@far.test>", "DATA")

    assert client.type("From: <ann@example.org>", "", "Hello", ".").startswith("250 ")
    assert signing.asked == []


@pytest.mark.parametrize("error", [TemporaryError(Reply(451, "4.3.2", "too busy")), ValueError("no key")])
def test_what_cannot_be_signed_waits(error: Exception) -> None:
    """It isn't sent unsigned, which its domain's policy may forbid: the client is to try again."""
    signing = Signing()
    signing.error = error
    host = reception(signing)

    assert submit(host, "From: <alias@example.org>").startswith("451 ")
    assert host.acceptance.messages == []


def test_where_nobody_signs() -> None:
    """Then a submission costs no more than the question whether anybody does."""
    signing = Signing()
    signing.known = False

    assert submit(reception(signing), "From: <alias@example.org>").startswith("250 ")
    assert signing.asked == []


def test_domain_without_keys() -> None:
    """Then nothing is added."""
    signing = Signing()
    signing.fields = b""
    host = reception(signing)

    submit(host, "From: <alias@example.org>")

    assert b"DKIM" not in host.acceptance.messages[0].header


@pytest.mark.parametrize(
    ("author", "domains"),
    [
        (b"From: Ann <ann@Example.COM>", ("example.com", "example.org")),
        (b"From: a@first.test, b@second.test", ("first.test", "example.org")),
        ("From: <ann@bücher.example>".encode(), ("xn--bcher-kva.example", "example.org")),
        (b"From: nobody", ("example.org",)),
        (b"X: y", ("example.org",)),
        (b"From: <ann@example.org>", ("example.org",)),
    ],
)
def test_in_whose_name(author: bytes, domains: tuple[str, ...]) -> None:
    """The author's domain first, for that is what DMARC looks at; then the sender's."""
    assert domains_of(Header(author + b"\r\n\r\n"), Address("ann", "example.org")) == domains
