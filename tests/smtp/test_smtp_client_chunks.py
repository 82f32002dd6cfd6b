"""Messages in chunks (RFC 3030) and over LMTP (RFC 2033), as the client session speaks them."""

from __future__ import annotations

import pytest
from client_talk import CHUNKS, GREETING, MESSAGE, PIPELINING, PLAIN_EHLO, Talk, envelope_to, talk

from twistedmail_mta.model import Deferred, Delivered, Failed, Outcome, Unconfirmed
from twistedmail_mta.smtp.client_body import CHUNK, Chunked
from twistedmail_mta.smtp.client_steps import Event

WHOLE = b"BDAT %d LAST\r\n" % len(MESSAGE) + MESSAGE


def ready(*names: str, ehlo: bytes = CHUNKS, **options: object) -> Talk:
    session = talk(envelope_to(*names), envelope_to("joe"), **options)
    session.hear(GREETING)
    session.hear(ehlo)
    return session


def brief(outcomes: list[Outcome]) -> list[tuple[type[Outcome], int]]:
    return [(type(outcome), outcome.reply.code) for outcome in outcomes]


def test_chunk_after_the_answers() -> None:
    """BDAT waits until every RCPT is answered (RFC 3030 section 2), and nothing is stuffed."""
    session = ready("bob", "eve")

    assert session.said.endswith(b"RCPT TO:<bob@example.net>\r\nRCPT TO:<eve@example.net>\r\n")
    assert session.hear(b"250 a\r\n250 b\r\n") == b""
    assert session.hear(b"550 no\r\n") == WHOLE
    assert session.hear(b"250 taken\r\n").startswith(b"MAIL FROM:")
    assert brief(session.outcomes[0]) == [(Delivered, 250), (Failed, 550)]


def test_first_recipient_refused() -> None:
    """While a further answer is outstanding nobody is given up."""
    session = ready("bob", "eve")
    session.hear(b"250 a\r\n550 no\r\n")

    assert session.hear(b"250 c\r\n") == WHOLE


def test_nobody_taken() -> None:
    """Then there is no chunk at all, and the next transaction begins with RSET."""
    session = ready("bob", "eve")

    assert session.hear(b"250 a\r\n550 no\r\n450 later\r\n").startswith(b"RSET\r\nMAIL FROM:")
    assert brief(session.outcomes[0]) == [(Failed, 550), (Deferred, 450)]


@pytest.mark.parametrize("reply", [b"554 5.6.0 no\r\n", b"452 4.3.1 disk\r\n"])
def test_refused_chunk_is_followed_by_rset(reply: bytes) -> None:
    """The state after a failed BDAT is indeterminate until RSET (RFC 3030 section 2)."""
    session = ready("bob")
    session.hear(b"250 a\r\n250 b\r\n")

    assert session.hear(reply).startswith(b"RSET\r\nMAIL FROM:")
    assert brief(session.outcomes[0]) == [(Failed if reply[:1] == b"5" else Deferred, int(reply[:3]))]


@pytest.mark.parametrize("code", [b"500", b"502"])
def test_host_that_offers_chunking_and_does_not_know_it(code: bytes) -> None:
    """It may take the message for commands: nothing more is said to it, and the mail waits."""
    session = ready("bob")
    session.hear(b"250 a\r\n250 b\r\n")

    assert session.hear(code + b" 5.5.1 what?\r\n") == b""
    assert session.session.closed
    assert brief(list(session.session.outcomes)) == [(Deferred, 451)]


@pytest.mark.parametrize(
    ("ehlo", "said"), [(PLAIN_EHLO, b""), (PIPELINING, b"DATA\r\n"), (b"250-mx\r\n250 CHUNKING\r\n", b"")]
)
def test_data_where_chunks_would_be_waited_for(ehlo: bytes, said: bytes) -> None:
    """BDAT needs CHUNKING, and PIPELINING so that no chunk waits for the answer to another."""
    session = ready("bob", ehlo=ehlo)
    session.hear(b"250 a\r\n")
    session.hear(b"250 b\r\n")

    assert session.said.endswith(said or b"DATA\r\n")


