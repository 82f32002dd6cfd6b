"""The server's session: commands, their order, and who answers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from server_talk import REFUSED, SETTINGS, Talk, codes

from twistedmail_mta.model import NULL_PATH, Address, Reply
from twistedmail_mta.smtp import server as smtp
from twistedmail_mta.smtp.parameters import MailParameters, RcptParameters
from twistedmail_mta.wire import Overflow


def test_greeting() -> None:
    """The driver's greeting is the first thing said; a 421 instead closes."""
    session = Talk().session
    session.greet(Reply(220, "", "mx.example ESMTP"))
    assert session.bytes_to_send() == b"220 mx.example ESMTP\r\n"
    assert not session.closing

    session.greet(Reply(421, "4.3.2", "Later"))
    assert session.closing


def test_ehlo_offers() -> None:
    """All extensions, the name first (RFC 5321 section 4.1.1.1)."""
    talk = Talk()

    said = talk.hear(b"EHLO [192.0.2.1]\r\n")

    assert said.split("\r\n")[:-1] == [
        "250-mx.example OK",
        "250-PIPELINING",
        "250-SIZE 10000",
        "250-8BITMIME",
        "250-ENHANCEDSTATUSCODES",
        "250-STARTTLS",
        "250-AUTH PLAIN LOGIN",
        "250-SMTPUTF8",
        "250-DSN",
        "250-CHUNKING",
        "250 HELP",
    ]
    assert talk.events == [smtp.Hello("[192.0.2.1]", extended=True)]


def test_ehlo_offers_only_what_can_be_used() -> None:
    """No STARTTLS under TLS or without it, no AUTH without mechanisms or once logged in."""
    assert "STARTTLS" not in Talk(tls_available=False).hear(b"EHLO x\r\n")
    assert "AUTH" not in Talk(mechanisms=()).hear(b"EHLO x\r\n")
    talk = Talk()
    talk.session.tls_active = True
    assert "STARTTLS" not in talk.hear(b"EHLO x\r\n")
    talk.session.authenticated()
    assert "AUTH" not in talk.hear(b"EHLO x\r\n")


def test_helo() -> None:
    """One line, no extensions."""
    talk = Talk()

    assert talk.hear(b"HELO my_pc extra\r\n") == "250 mx.example OK\r\n"
    assert talk.events == [smtp.Hello("my_pc", extended=False)]


@pytest.mark.parametrize(
    "line", [b"EHLO", b"HELO", b"EHLO  ", b"EHLO a\0b", b"EHLO a\rb", b"EHLO \xff", b"HELO " + b"x" * 256]
)
def test_bad_hello(line: bytes) -> None:
    """A name there must be, without controls; the session answers itself and nobody is greeted."""
    talk = Talk()

    assert codes(talk.hear(line + b"\r\nMAIL FROM:<>\r\n"))[0][:5] == "501 5"
    assert codes(talk.said.decode())[1] == "503 5.5.1"


def test_refused_hello() -> None:
    """A client whose EHLO the driver refuses isn't greeted."""
    talk = Talk(answers={smtp.Hello: REFUSED})

    assert codes(talk.hear(b"EHLO x\r\nMAIL FROM:<>\r\n")) == ["550 5.7.1", "503 5.5.1"]


