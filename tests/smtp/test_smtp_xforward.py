"""XFORWARD on both sides: what is told to a content filter of a client, and what is believed of one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from client_talk import GREETING, MESSAGE, SENT, envelope_to
from server_talk import REFUSED, SETTINGS
from server_talk import Talk as ServerTalk

from twistedmail_mta.model import Address, Delivered, Envelope, Outcome, Recipient, Reply
from twistedmail_mta.smtp import server as smtp
from twistedmail_mta.smtp.client import ClientSession
from twistedmail_mta.smtp.client_steps import Event
from twistedmail_mta.smtp.errors import CommandError
from twistedmail_mta.smtp.xforward import Forwarded, forward_commands, parse_forward

ALL = "NAME ADDR PORT PROTO HELO IDENT SOURCE"
CLIENT = Forwarded(addr="192.0.2.7", proto="ESMTPSA", helo="client.test", ident="0123456789abc", source="LOCAL")
OURS = replace(SETTINGS, xforward=True)

# The text of the command


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("ADDR=192.0.2.7", Forwarded(addr="192.0.2.7")),
        ("addr=192.0.2.7 Proto=ESMTP", Forwarded(addr="192.0.2.7", proto="ESMTP")),
        ("ADDR=IPV6:2001:db8::1", Forwarded(addr="2001:db8::1")),
        ("ADDR=IPv6:2001:db8::1", Forwarded(addr="2001:db8::1")),
        ("NAME=[UNAVAILABLE] HELO=[unavailable]", Forwarded()),
        ("HELO=a+2Bb+3Dc", Forwarded(helo="a+b=c")),
        ("HELO=a+b", Forwarded(helo="a+b")),
        ("HELO=a=b", Forwarded(helo="a=b")),
        ("HELO=a+0D+0Ab", Forwarded(helo="a??b")),
        ("HELO=+3Cx+3E+40+3B", Forwarded(helo="?x???")),
        ("HELO=+FF", Forwarded(helo="+FF")),
        ("HELO=gr\u00fc\u00df", Forwarded(helo="gr??")),
        ("HELO=+C3+BC", Forwarded(helo="?")),
        ("IDENT=", Forwarded()),
        (f"HELO={'x' * 255}", Forwarded(helo="x" * 255)),
        ("PORT=1 PORT=2", Forwarded(port="2")),
        ("SOURCE=LOCAL IDENT=q NAME=n", Forwarded(source="LOCAL", ident="q", name="n")),
    ],
)
def test_what_is_understood(argument: str, expected: Forwarded) -> None:
    """Names in either case, xtext or not as of old, whatever could harm a header or a log as "?"."""
    assert parse_forward(argument, None) == expected


@pytest.mark.parametrize(
    "argument", ["", " ", "ADDR", "ADDR =1", "LOGIN=ann", "X=1", f"HELO={'x' * 256}", "ADDR=1 =2", "ADDR=1 junk"]
)
def test_what_is_not(argument: str) -> None:
    """Unknown attributes, among them the LOGIN of XCLIENT, and what is too long."""
    with pytest.raises(CommandError) as caught:
        parse_forward(argument, CLIENT)
    assert caught.value.reply.code == 501


def test_later_commands_add() -> None:
    """What isn't named stays, what is unavailable goes."""
    first = parse_forward("ADDR=192.0.2.7 HELO=a", None)

    assert parse_forward("HELO=b IDENT=q ADDR=[UNAVAILABLE]", first) == Forwarded(helo="b", ident="q")


def test_what_is_told() -> None:
    """What is known, in the order of the specification, and only what the host takes."""
    assert forward_commands(CLIENT, ALL) == [
        b"XFORWARD ADDR=192.0.2.7 PROTO=ESMTPSA HELO=client.test IDENT=0123456789abc SOURCE=LOCAL"
    ]
    assert forward_commands(CLIENT, "addr ident") == [b"XFORWARD ADDR=192.0.2.7 IDENT=0123456789abc"]
    assert forward_commands(CLIENT, "") == []
    assert forward_commands(Forwarded(), ALL) == []
    assert forward_commands(Forwarded(addr="2001:db8::1"), ALL) == [b"XFORWARD ADDR=IPv6:2001:db8::1"]


@pytest.mark.parametrize("helo", ["a b", "a\r\nMAIL FROM:<>", "<a>", "gr\u00fc\u00df", "a\x00b", "a=b+c"])
def test_nothing_breaks_out(helo: str) -> None:
    """A client's name can't become a second attribute or a second command; the other side reads what was meant."""
    (line,) = forward_commands(Forwarded(helo=helo, ident="q"), ALL)

    assert line.isascii()
    assert line.count(b" ") == 2
    assert b"\r" not in line
    assert b"\n" not in line
    known = parse_forward(line.decode().partition(" ")[2], None)
    assert known.ident == "q"
    assert len(known.helo) == len(helo)