def test_chunks_are_counted_before_they_are_sent() -> None:
    """A chunk goes out when more follows, so the last one is never empty."""
    chunked = Chunked()

    assert chunked.add(b"header") == []
    assert chunked.add(b"x" * CHUNK) == []
    assert chunked.add(b"") == [b"BDAT %d\r\n" % (CHUNK + 6), b"header", b"x" * CHUNK]
    assert chunked.add(b".y") == []
    assert chunked.end() == [b"BDAT 2 LAST\r\n", b".y"]


def streaming() -> Talk:
    """Return a talk in the midst of a message whose first chunk is sent."""
    session = ready("bob")
    session._act = lambda event: None  # type: ignore[method-assign] # the body waits
    session.hear(b"250 a\r\n250 b\r\n")
    session.session.send_body(b"x" * CHUNK)
    session.session.send_body(b"y")
    return session


def test_refused_part_ends_the_session() -> None:
    """A chunk that is refused is the last one sent."""
    session = streaming()
    session.hear(b"452 4.3.1 disk\r\n")
    session.session.send_body(b"z" * CHUNK)
    session.session.end_body()

    assert b"LAST" not in session.said + session.session.bytes_to_send()
    assert brief(list(session.session.outcomes)) == [(Deferred, 452)]


@pytest.mark.parametrize(("ended", "kind"), [(False, Deferred), (True, Unconfirmed)])
def test_lost_answers_to_parts(ended: bool, kind: type[Outcome]) -> None:
    """Whether the host may have the message depends on whether all of it was sent, not on what was answered."""
    session = streaming()
    if ended:
        session.session.end_body()
    session.session.lost()

    assert brief(list(session.session.outcomes)) == [(kind, 451)]


def test_lmtp_says_lhlo_and_nothing_else() -> None:
    """LHLO takes EHLO's place, and there is no HELO to fall back on (RFC 2033 section 4.1)."""
    session = talk(lmtp=True)

    assert session.hear(GREETING) == b"LHLO mail.example.org\r\n"
    session.hear(b"500 what?\r\n")
    assert session.events == [Event.CLOSED]
    assert b"HELO" not in session.said


@pytest.mark.parametrize("ehlo", [CHUNKS, PIPELINING])
def test_lmtp_answers(ehlo: bytes) -> None:
    """One for each recipient taken, and only then the next transaction."""
    session = ready("bob", "eve", "ann", ehlo=ehlo, lmtp=True)
    session.hear(b"250 a\r\n250 b\r\n550 no\r\n250 d\r\n" + (b"354 go\r\n" if ehlo is PIPELINING else b""))

    assert session.hear(b"250-2.0.0 one\r\n250 2.0.0 one\r\n") == b""
    assert b"MAIL FROM:" in session.hear(b"452 4.2.2 full\r\n")
    assert brief(session.outcomes[0]) == [(Delivered, 250), (Failed, 550), (Deferred, 452)]


def test_lmtp_server_that_says_354_to_nobody() -> None:
    """How many answers would follow is unknown, so the session ends; the outcomes stand."""
    session = ready("bob", ehlo=PIPELINING, lmtp=True)

    assert session.hear(b"250 a\r\n550 no\r\n354 go\r\n") == b""
    assert session.session.closed
    assert brief(list(session.session.outcomes)) == [(Failed, 550)]


def test_goodbye_is_no_answer() -> None:
    """A host that answers for too few recipients, and then QUIT, has not taken the others."""
    session = talk(envelope_to("bob", "eve"), lmtp=True, last=True)
    session.hear(GREETING)
    session.hear(CHUNKS)
    session.hear(b"250 a\r\n250 b\r\n250 c\r\n")
    session.hear(b"250 one\r\n221 bye\r\n")

    assert brief(list(session.session.outcomes)) == [(Delivered, 250), (Unconfirmed, 451)]


def test_lmtp_answer_that_nobody_understands() -> None:
    """Whatever comes after it, a delivery that was confirmed stays one."""
    session = ready("bob", "eve", lmtp=True)
    session.hear(b"250 a\r\n250 b\r\n250 c\r\n")
    session.hear(b"250 2.0.0 bob\r\n502 5.5.1 what?\r\n")

    assert brief(list(session.session.outcomes)) == [(Delivered, 250), (Deferred, 451)]
