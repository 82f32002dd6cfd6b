"""The client's way into a session: greeting, EHLO, STARTTLS, AUTH, and every refusal of them."""

from __future__ import annotations

from base64 import b64encode

import pytest
from client_talk import GREETING, PLAIN_EHLO, Talk, talk

from twistedmail_mta.sasl.client import Credentials
from twistedmail_mta.smtp.client_steps import Event

TLS_EHLO = b"250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n"
LOGIN = Credentials("relay", "s3cret")


def opened(session: Talk) -> bool:
    return session.events[-1:] == [Event.READY]


def refusal(session: Talk) -> str:
    assert session.events[-1] is Event.CLOSED
    assert session.session.failure is not None
    assert 400 <= session.session.failure.code < 500
    return str(session.session.failure)


def test_ehlo_then_ready() -> None:
    """A greeting and an EHLO reply open a session without TLS, whatever the case of keywords."""
    session = talk()

    assert session.hear(GREETING) == b"EHLO mail.example.org\r\n"
    session.hear(b"250-mx\r\n250-size 42\r\n250-AUTH=LOGIN\r\n250 8bitmime\r\n")

    assert opened(session)
    assert session.session.extensions.max_size == 42
    assert session.session.extensions.mechanisms == {"LOGIN"}
    assert "8BITMIME" in session.session.extensions


@pytest.mark.parametrize("code", [b"500", b"502"])
def test_helo_where_ehlo_is_unknown(code: bytes) -> None:
    """An old server is greeted with HELO and offers nothing (RFC 5321 section 3.2)."""
    session = talk()
    session.hear(GREETING)

    assert session.hear(code + b" what?\r\n") == b"HELO mail.example.org\r\n"
    session.hear(b"250-mx\r\n250 PIPELINING\r\n")

    assert opened(session)
    assert not session.session.extensions.keywords


@pytest.mark.parametrize("greeting", [b"554 5.7.1 go away\r\n", b"421 4.3.2 later\r\n", b"450 no\r\n"])
def test_refused_greeting_is_the_hosts(greeting: bytes) -> None:
    """Whatever a host says instead of a greeting is temporary and quoted."""
    session = talk()
    session.hear(greeting)

    assert greeting[4:].split()[-1].decode() in refusal(session)


def test_refusal_is_left_politely() -> None:
    """A host that refused with 554 waits for QUIT (RFC 5321 section 3.1)."""
    session = talk()

    assert session.hear(b"554 no\r\n") == b"QUIT\r\n"


@pytest.mark.parametrize(
    "reply", [b"554 5.7.1 no\r\n", b"421 bye\r\n", b"450 later\r\n", b"354 what\r\n", b"hello\r\n"]
)
def test_refused_ehlo_is_the_hosts(reply: bytes) -> None:
    """An EHLO that isn't taken ends the session with a temporary reply."""
    session = talk()
    session.hear(GREETING)
    session.hear(reply)

    refusal(session)


def test_starttls_forgets_what_was_said_before() -> None:
    """After TLS comes a new EHLO, and only its reply counts (RFC 3207 section 4.2)."""
    session = talk()
    session.hear(GREETING)

    assert session.hear(b"250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n") == b"STARTTLS\r\n"
    assert session.hear(b"220 go\r\n") == b"EHLO mail.example.org\r\n"
    assert session.session.is_unproven
    session.hear(b"250-mx\r\n250 STARTTLS\r\n")

    assert opened(session)
    assert session.session.encrypted
    assert not session.session.is_unproven
    assert "PIPELINING" not in session.session.extensions


@pytest.mark.parametrize("more", [b"2", b"\r\n", b"250 mx\r\n", b"250-mx\r\n250 AUTH PLAIN\r\n"])
def test_injected_replies_end_the_session(more: bytes) -> None:
    """One octet behind the 220, in clear, is an attack: nothing is ever read from it."""
    session = talk()
    session.hear(GREETING)
    session.hear(TLS_EHLO)

    assert session.hear(b"220 go\r\n" + more) == b""
    assert "STARTTLS" in refusal(session)
    assert not session.session.encrypted