@pytest.mark.parametrize("letter", ["x", "=", "+"])
@pytest.mark.parametrize("length", [83, 84, 85, 86, 253, 254, 255, 300, 5000])
def test_long_values(letter: str, length: int) -> None:
    """No value beyond 255 octets, none cut within a code, no command beyond 512."""
    lines = forward_commands(
        Forwarded(name=letter * length, helo=letter * length, ident="q" * 255, addr="192.0.2.7"), ALL
    )

    assert all(len(line) <= 510 for line in lines)
    known: Forwarded | None = None
    for line in lines:
        known = parse_forward(line.decode().partition(" ")[2], known)
    assert known is not None
    most = 255 if letter == "x" else 85
    assert known.name == known.helo == letter * min(length, most)
    assert known.ident == "q" * 255


# Our server


def heard(talk: ServerTalk) -> list[Forwarded | None]:
    return [event.forwarded for event in talk.events if isinstance(event, smtp.Mail)]


def test_it_is_offered_where_it_is_taken() -> None:
    """Elsewhere nobody hears of it, and the command doesn't exist."""
    assert f"250-XFORWARD {ALL}\r\n" in ServerTalk(settings=OURS).hear(b"EHLO filter\r\n")
    other = ServerTalk()
    assert "XFORWARD" not in other.hear(b"EHLO filter\r\n")
    assert other.hear(b"XFORWARD ADDR=192.0.2.7\r\n").startswith("500 5.5.1")
    other.hear(b"MAIL FROM:<a@b>\r\n")
    assert heard(other) == [None]


def test_one_transaction() -> None:
    """It counts for the next transaction, and is over with that, however that ends."""
    for end in (b"DATA\r\nx\r\n.\r\n", b"RSET\r\n", b"BDAT 3 LAST\r\nx\r\n", b"EHLO again\r\n"):
        talk = ServerTalk(settings=OURS).greet()
        said = talk.hear(
            b"XFORWARD ADDR=192.0.2.7\r\nXFORWARD HELO=a IDENT=q\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n", end
        )
        assert said.startswith("250 2.0.0 OK\r\n250 2.0.0 OK\r\n250 2.1.0")
        talk.hear(b"MAIL FROM:<e@f>\r\n")

        assert heard(talk) == [Forwarded(addr="192.0.2.7", helo="a", ident="q"), None]


def test_a_refused_mail() -> None:
    """The transaction hasn't begun, so what was told still counts."""
    talk = ServerTalk(settings=OURS, answers={smtp.Mail: REFUSED}).greet()

    talk.hear(b"XFORWARD IDENT=q\r\nMAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n")

    assert heard(talk) == [Forwarded(ident="q")] * 2


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        (b"XFORWARD ADDR=1\r\n", "503 5.5.1"),
        (b"EHLO a\r\nXFORWARD\r\n", "501 5.5.4"),
        (b"EHLO a\r\nXFORWARD LOGIN=ann\r\n", "501 5.5.4"),
        (b"EHLO a\r\nMAIL FROM:<a@b>\r\nXFORWARD ADDR=1\r\n", "503 5.5.1"),
        (b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 3\r\nx\r\nXFORWARD ADDR=1\r\n", "503 5.5.1"),
        (b"EHLO a\r\nXFORWARD HELO=" + b"x" * 3000 + b"\r\n", "500 5.5.2"),
    ],
)
def test_where_it_has_no_place(lines: bytes, answer: str) -> None:
    """Before EHLO, in a transaction, and where it is no sense."""
    assert ServerTalk(settings=OURS).hear(lines).splitlines()[-1].startswith(answer)


def test_tls_forgets() -> None:
    """What was said in clear isn't known any more (RFC 3207 section 4.2)."""
    talk = ServerTalk(settings=OURS).greet()
    talk.hear(b"XFORWARD IDENT=q\r\n")
    talk.session.starttls_done()
    talk.hear(b"EHLO a\r\nMAIL FROM:<a@b>\r\n")

    assert heard(talk) == [None]


# Our client


class Client:
    """Sends one message to a filter, and then another one to see that nothing is left over."""

    def __init__(self, *envelopes: Envelope, forwarded: Forwarded | None = CLIENT, **options: Any) -> None:
        self.session = ClientSession("mail.example.org", "filter", **options)
        self.envelopes = list(envelopes)
        self.forwarded = forwarded
        self.outcomes: list[list[Outcome]] = []

    def hear(self, data: bytes) -> bytes:
        said = b""
        self.session.receive_bytes(data)
        while (event := self.session.next_event()) not in {None, Event.CLOSED}:
            said += self.session.bytes_to_send()
            if event is Event.SEND_BODY:
                self.session.send_body(MESSAGE)
                self.session.end_body()
            elif event is Event.FINISHED:
                self.outcomes.append(list(self.session.outcomes))
            if event in {Event.READY, Event.FINISHED} and self.envelopes:
                self.session.begin(self.envelopes.pop(0), len(MESSAGE), forwarded=self.forwarded)
        return said + self.session.bytes_to_send()