def test_a_message() -> None:
    """The ordinary way, typed by hand, and what the driver sees of it."""
    talk = Talk().greet()

    said = talk.hear(
        b"mail from: joe@example.org size=100\r\n",
        b"Rcpt To: <jane@example.com> notify=never\r\n",
        b"data\r\n",
        b"Subject: x\r\n\r\nhello\r\n.\r\n",
        b"quit\r\n",
    )

    assert codes(said) == ["250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "221 2.0.0"]
    assert talk.events == [
        smtp.Mail(Address("joe", "example.org"), MailParameters(size=100)),
        smtp.Rcpt(Address("jane", "example.com"), RcptParameters(notify=frozenset({"NEVER"}))),
        smtp.Data(),
        smtp.BodyBlock(b"Subject: x\r\n\r\nhello\r\n"),
        smtp.BodyEnd(None, last=True),
        smtp.Quit(),
    ]
    assert talk.session.closing
    assert (talk.session.commands, talk.session.errors) == (5, 0)


def test_bare_line_feeds_end_commands() -> None:
    """People who type into nc send them."""
    assert codes(Talk().greet().hear(b"MAIL FROM:<>\nRCPT TO:<a@b>\nDATA\n")) == ["250 2.1.0", "250 2.1.5", "354"]


def test_pipelining_waits() -> None:
    """Nothing is read while an event is unanswered, and replies leave in order."""
    talk = Talk().greet()
    session = talk.session
    session.receive_bytes(b"MAIL FROM:<>\r\nNOOP\r\nRCPT TO:<a@b>\r\n")

    assert isinstance(session.next_event(), smtp.Mail)
    assert session.next_event() is None
    session.receive_bytes(b"NOOP\r\n")
    assert session.next_event() is None
    assert session.bytes_to_send() == b""

    assert codes(talk_after(session, Reply(250, "2.1.0", "OK"))) == ["250 2.1.0", "250 2.0.0"]
    assert codes(talk_after(session, Reply(250, "2.1.5", "OK"))) == ["250 2.1.5", "250 2.0.0"]


def talk_after(session: smtp.ServerSession, reply: Reply) -> str:
    session.send_reply(reply)
    while isinstance(session.next_event(), smtp.Answered):
        pass
    return session.bytes_to_send().decode()


def test_reply_without_event_is_a_mistake_of_the_driver() -> None:
    """It is told so, and nothing is sent."""
    session = Talk().session

    with pytest.raises(RuntimeError):
        session.send_reply(REFUSED)
    assert session.bytes_to_send() == b""


def test_one_command_a_call() -> None:
    """A flood of commands comes one by one, so that the driver can slow it down."""
    session = Talk().session
    session.receive_bytes(b"NOOP\r\n" * 1000)

    for number in range(1, 1001):
        assert isinstance(session.next_event(), smtp.Answered)
        assert session.commands == number
    assert session.next_event() is None


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "500 5.5.1"),
        (b" ", "500 5.5.1"),
        (b"XYZZY", "500 5.5.1"),
        (b"MAILFROM:<>", "500 5.5.1"),
        (b"\xe9HLO x", "500 5.5.1"),
        (b"\0", "500 5.5.1"),
        (b"EXPN list", "502 5.5.1"),
        (b"TURN", "502 5.5.1"),
        (b"ETRN x", "502 5.5.1"),
        (b"SEND FROM:<>", "502 5.5.1"),
        (b"NOOP", "250 2.0.0"),
        (b"NOOP anything", "250 2.0.0"),
        (b"noop", "250 2.0.0"),
        (b"NOOP \xff", "501 5.5.2"),
        (b"HELP", "214 2.0.0"),
        (b"HELP MAIL", "214 2.0.0"),
        (b"VRFY", "501 5.5.4"),
        (b"VRFY joe", "252 2.1.5"),
        (b"RSET", "250 2.0.0"),
        (b"RSET x", "501 5.5.4"),
        (b"QUIT now", "501 5.5.4"),
        (b"DATA", "503 5.5.1"),
        (b"DATA x", "501 5.5.4"),
        (b"RCPT TO:<a@b>", "503 5.5.1"),
        (b"MAIL", "501 5.5.4"),
        (b"MAIL TO:<a@b>", "501 5.5.4"),
        (b"MAIL FROM:", "501 5.1.7"),
        (b"MAIL FROM:<joe>", "501 5.1.7"),
        (b"MAIL FROM:<a@b> FOO=1", "555 5.5.4"),
        (b"MAIL FROM:<a@b> SIZE=x", "501 5.5.4"),
        (b"MAIL FROM:<a@b> BODY=BINARYMIME", "555 5.5.4"),
        (b"MAIL FROM:<a@b> SIZE=10001", "552 5.3.4"),
        (b"MAIL FROM:<a@b> SIZE=10000", "250 2.1.0"),
        (b"MAIL FROM:<\xff@b>", "501 5.5.2"),
        ("MAIL FROM:<é@b>".encode(), "553 5.6.7"),
        ("MAIL FROM:<a@é.b>".encode(), "553 5.6.7"),
        ("MAIL FROM:<é@b> SMTPUTF8".encode(), "250 2.1.0"),
        ("MAIL FROM:<a@\u0301.b> SMTPUTF8".encode(), "553 5.1.7"),
        (b"MAIL FROM:<" + b"a" * 65 + b"@b>", "501 5.1.7"),
        (b"STARTTLS now", "501 5.5.4"),
        (b"AUTH", "501 5.5.4"),
        (b"AUTH PLAIN a b", "501 5.5.4"),
        (b"AUTH CRAM-MD5", "504 5.5.4"),
        (b"AUTH PLAIN ***", "501 5.5.2"),
    ],
)
def test_answers_after_ehlo(line: bytes, code: str) -> None:
    """What one line is answered, and the next one is still understood."""
    talk = Talk().greet()

    assert codes(talk.hear(line + b"\r\nNOOP\r\n")) == [code, "250 2.0.0"]
    assert talk.session.errors == (code[0] == "5")


