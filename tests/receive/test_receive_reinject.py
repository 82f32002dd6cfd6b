"""The listener of role reinject: what a content filter gives back, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from reception import Client, Reception, Transport, mailboxes
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.logger import globalLogPublisher
from zope.interface import implementer

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Address, Former, Origin, Reply, id_text
from twistedmail_mta.networks import LOOPBACK, Network, parse_networks
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.stages import FileInto, Grant, IMessagePolicy, IRelayGrant, Tag

ID = 0x123456789ABCDEF
BEFORE = Origin("ESMTPSA", "192.0.2.7", "client.test", "ann@home.test", "submission")
TEXT = ("DATA", "Subject: x", "", "Hello", ".")


def reinject(**options: Any) -> Reception:
    return Reception(role="reinject", options={"trusted": LOOPBACK, **options.pop("options", {})}, **options)


def connect(reception: Reception, host: str = "127.0.0.1") -> Client:
    kind = IPv6Address if ":" in host else IPv4Address
    address: Any = kind("TCP", host, 54321) if host else UNIXAddress(None)
    return Client(reception, Transport(peerAddress=address))


def begin(reception: Reception, *before: str, host: str = "127.0.0.1", mail: str = "<joe@strangers.test>") -> Client:
    client = connect(reception, host)
    client.type("EHLO filter", *before, f"MAIL FROM:{mail}")
    return client


# Who may connect


@pytest.mark.parametrize(
    ("trusted", "host", "let_in"),
    [
        (LOOPBACK, "127.0.0.1", True),
        (LOOPBACK, "127.9.9.9", True),
        (LOOPBACK, "::1", True),
        (LOOPBACK, "::ffff:127.0.0.1", True),
        (LOOPBACK, "", True),
        (LOOPBACK, "10.0.0.7", False),
        (LOOPBACK, "192.0.2.1", False),
        (LOOPBACK, "2001:db8::1", False),
        (LOOPBACK, "fe80::1%eth0", False),
        (parse_networks(["10.0.0.7"]), "10.0.0.7", True),
        (parse_networks(["10.0.0.7"]), "::ffff:10.0.0.7", True),
        (parse_networks(["10.0.0.7"]), "10.0.0.8", False),
        (parse_networks(["10.0.0.7"]), "127.0.0.1", False),
    ],
)
def test_who_may_connect(trusted: tuple[Network, ...], host: str, let_in: bool) -> None:
    """Others are turned away before the greeting, and nothing that they say is heard."""
    reception = reinject(options={"trusted": trusted})
    for _ in range(0 if let_in else 5):
        connect(reception, host)
    client = connect(reception, host)

    said = client.said()

    assert said.startswith("220 " if let_in else "554 5.7.1 ")
    assert client.connected == let_in
    if not let_in:
        assert client.type("EHLO me", "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", *TEXT) == ""
        assert reception.acceptance.messages == []
        assert connect(reception, str(trusted[0][0])).said().startswith("220 ")  # nobody turned away takes a place


# What is taken


@pytest.mark.parametrize(
    "path",
    ["bob@elsewhere.test", "ann@relayed.test", "x%else.test@elsewhere.test", '"a b"@elsewhere.test', "b@[192.0.2.1]"],
)
def test_for_anybody(path: str) -> None:
    """It was granted when it came first, in whatever form; the checks of relayed domains were made then, too."""
    reception = reinject(checks={"relayed.test": None})
    client = begin(reception)

    assert client.type(f"RCPT TO:<{path}>").startswith("250")
    assert client.type(*TEXT).startswith("250")

    (message,) = reception.acceptance.messages
    assert [str(each.address) for each in message.envelope.recipients] == [path]
    assert message.envelope.recipients[0].via is None


def test_for_mailboxes() -> None:
    """Who is kept here gets it with the acceptance; who isn't any more is told to the filter."""
    reception = reinject()
    client = begin(reception)

    for path in ("u1@home.test", "team@home.test", "bob@elsewhere.test"):
        assert client.type(f"RCPT TO:<{path}>").startswith("250")
    assert client.type("RCPT TO:<gone@home.test>").startswith("550 5.1.1")
    assert client.type(*TEXT).startswith("250")

    assert reception.acceptance.local[0].deliveries == mailboxes(1, 3)  # type: ignore[union-attr]
    addresses = [str(each.address) for each in reception.acceptance.messages[0].envelope.recipients]
    assert sorted(addresses) == ["ann@else.test", "bob@elsewhere.test"]