def ehlo(*keywords: str) -> bytes:
    return b"".join(f"250-{word}\r\n".encode() for word in ("filter", *keywords)) + b"250 HELP\r\n"


LINE = b"XFORWARD ADDR=192.0.2.7 PROTO=ESMTPSA HELO=client.test IDENT=0123456789abc SOURCE=LOCAL\r\n"
MAIL, RCPT = b"MAIL FROM:<ann@example.org>\r\n", b"RCPT TO:<bob@example.net>\r\n"


@pytest.mark.parametrize("answer", [b"250 ok\r\n", b"550 no\r\n", b"501 what\r\n", b"451 later\r\n"])
def test_a_filter_is_told(answer: bytes) -> None:
    """In one write with all else; whether it wants to know makes no difference to the mail."""
    client = Client(envelope_to("bob"))
    client.hear(GREETING)

    assert client.hear(ehlo("PIPELINING", f"XFORWARD {ALL}")) == LINE + MAIL + RCPT + b"DATA\r\n"
    assert client.hear(answer + b"250 a\r\n250 b\r\n354 go\r\n") == SENT
    client.hear(b"250 2.0.0 taken\r\n")

    assert client.outcomes == [[Delivered(Reply(250, "2.0.0", "taken"), "filter")]]


def test_one_by_one() -> None:
    """Without PIPELINING each command waits for its answer."""
    client = Client(envelope_to("bob"), envelope_to("bob"))
    client.hear(GREETING)

    assert client.hear(ehlo(f"XFORWARD {ALL}")) == LINE
    assert client.hear(b"250 ok\r\n") == MAIL
    assert client.hear(b"250 ok\r\n") == RCPT
    assert client.hear(b"550 no\r\n") == b"RSET\r\n"  # nobody was taken; the next message
    assert client.hear(b"250 ok\r\n") == LINE
    assert client.hear(b"502 what\r\n") == MAIL


def test_after_a_transaction_that_was_not_finished() -> None:
    """RSET goes before it: it would be forgotten with what is reset."""
    client = Client(envelope_to("bob"), envelope_to("eve"))
    client.hear(GREETING)
    client.hear(ehlo("PIPELINING", f"XFORWARD {ALL}"))

    said = client.hear(b"250 ok\r\n250 ok\r\n550 no\r\n554 nobody\r\n")

    assert said.startswith((b"RSET\r\n" + LINE, LINE))
    assert said.find(b"RSET") < said.find(b"XFORWARD")


def test_each_round_is_told() -> None:
    """Recipients that were too many go in a transaction of their own, which the filter has to be told of, too."""
    client = Client(envelope_to("bob", "eve"), lmtp=True)
    client.hear(GREETING)
    client.hear(ehlo("PIPELINING", f"XFORWARD {ALL}"))
    client.hear(b"250 ok\r\n250 ok\r\n250 ok\r\n452 4.5.3 too many\r\n354 go\r\n")

    assert client.hear(b"250 2.0.0 taken\r\n") == LINE + MAIL + b"RCPT TO:<eve@example.net>\r\nDATA\r\n"


def test_a_filter_that_closes() -> None:
    """421 is the end of the session, as to any command; the mail waits."""
    client = Client(envelope_to("bob"))
    client.hear(GREETING)
    client.hear(ehlo("PIPELINING", f"XFORWARD {ALL}"))

    client.hear(b"421 4.3.2 bye\r\n")

    assert client.session.closed
    assert [outcome.reply.code for outcome in client.session.outcomes] == [421]


@pytest.mark.parametrize(
    ("forwarded", "keywords"),
    [(None, f"XFORWARD {ALL}"), (CLIENT, "HELP"), (CLIENT, "XFORWARD"), (CLIENT, "XCLIENT ADDR")],
)
def test_nobody_else_is_told(forwarded: Forwarded | None, keywords: str) -> None:
    """Neither a host that is no filter, whatever it offers, nor a filter that doesn't ask."""
    client = Client(envelope_to("bob"), forwarded=forwarded)
    client.hear(GREETING)

    assert client.hear(ehlo("PIPELINING", keywords)) == MAIL + RCPT + b"DATA\r\n"


@pytest.mark.parametrize(("forwarded", "owed"), [(CLIENT, "relayed"), (None, "delivered")])
def test_what_a_filter_took_is_not_delivered(forwarded: Forwarded | None, owed: str) -> None:
    """By LMTP it would be, into a mailbox, for any other host; here it goes on (RFC 3461 section 5.2)."""
    recipient = Recipient(Address("bob", "example.net"), frozenset({"SUCCESS"}))
    client = Client(Envelope(Address("ann", "example.org"), (recipient,)), forwarded=forwarded, lmtp=True)
    client.hear(GREETING)
    client.hear(ehlo("PIPELINING"))
    client.hear(b"250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n")

    assert [outcome.owed for outcome in client.outcomes[0]] == [owed]  # type: ignore[union-attr]