@pytest.mark.parametrize("line", [b"MAIL FROM:<>", b"STARTTLS", b"AUTH PLAIN", b"DATA", b"RCPT TO:<a@b>", b"BDAT 0"])
def test_hello_first(line: bytes) -> None:
    """RFC 5321 section 4.1.4: not without EHLO or HELO."""
    assert codes(Talk().hear(line + b"\r\n")) == ["503 5.5.1"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"MAIL FROM:<>", "503 5.5.1"),
        (b"AUTH PLAIN", "503 5.5.1"),
        (b"RCPT TO:<>", "501 5.1.3"),
        (b"RCPT TO:<joe>", "501 5.1.3"),
        (b"RCPT TO:<Postmaster>", "250 2.1.5"),
        (b"RCPT FROM:<a@b>", "501 5.5.4"),
        (b"RCPT TO:<a@b> SIZE=1", "555 5.5.4"),
        (b"RCPT TO:<a@b> ORCPT=rfc822;a+b", "501 5.5.4"),
        ("RCPT TO:<é@b>".encode(), "553 5.6.7"),
    ],
)
def test_answers_in_a_transaction(line: bytes, code: str) -> None:
    """After MAIL and RCPT."""
    assert codes(Talk().begin().hear(line + b"\r\n")) == [code]


def test_utf8_recipients_under_smtputf8() -> None:
    """MAIL's SMTPUTF8 holds for RCPT, its ORCPT included (RFC 6531 section 3.4)."""
    talk = Talk().greet()

    said = talk.hear("MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<é@ü.example> ORCPT=utf-8;é@x\r\n".encode())

    assert codes(said) == ["250 2.1.0", "250 2.1.5"]
    assert talk.events[1] == smtp.Rcpt(Address("é", "xn--tda.example"), RcptParameters(orcpt="utf-8;é@x"))