def test_what_was_asked_of_reports() -> None:
    """It comes back as it went."""
    reception = reinject()
    client = begin(reception, mail="<joe@strangers.test> RET=HDRS ENVID=q+2B BODY=8BITMIME SMTPUTF8")
    client.type("RCPT TO:<j\u00fcrgen@elsewhere.test> NOTIFY=SUCCESS ORCPT=rfc822;x@y.test")
    client.type("DATA", "Subject: gr\u00fc\u00df", "", "\u00fc", ".")

    envelope = reception.acceptance.messages[0].envelope
    assert (envelope.ret, envelope.envid, envelope.eight_bit, envelope.smtputf8) == ("HDRS", "q+2B", True, True)
    assert (envelope.recipients[0].notify, envelope.recipients[0].orcpt) == ({"SUCCESS"}, "rfc822;x@y.test")


def test_no_end_of_circles() -> None:
    """Each turn adds a trace field, and the filter's own; they are counted as anywhere."""
    reception = reinject()
    client = begin(reception)
    client.type("RCPT TO:<bob@elsewhere.test>")

    answer = client.type("DATA", *(f"Received: from a by b; {n}" for n in range(6)), "", "x", ".")

    assert answer.startswith("554 5.4.6 Too many hops")


def test_nobody_grants_and_nobody_logs_in() -> None:
    """There is nothing to be granted, and AUTH doesn't exist."""

    @implementer(IRelayGrant)
    class Grants:
        async def may_relay(self, *_: Any) -> Grant:
            raise AssertionError

    reception = reinject(relay=(Plugin("test", Grants(), 10.0, False),))
    client = connect(reception)
    assert "AUTH" not in client.type("EHLO filter")
    assert client.type("AUTH PLAIN AGEAYg==").startswith("502")

    assert client.type("MAIL FROM:<a@b.test>", "RCPT TO:<bob@elsewhere.test>").startswith("250")


def test_plugins_that_are_listed_are_asked() -> None:
    """Such as one that files what the filter marked; they see the filter as the client."""
    seen: list[Any] = []

    @implementer(IMessagePolicy)
    class Notes:
        async def message(self, client: Any, _: Any) -> None:
            seen.append(client)

    reception = reinject(plugins=(Plugin("test", Notes(), 10.0, False),))
    begin(reception).type("RCPT TO:<u1@home.test>", *TEXT)

    assert [(each.role, each.host, each.account) for each in seen] == [("reinject", "127.0.0.1", None)]


# Whose it was


def taken(reception: Reception, *before: str, **how: Any) -> Origin:
    begin(reception, *before, **how).type("RCPT TO:<bob@elsewhere.test>", *TEXT)
    return reception.acceptance.messages[-1].origin


def test_what_is_with_a_filter_keeps_its_origin() -> None:
    """The login that submitted it, too: its bounces, its limits and its suspension are as they were."""
    reception = reinject()
    reception.filtered_mail.known[ID] = Former(BEFORE)

    assert taken(reception, f"XFORWARD ADDR=198.51.100.1 PROTO=SMTP IDENT={id_text(ID)}") == BEFORE
    assert b"Received: from filter ([127.0.0.1])" in reception.acceptance.messages[0].header
    assert b"with ESMTP id" in reception.acceptance.messages[0].header


def test_what_is_not_is_a_strangers() -> None:
    """Of mail that a filter kept for long its address is known; an account can't be claimed."""
    reception = reinject()

    origin = taken(reception, f"XFORWARD ADDR=192.0.2.7 PROTO=ESMTPSA HELO=client.test IDENT={id_text(ID)}")

    assert origin == Origin("ESMTPSA", "192.0.2.7", "client.test", None, "reinject")
    assert reception.filtered_mail.asked == [ID]


@pytest.mark.parametrize(
    "before",
    [
        (),
        ("XFORWARD ADDR=[UNAVAILABLE]",),
        ("XFORWARD ADDR=nowhere HELO=x",),
        ("XFORWARD IDENT=notone",),
        ("XFORWARD IDENT=zzzzzzzzzzzzz",),
    ],
)
def test_the_filters_own_mail(before: tuple[str, ...]) -> None:
    """Notifications and the like come from the filter; names that can't be any message's aren't looked for."""
    reception = reinject()

    assert taken(reception, *before) == Origin("ESMTP", "127.0.0.1", "filter", None, "reinject")
    assert reception.filtered_mail.asked == []


