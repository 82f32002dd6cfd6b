"""The server's session where LMTP is spoken (RFC 2033)."""

from __future__ import annotations

import pytest
from server_talk import OK, REFUSED, Talk, bytewise, codes

from twistedmail_mta.model import Reply
from twistedmail_mta.smtp import server as smtp
from twistedmail_mta.smtp.body import TOO_LARGE

LMTP = smtp.SessionSettings("mx.example", 10_000, lmtp=True)
FULL = Reply(452, "4.2.2", "Full")

SMTP_HELLOS = [b"EHLO client.example\r\n", b"HELO client.example\r\n"]


def lmtp(recipients: int = 0, **options: object) -> Talk:
    """A session after LHLO, and after MAIL and some RCPT if there are any."""
    talk = Talk(settings=LMTP, mechanisms=(), **options)  # type: ignore[arg-type]
    talk.hear(b"LHLO client.example\r\n")
    if recipients:
        talk.hear(b"MAIL FROM:<a@b>\r\n" + b"".join(b"RCPT TO:<c%d@d>\r\n" % n for n in range(recipients)))
    talk.events.clear()
    return talk


def test_lhlo_offers_what_the_rfc_demands() -> None:
    """PIPELINING, ENHANCEDSTATUSCODES and 8BITMIME (section 5), and no login."""
    talk = Talk(settings=LMTP, mechanisms=())

    said = talk.hear(b"lhlo client.example\r\n")

    assert talk.events == [smtp.Hello("client.example", extended=True)]
    offered = {line[4:].split(" ")[0] for line in said.splitlines()[1:]}
    assert {"PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "CHUNKING", "SIZE", "DSN", "SMTPUTF8"} <= offered
    assert "AUTH" not in offered


@pytest.mark.parametrize("hello", SMTP_HELLOS)
def test_hellos_of_smtp_are_unknown(hello: bytes) -> None:
    """So both ends notice when they don't speak the same (section 4.1)."""
    talk = Talk(settings=LMTP)

    assert codes(talk.hear(hello + b"MAIL FROM:<a@b>\r\n")) == ["500 5.5.1", "503 5.5.1"]
    assert "LHLO" in talk.hear(b"MAIL FROM:<a@b>\r\n")


def test_lhlo_is_unknown_to_smtp() -> None:
    """The same, the other way round."""
    assert codes(Talk().hear(b"LHLO client.example\r\n")) == ["500 5.5.1"]


def test_nobody_logs_in() -> None:
    """AUTH is no command of this server's LMTP; HELP says what is."""
    talk = lmtp()

    assert codes(talk.hear(b"AUTH PLAIN AGEAYg==\r\n")) == ["500 5.5.1"]
    assert "LHLO" in talk.hear(b"HELP\r\n")


@pytest.mark.parametrize("asked", [b"", b"RCPT TO:<nobody@d>\r\n"])
def test_data_without_recipients(asked: bytes) -> None:
    """The code is 503 whether RCPT was refused or never given (section 4.2)."""
    talk = lmtp(answers={smtp.Rcpt: REFUSED})

    assert codes(talk.hear(b"MAIL FROM:<a@b>\r\n" + asked + b"DATA\r\n"))[-1] == "503 5.5.1"


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("message", [b"DATA\r\nx\r\n.\r\n", b"BDAT 3 LAST\r\nx\r\n"])
def test_one_reply_for_all_is_given_to_each(message: bytes, cut: bool) -> None:
    """As many times as RCPT was accepted, also where it named somebody twice (section 4.2)."""
    talk = lmtp(2)
    talk.hear(b"RCPT TO:<c1@d>\r\n")

    said = talk.hear(*(bytewise(message + b"NOOP\r\n") if cut else [message + b"NOOP\r\n"]))

    assert codes(said)[message.startswith(b"DATA") :] == ["250 2.0.0"] * 3 + ["250 2.0.0"]
    assert codes(talk.hear(b"MAIL FROM:<a@b>\r\n")) == ["250 2.1.0"]


def test_each_may_have_a_reply_of_its_own() -> None:
    """In the order of the RCPT commands."""
    talk = lmtp(3)
    talk.session.receive_bytes(b"DATA\r\nx\r\n.\r\n")
    while not isinstance(event := talk.session.next_event(), smtp.BodyEnd):
        if isinstance(event, smtp.Data):
            talk.session.send_reply(Reply(354, "", "Go"))

    talk.session.send_reply(OK, FULL, REFUSED)

    assert codes(talk.session.bytes_to_send().decode()) == ["354", "250 2.0.0", "452 4.2.2", "550 5.7.1"]


def test_refused_message_is_refused_to_each() -> None:
    """One reply each, but one failed command: so that a message for many doesn't end the session."""
    talk = lmtp(3)

    said = talk.hear(b"DATA\r\n" + b"x" * 15_000 + b"\r\n.\r\n")

    assert codes(said) == ["354"] + [f"{TOO_LARGE.code} {TOO_LARGE.status}"] * 3
    assert talk.session.errors == 1


def test_chunks_before_the_last_get_one_reply() -> None:
    """Only the last one is answered for each recipient (section 4.3)."""
    talk = lmtp(2)

    assert codes(talk.hear(b"BDAT 3\r\nx\r\n")) == ["250 2.0.0"]
    assert codes(talk.hear(b"BDAT 0 LAST\r\n")) == ["250 2.0.0"] * 2


def test_last_chunk_without_recipients_gets_no_reply() -> None:
    """Zero replies for zero recipients (section 4.3); what follows is answered as ever."""
    talk = lmtp(answers={smtp.Rcpt: REFUSED})
    talk.hear(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")

    assert codes(talk.hear(b"BDAT 3 LAST\r\nx\r\nNOOP\r\n")) == ["250 2.0.0"]
    assert codes(talk.hear(b"BDAT 3\r\nx\r\nNOOP\r\n")) == ["503 5.5.1", "250 2.0.0"]


def test_last_chunk_behind_a_refused_one() -> None:
    """A client that has sent it already waits for as many replies as it had recipients."""
    talk = lmtp(2, answers={smtp.BodyEnd: FULL})

    assert codes(talk.hear(b"BDAT 3\r\nx\r\nBDAT 3\r\ny\r\nBDAT 3 LAST\r\nz\r\nNOOP\r\n")) == [
        "452 4.2.2",
        "503 5.5.1",
        "503 5.5.1",
        "503 5.5.1",
        "250 2.0.0",
    ]
    assert codes(talk.hear(b"BDAT 3 LAST\r\nz\r\nNOOP\r\n")) == ["250 2.0.0"]


@pytest.mark.parametrize("between", [b"RSET\r\n", b"LHLO again\r\n", b"MAIL FROM:<a@b>\r\n"])
def test_new_transaction_owes_nothing(between: bytes) -> None:
    """What was refused before it is over."""
    talk = lmtp(2, answers={smtp.BodyEnd: FULL})
    talk.hear(b"BDAT 3\r\nx\r\n" + between)

    assert talk.hear(b"BDAT 3 LAST\r\nz\r\n") == ""