@pytest.mark.parametrize("reply", [b"454 4.7.0 not now\r\n", b"501 no\r\n", b"502 no\r\n"])
def test_refused_starttls(reply: bytes) -> None:
    """Opportunistic: on in clear. Required: the end."""
    free, strict = talk(), talk(tls="required")
    for session in (free, strict):
        session.hear(GREETING)
        session.hear(b"250-mx\r\n250 STARTTLS\r\n")
        session.hear(reply)

    assert opened(free)
    refusal(strict)


def test_starttls_answered_with_421() -> None:
    """A host that closes is not talked to any more, in clear or otherwise."""
    session = talk()
    session.hear(GREETING)
    session.hear(TLS_EHLO)
    session.hear(b"421 bye\r\n")

    assert "421 bye" in refusal(session)


def test_required_tls_that_is_not_offered() -> None:
    """Not one octet of mail goes out in clear where TLS is required."""
    session = talk(tls="required")
    session.hear(GREETING)

    assert session.hear(PLAIN_EHLO) == b"QUIT\r\n"
    assert "4.7.4" in refusal(session)


def test_tls_none_does_not_ask() -> None:
    """A route may forbid TLS."""
    session = talk(tls="none")
    session.hear(GREETING)

    assert session.hear(TLS_EHLO) == b""
    assert opened(session)


def test_plain_login() -> None:
    """PLAIN goes with the command, under TLS."""
    session = talk(encrypted=True, credentials=LOGIN)
    session.hear(GREETING)

    said = session.hear(b"250-mx\r\n250 AUTH LOGIN PLAIN\r\n")
    assert said == b"AUTH PLAIN " + b64encode(b"\0relay\0s3cret") + b"\r\n"
    session.hear(b"235 2.7.0 in\r\n")

    assert opened(session)


def test_login_login() -> None:
    """LOGIN answers two prompts, whatever they say."""
    session = talk(encrypted=True, credentials=LOGIN)
    session.hear(GREETING)

    assert session.hear(b"250-mx\r\n250 AUTH LOGIN\r\n") == b"AUTH LOGIN\r\n"
    assert session.hear(b"334 VXNlcm5hbWU6\r\n") == b64encode(b"relay") + b"\r\n"
    assert session.hear(b"334 anything\r\n") == b64encode(b"s3cret") + b"\r\n"
    session.hear(b"235 in\r\n")

    assert opened(session)


@pytest.mark.parametrize("reply", [b"535 5.7.8 wrong\r\n", b"454 later\r\n", b"334 \r\n", b"421 bye\r\n"])
def test_failed_login_is_the_hosts(reply: bytes) -> None:
    """A refused login, or one that never ends, delays mail and bounces none; the password isn't quoted."""
    session = talk(encrypted=True, credentials=LOGIN)
    session.hear(GREETING)
    session.hear(b"250-mx\r\n250 AUTH PLAIN\r\n")
    session.hear(reply)

    assert "s3cret" not in refusal(session)


def test_no_password_in_clear() -> None:
    """A host that lost its STARTTLS gets no password, unless the route says `none`."""
    careful, careless = talk(credentials=LOGIN), talk(credentials=LOGIN, tls="none")
    for session in (careful, careless):
        session.hear(GREETING)
        session.hear(b"250-mx\r\n250 AUTH PLAIN\r\n")

    assert "4.7.11" in refusal(careful)
    assert b"AUTH" not in careful.said
    assert b"AUTH PLAIN" in careless.said


def test_unknown_mechanisms() -> None:
    """A host that offers nothing we know isn't sent mail without a login."""
    session = talk(encrypted=True, credentials=LOGIN)
    session.hear(GREETING)
    session.hear(b"250-mx\r\n250 AUTH GSSAPI\r\n")

    assert "log in" in refusal(session)


def test_credentials_do_not_show_the_password() -> None:
    """A log that prints them gives nothing away."""
    assert "s3cret" not in repr(LOGIN)


@pytest.mark.parametrize("stage", range(3))
def test_lost_connection_names_the_moment(stage: int) -> None:
    """Who reads the log sees how far it came."""
    session = talk()
    for reply in (GREETING, TLS_EHLO)[:stage]:
        session.hear(reply)
    session.session.lost()
    session.hear(b"")

    assert refusal(session).endswith(("the greeting", "the answer to EHLO", "the answer to STARTTLS")[stage])