def test_each_message_has_its_own() -> None:
    """What was told of one isn't believed of the next on the same connection."""
    reception = reinject()
    reception.filtered_mail.known[ID] = Former(BEFORE)
    client = begin(reception, f"XFORWARD IDENT={id_text(ID)}")
    client.type("RCPT TO:<bob@elsewhere.test>", *TEXT)

    client.type("MAIL FROM:<a@b.test>", "RCPT TO:<bob@elsewhere.test>", *TEXT)

    assert [each.origin.account for each in reception.acceptance.messages] == ["ann@home.test", None]


def test_what_plugins_decided_before() -> None:
    """What they noted, and the mailboxes that they chose for whom is kept here, hold behind the filter."""
    reception = reinject()
    mailboxes_before = {Address("u1", "home.test"): "Junk", Address("bob", "elsewhere.test"): "Junk"}
    reception.filtered_mail.known[ID] = Former(BEFORE, (("score", "7"),), mailboxes_before)

    client = begin(reception, f"XFORWARD IDENT={id_text(ID)}")
    client.type(*(f"RCPT TO:<{each}>" for each in ("u1@home.test", "u2@home.test", "bob@elsewhere.test")), *TEXT)

    (message,), (local,) = reception.acceptance.messages, reception.acceptance.local
    assert message.tags == (("score", "7"),)
    assert [(delivery.account, delivery.mailbox) for delivery in local.deliveries] == [  # type: ignore[union-attr]
        (1, "Junk"),
        (2, "INBOX"),
    ]


def test_what_plugins_decide_now() -> None:
    """Those of this listener add to it, and have the last word."""

    @implementer(IMessagePolicy)
    class Judges:
        async def message(self, *_: Any) -> Any:
            return FileInto("Spam"), Tag("filter", "yes")

    reception = reinject(plugins=(Plugin("test", Judges(), 10.0, False),))
    reception.filtered_mail.known[ID] = Former(BEFORE, (("score", "7"),), {Address("u1", "home.test"): "Junk"})

    begin(reception, f"XFORWARD IDENT={id_text(ID)}").type("RCPT TO:<u1@home.test>", *TEXT)

    assert reception.acceptance.messages[0].tags == (("score", "7"), ("filter", "yes"))
    assert reception.acceptance.local[0].deliveries[0].mailbox == "Spam"  # type: ignore[union-attr]


def test_when_it_cannot_be_looked_up() -> None:
    """The filter tries again, and so does the queue before it."""

    class Broken:
        async def former(self, _: int) -> Former:
            raise TemporaryError(Reply(451, "4.3.0", "not now"))

    reception = reinject(options={"filtered_mail": Broken()})
    client = connect(reception)
    client.type("EHLO filter", f"XFORWARD IDENT={id_text(ID)}")

    assert client.type("MAIL FROM:<a@b.test>") == "451 4.3.0 not now\r\n"


def test_the_log_joins_both_names() -> None:
    """A message has a name before the filter and one behind it; a line tells both, and the first client."""
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    reception = reinject()
    reception.filtered_mail.known[ID] = Former(BEFORE)
    try:
        taken(reception, f"XFORWARD IDENT={id_text(ID)}")
        reception.clock.advance(1)
    finally:
        globalLogPublisher.removeObserver(events.append)

    (line,) = [event for event in events if event.get("event") == "smtp.accepted"]
    assert (line["peer"], line["account"], line["before"]) == ("192.0.2.7", "ann@home.test", id_text(ID))
    assert line["filtered"] == f", before the filter {id_text(ID)}"


@pytest.mark.parametrize("role", ["mx", "submission", "lmtp"])
def test_elsewhere_nobody_speaks_for_others(role: str) -> None:
    """XFORWARD is unknown there, and nothing of it is believed."""
    reception = Reception(role=role)
    reception.filtered_mail.known[ID] = Former(BEFORE)
    client = reception.connect()
    hello = "LHLO me" if role == "lmtp" else "EHLO me"

    assert "XFORWARD" not in client.type(hello)
    assert client.type(f"XFORWARD ADDR=192.0.2.7 IDENT={id_text(ID)}").startswith("500 5.5.1")
    client.type("MAIL FROM:<joe@strangers.test>", "RCPT TO:<u1@home.test>", *TEXT)

    assert reception.filtered_mail.asked == []
    assert all(each.origin.peer == "192.168.1.1" for each in reception.acceptance.messages)
