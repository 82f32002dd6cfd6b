"""The server's session: STARTTLS and AUTH."""

from __future__ import annotations

import pytest
from server_talk import SETTINGS, Talk, codes

from twistedmail_mta.model import Reply
from twistedmail_mta.smtp import server as smtp


def test_starttls_forgets_everything() -> None:
    """EHLO, transaction and login are gone; TLS isn't offered again (RFC 3207 section 4.2)."""
    talk = Talk().begin()
    talk.session.authenticated()

    assert codes(talk.hear(b"STARTTLS\r\n")) == ["220 2.0.0"]
    assert talk.events == [smtp.StartTLS()]
    assert codes(talk.hear(b"MAIL FROM:<>\r\n", b"RCPT TO:<a@b>\r\n")) == ["503 5.5.1", "503 5.5.1"]
    said = talk.hear(b"EHLO x\r\n")
    assert "STARTTLS" not in said
    assert "AUTH PLAIN\r\n" in said
    assert codes(talk.hear(b"STARTTLS\r\n", b"AUTH PLAIN\r\n")) == ["503 5.5.1", "334"]


def test_starttls_injection() -> None:
    """Commands sent in clear behind STARTTLS are neither obeyed nor kept; the session ends."""
    talk = Talk().greet()

    assert codes(talk.hear(b"STARTTLS\r\nRSET\r\n")) == ["554 5.5.0"]
    assert talk.session.closing
    assert not talk.session.tls_active
    assert all(isinstance(event, smtp.Answered) for event in talk.events)


def test_starttls_injection_while_the_answer_waits() -> None:
    """The same when they arrive before the driver's 220."""
    session = Talk().greet().session
    session.receive_bytes(b"STARTTLS\r\n")
    assert session.next_event() == smtp.StartTLS()
    session.receive_bytes(b"R")

    session.send_reply(Reply(220, "2.0.0", "Go"))

    assert codes(session.bytes_to_send().decode()) == ["554 5.5.0"]
    assert session.closing


def test_starttls_refused_or_not_available() -> None:
    """Then the session goes on in clear."""
    talk = Talk(answers={smtp.StartTLS: Reply(454, "4.7.0", "Later")}).greet()
    assert codes(talk.hear(b"STARTTLS\r\n", b"MAIL FROM:<>\r\n")) == ["454 4.7.0", "250 2.1.0"]

    assert codes(Talk(tls_available=False).greet().hear(b"STARTTLS\r\nNOOP\r\n")) == ["502 5.5.1", "250 2.0.0"]


def test_starttls_done_drops_late_input() -> None:
    """What slipped in before TLS began isn't heard."""
    session = Talk().greet().session
    session.receive_bytes(b"STARTTLS\r\n")
    session.next_event()
    session.send_reply(Reply(220, "2.0.0", "Go"))
    session.receive_bytes(b"NOOP\r\n")

    session.starttls_done()

    assert session.next_event() is None


def test_auth_with_initial_response() -> None:
    """The response comes decoded with the event; "=" is an empty one, and none is None."""
    talk = Talk().greet()

    talk.hear(b"auth plain AGpvZQBzZWNyZXQ=\r\n*\r\nAUTH LOGIN =\r\n*\r\nAUTH LOGIN\r\n*\r\n")

    assert [event for event in talk.events if isinstance(event, smtp.Auth)] == [
        smtp.Auth("PLAIN", b"\0joe\0secret"),
        smtp.Auth("LOGIN", b""),
        smtp.Auth("LOGIN", None),
    ]


def test_auth_exchange() -> None:
    """Challenges are the driver's, responses come decoded, and one login is enough."""
    talk = Talk(answers={smtp.Auth: Reply(334, "", "VXNlcm5hbWU6")}).greet()

    assert talk.hear(b"AUTH LOGIN\r\n") == "334 VXNlcm5hbWU6\r\n"
    assert talk.hear(b"\r\n") == "235 2.7.0 OK\r\n"
    assert talk.events == [smtp.Auth("LOGIN", None), smtp.AuthResponse(b"")]
    assert codes(talk.hear(b"AUTH LOGIN\r\n")) == ["503 5.5.1"]


def test_auth_refused() -> None:
    """After a refusal comes the next command, and another try."""
    talk = Talk(answers={smtp.AuthResponse: Reply(535, "5.7.8", "No")}).greet()

    assert codes(talk.hear(b"AUTH LOGIN\r\nam9l\r\nNOOP\r\nAUTH LOGIN\r\n")) == ["334", "535 5.7.8", "250 2.0.0", "334"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"*", "501 5.7.0"),
        (b"am9", "501 5.5.2"),
        (b"am9l=", "501 5.5.2"),
        (b"=am9l", "501 5.5.2"),
        (b"NOOP NOOP", "501 5.5.2"),
        (b"\xff\0", "501 5.5.2"),
        (b"A" * 12288, "500 5.5.6"),
    ],
)
def test_auth_cancelled(line: bytes, code: str) -> None:
    """By the client, or because it can't be read: the exchange is over, and the next line is a command."""
    talk = Talk().greet()

    assert codes(talk.hear(b"AUTH PLAIN\r\n" + line + b"\r\nNOOP\r\n")) == ["334", code, "250 2.0.0"]
    assert talk.events[1] == smtp.AuthCancelled()


def test_auth_not_usable() -> None:
    """538 where TLS would help, else 502."""
    assert codes(Talk(mechanisms=()).greet().hear(b"AUTH PLAIN\r\n")) == ["538 5.7.11"]

    talk = Talk(mechanisms=()).greet()
    talk.session.tls_active = True
    assert codes(talk.hear(b"AUTH PLAIN\r\n")) == ["502 5.5.1"]

    never = smtp.SessionSettings(SETTINGS.hostname, SETTINGS.max_size)
    assert codes(Talk(settings=never, mechanisms=()).greet().hear(b"AUTH PLAIN\r\n")) == ["502 5.5.1"]