def test_refusals_keep_the_order() -> None:
    """A refused MAIL begins nothing, a refused RCPT adds nobody."""
    talk = Talk(answers={smtp.Mail: REFUSED}).greet()
    assert codes(talk.hear(b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n")) == ["550 5.7.1", "503 5.5.1", "503 5.5.1"]

    talk = Talk(answers={smtp.Rcpt: REFUSED}).greet()
    assert codes(talk.hear(b"MAIL FROM:<>\r\nDATA\r\nRCPT TO:<a@b>\r\nDATA\r\n")) == [
        "250 2.1.0",
        "503 5.5.1",
        "550 5.7.1",
        "554 5.5.1",
    ]


def test_refused_data_keeps_the_transaction() -> None:
    """No body follows; commands do."""
    talk = Talk(answers={smtp.Data: Reply(451, "4.3.0", "Later")}).begin()

    assert codes(talk.hear(b"DATA\r\nRCPT TO:<e@f>\r\nMAIL FROM:<>\r\n")) == ["451 4.3.0", "250 2.1.5", "503 5.5.1"]


@pytest.mark.parametrize("line", [b"RSET", b"EHLO again", b"HELO again"])
def test_transactions_end(line: bytes) -> None:
    """With RSET, and with another EHLO or HELO (RFC 5321 section 4.1.4)."""
    talk = Talk().begin()

    assert codes(talk.hear(line + b"\r\nDATA\r\nMAIL FROM:<>\r\n"))[1:] == ["503 5.5.1", "250 2.1.0"]
    assert isinstance(talk.events[0], smtp.Reset | smtp.Hello)
    assert talk.events[-1] == smtp.Mail(NULL_PATH, MailParameters())


def test_transaction_ends_with_the_message() -> None:
    """Accepted or not, the next message begins with MAIL."""
    for answer in (Reply(250, "2.0.0", "OK"), REFUSED):
        talk = Talk(answers={smtp.BodyEnd: answer}).begin()
        talk.hear(b"DATA\r\nx\r\n.\r\n")
        assert codes(talk.hear(b"DATA\r\nMAIL FROM:<>\r\n")) == ["503 5.5.1", "250 2.1.0"]


def test_line_limits() -> None:
    """2048 octets for commands, 12288 for AUTH; the rest of a longer line is no command."""
    talk = Talk().greet()
    long = b"NOOP " + b"x" * 2043
    assert codes(talk.hear(long + b"\r\n" + long + b"x\r\n")) == ["250 2.0.0", "500 5.5.2"]

    auth = b"AUTH PLAIN " + b"A" * 12272
    assert codes(talk.hear(auth + b"\r\n*\r\n")) == ["334", "501 5.7.0"]
    assert codes(talk.hear(auth + b"AAAA\r\nNOOP\r\n")) == ["500 5.5.2", "250 2.0.0"]


def test_endless_line_takes_no_memory() -> None:
    """50 MB without a line end are dropped as they come, and then the session goes on."""
    talk = Talk().greet()
    block = b"x" * 65536
    for _ in range(800):
        assert talk.hear(block) == ""
        assert len(talk.session._input) == 0

    assert codes(talk.hear(b"\r\nNOOP\r\n")) == ["500 5.5.2", "250 2.0.0"]


def test_telnet_options_before_the_first_verb() -> None:
    """A telnet client's negotiation isn't part of what is typed; later it is junk."""
    options = b"\xff\xfb\x1f\xff\xfd\x03\xff\xfa\x18\x00xterm\xff\xf0\xff\xf1"
    talk = Talk()

    assert codes(talk.hear(options + b"EHLO x\r\n" + options + b"NOOP\r\n")) == ["250", "500 5.5.1"]


def test_overflow() -> None:
    """A client that sends on and on while it waits for an answer is told apart, and nothing is lost before."""
    session = Talk().greet().session
    session.receive_bytes(b"MAIL FROM:<>\r\n")
    session.next_event()
    for _ in range(3):
        session.receive_bytes(b"x" * 65536)

    with pytest.raises(Overflow):
        session.receive_bytes(b"x")


def test_nothing_is_heard_after_closing() -> None:
    """Input after QUIT or 421 is neither kept nor read."""
    talk = Talk()
    talk.hear(b"QUIT\r\nNOOP\r\n")
    for _ in range(10):
        talk.session.receive_bytes(b"NOOP\r\n" * 20_000)

    assert talk.session.next_event() is None
    assert len(talk.session._input) == 0
    assert codes(talk.said.decode()) == ["221 2.0.0"]


def test_421_closes() -> None:
    """Whatever it answers."""
    talk = Talk(answers={smtp.Mail: Reply(421, "4.3.2", "Going down")}).greet()

    talk.hear(b"MAIL FROM:<>\r\nNOOP\r\n")

    assert talk.session.closing
    assert codes(talk.said.decode())[1:] == ["421 4.3.2"]


def test_every_reply_has_a_status() -> None:
    """RFC 2034: all but the greeting, EHLO, HELO, 354 and 334."""
    from twistedmail_mta.smtp import answers, body, command, data, parameters  # noqa: PLC0415 - a survey of modules

    replies = [
        value
        for module in (answers, body, command, data, parameters)
        for value in vars(module).values()
        if isinstance(value, Reply)
    ]
    assert len(replies) > 30
    for reply in replies:
        assert reply.status.split(".")[0] == str(reply.code)[0]


@pytest.mark.parametrize("lmtp", [False, True])
@pytest.mark.parametrize(
    "request_line", [b"POST / HTTP/1.1", b"get /", b"PUT http://mail:25/ HTTP/1.0", b"CONNECT a:25 HTTP/1.1"]
)
def test_a_request_of_the_web_is_no_session(request_line: bytes, lmtp: bool) -> None:
    """What a program was made to send, mail in its body, ends with the first line."""
    talk = Talk(settings=replace(SETTINGS, lmtp=lmtp))
    hello = b"LHLO me\r\n" if lmtp else b"EHLO me\r\n"

    said = talk.hear(
        request_line + b"\r\nHost: 127.0.0.1\r\n\r\n" + hello + b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
    )

    assert said == "421 4.7.0 This is a mail server and HTTP isn't spoken, closing the connection\r\n"
    assert talk.session.closing
    assert not any(isinstance(event, smtp.Hello | smtp.Mail | smtp.Rcpt) for event in talk.events)
