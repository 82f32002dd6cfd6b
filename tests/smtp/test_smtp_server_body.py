"""The server's session: DATA and BDAT."""

from __future__ import annotations

from itertools import product

import pytest
from server_talk import OK, REFUSED, SETTINGS, Talk, bytewise, codes

from twistedmail_mta.smtp import server as smtp
from twistedmail_mta.smtp.body import TOO_LARGE
from twistedmail_mta.smtp.data import BARE_LINE_END, LINE_TOO_LONG, LONE_DOT
from twistedmail_mta.smtp.intake import MAX_BLOCK

STRICT = smtp.SessionSettings("mx.example", 10_000, strict=True)


def test_body_comes_in_blocks() -> None:
    """What has arrived is handed on at once, but for the few octets that may belong to the end."""
    talk = Talk().begin()
    talk.hear(b"DATA\r\n")
    session = talk.session

    session.receive_bytes(b"one\r\ntwo\r\n")
    assert session.next_event() == smtp.BodyBlock(b"one\r\ntwo")
    assert session.next_event() is None
    session.receive_bytes(b"..\r\n.\r\nNOOP\r\n")
    assert session.next_event() == smtp.BodyBlock(b"\r\n.\r\n")
    assert session.next_event() == smtp.BodyEnd(None, last=True)
    assert session.next_event() is None
    session.send_reply(OK)
    assert isinstance(session.next_event(), smtp.Answered)


def test_blocks_are_of_a_bounded_size() -> None:
    """However much was delivered at once."""
    settings = smtp.SessionSettings("mx.example", 10**7, max_line=10**7)
    for command, ending in ((b"DATA\r\n", b"\r\n.\r\n"), (b"BDAT 3000000 LAST\r\n", b"")):
        session = Talk(settings=settings).begin().session
        session.receive_bytes(command + b"x" * 999_998 + b"\r\n" + b"y" * 2_000_000 + ending)
        sizes = []
        while (event := session.next_event()) is not None:
            if isinstance(event, smtp.Data):
                session.send_reply(Talk().answers[smtp.Data])
            elif isinstance(event, smtp.BodyBlock):
                sizes.append(len(event.data))
        assert sum(sizes) in {3_000_000, 3_000_002}
        assert max(sizes) <= MAX_BLOCK + 4


def test_bare_line_ends_are_repaired() -> None:
    """By default; in a strict session they are refused, once, at the end."""
    text = b"a\nb\rc\r\n"

    talk = Talk().begin()
    assert codes(talk.hear(b"DATA\r\n" + text + b".\r\n")) == ["354", "250 2.0.0"]
    assert talk.body == b"a\r\nb\r\nc\r\n"

    talk = Talk(settings=STRICT).begin()
    assert codes(talk.hear(b"DATA\r\n" + text + b".\r\nNOOP\r\n")) == ["354", "550 5.6.11", "250 2.0.0"]
    assert talk.events[-2] == smtp.BodyEnd(BARE_LINE_END, last=True)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    "hidden",
    [a + b"." + b for a, b in product([b"\r\n", b"\n", b"\r"], repeat=2) if (a, b) != (b"\r\n", b"\r\n")],
)
def test_smuggling(hidden: bytes, strict: bool) -> None:
    """Commands behind a false end are text, the text is refused, and only one answer is given."""
    stream = b"DATA\r\nx" + hidden + b"MAIL FROM:<evil@x>\r\nRCPT TO:<a@b>\r\nDATA\r\ny\r\n.\r\nNOOP\r\n"
    for pieces in ([stream], bytewise(stream)):
        talk = Talk(settings=STRICT if strict else SETTINGS).begin()
        assert codes(talk.hear(*pieces)) == ["354", "550 5.6.11", "250 2.0.0"]
        assert not any(isinstance(event, smtp.Mail) for event in talk.events)
        assert smtp.BodyEnd(LONE_DOT, last=True) in talk.events or strict


@pytest.mark.parametrize("settings", [SETTINGS, STRICT])
def test_dot_typed_with_bare_line_ends(settings: smtp.SessionSettings) -> None:
    """Who types in `nc` waits for an answer to the dot: told at once what is missing, and nothing more is heard."""
    stream = b"DATA\nSubject: hi\n\nhello\n.\nQUIT\n\r\n.\r\nNOOP\r\n"
    for pieces in ([stream], bytewise(stream)):
        talk = Talk(settings=settings).begin()
        said = talk.hear(*pieces)
        assert codes(said) == ["354", "550 5.6.11"]
        assert "nc -C" in said
        assert talk.session.closing
        assert not any(isinstance(event, smtp.BodyEnd) for event in talk.events)


def test_too_large() -> None:
    """The limit is on the message; past it nothing is kept, and the answer comes at the end."""
    talk = Talk().begin()
    line = b"x" * 98 + b"\r\n"
    assert codes(talk.hear(b"DATA\r\n", line * 100, b".\r\n")) == ["354", "250 2.0.0"]
    assert len(talk.body) == 10_000

    talk = Talk().begin()
    assert codes(talk.hear(b"DATA\r\n", *[line] * 100)) == ["354"]
    assert talk.hear(*[line] * 90) == ""
    assert codes(talk.hear(b".\r\nNOOP\r\n")) == ["552 5.3.4", "250 2.0.0"]
    assert len(talk.body) <= 10_000


def test_repairs_count() -> None:
    """The size is that of the message as it is kept."""
    talk = Talk().begin()

    assert codes(talk.hear(b"DATA\r\n" + b"\n" * 5001 + b"x\r\n.\r\n")) == ["354", "552 5.3.4"]


def test_stuffing_does_not_count() -> None:
    """The dots that stuff are no part of the message (RFC 1870 section 5)."""
    talk = Talk().begin()

    assert codes(talk.hear(b"DATA\r\n" + b"..\r\n" * 3333 + b".\r\n")) == ["354", "250 2.0.0"]


def test_far_too_large() -> None:
    """Past twice the limit it is 421 and the end, in constant memory until then."""
    talk = Talk().begin()
    talk.hear(b"DATA\r\n")
    for _ in range(21):
        talk.hear(b"x" * 998 + b"\r\n")
        assert len(talk.session._input) == 0

    assert talk.session.closing
    assert codes(talk.said.decode())[-1] == "421 4.3.0"
    assert isinstance(talk.events[-1], smtp.Answered)


def test_large_and_refused_for_another_reason() -> None:
    """The first fault is the one that is told; the limits of reading hold all the same."""
    talk = Talk().begin()
    assert codes(talk.hear(b"DATA\r\n\n.\n" + b"x\r\n" * 5000 + b".\r\n")) == ["354", "550 5.6.11"]

    talk = Talk().begin()
    talk.hear(b"DATA\r\n\n.\n", *[b"x\r\n" * 5000] * 2)
    assert talk.session.closing


def test_long_lines() -> None:
    """A line of the limit passes unchanged, a longer one is refused at the end."""
    talk = Talk().begin()
    assert codes(talk.hear(b"DATA\r\n" + b"x" * 2000 + b"\r\n.\r\n")) == ["354", "250 2.0.0"]
    assert talk.body == b"x" * 2000 + b"\r\n"

    talk = Talk().begin()
    assert codes(talk.hear(b"DATA\r\n" + b"x" * 2001 + b"\r\n.\r\n")) == ["354", "552 5.6.0"]
    assert talk.events[-1] == smtp.BodyEnd(LINE_TOO_LONG, last=True)


def test_chunks() -> None:
    """Chunks are answered one by one, a CRLF may be cut between them, dots are text (RFC 3030 section 2)."""
    talk = Talk().begin()

    said = talk.hear(b"BDAT 6\r\nabc\r\n\r", b"BDAT 7\r\n\n.\r\nd\n.BDAT 0\r\n", b"bdat 3 last\r\n\nef")

    assert codes(said) == ["250 2.0.0"] * 4
    assert [event for event in talk.events if not isinstance(event, smtp.BodyBlock)] == [
        smtp.Chunk(6, last=False),
        smtp.BodyEnd(None, last=False),
        smtp.Chunk(7, last=False),
        smtp.BodyEnd(None, last=False),
        smtp.Chunk(0, last=False),
        smtp.BodyEnd(None, last=False),
        smtp.Chunk(3, last=True),
        smtp.BodyEnd(None, last=True),
    ]
    assert talk.body == b"abc\r\n\r\n.\r\nd\r\n.\r\nef"


def test_last_chunk_may_be_empty() -> None:
    """`BDAT 0 LAST` ends the message, with what was held back of it."""
    talk = Talk().begin()

    assert codes(talk.hear(b"BDAT 2\r\na\r", b"BDAT 0 LAST\r\n", b"BDAT 1 LAST\r\nx")) == [
        "250 2.0.0",
        "250 2.0.0",
        "503 5.5.1",
    ]
    assert talk.body == b"a\r\n"


def test_between_chunks() -> None:
    """Neither DATA, MAIL nor RCPT; RSET clears all (RFC 3030 section 2)."""
    talk = Talk().begin()

    said = talk.hear(b"BDAT 1\r\nx", b"DATA\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nNOOP\r\nRSET\r\nBDAT 2 LAST\r\nyy")

    assert codes(said) == ["250 2.0.0", "503 5.5.1", "503 5.5.1", "503 5.5.1", "250 2.0.0", "250 2.0.0", "503 5.5.1"]


def test_refused_chunk_ends_the_transaction() -> None:
    """Chunks in the pipeline behind it are read, dropped, and answered 503."""
    talk = Talk(answers={smtp.BodyEnd: REFUSED}).begin()

    said = talk.hear(b"BDAT 5\r\nQUIT\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<>\r\n")

    assert codes(said) == ["550 5.7.1", "503 5.5.1", "503 5.5.1", "250 2.1.0"]
    assert sum(isinstance(event, smtp.BodyBlock) for event in talk.events) == 1


@pytest.mark.parametrize("commands", [b"", b"MAIL FROM:<>\r\n", b"MAIL FROM:<>\r\nRCPT TO:<>\r\n"])
def test_chunks_without_recipients_are_swallowed(commands: bytes) -> None:
    """Their octets are never taken for commands."""
    talk = Talk().greet()
    talk.hear(commands)

    for piece in ([b"BDAT 6 LAST\r\nQUIT\r\n"], bytewise(b"BDAT 6 LAST\r\nQUIT\r\n")):
        assert codes(talk.hear(*piece)) == ["503 5.5.1"]
    assert codes(talk.hear(b"BDAT 0\r\nNOOP\r\n")) == ["503 5.5.1", "250 2.0.0"]


def test_chunk_after_refused_recipients() -> None:
    """554, as to DATA."""
    talk = Talk(answers={smtp.Rcpt: REFUSED}).begin()

    assert codes(talk.hear(b"BDAT 4\r\nQUITNOOP\r\n")) == ["554 5.5.1", "250 2.0.0"]


@pytest.mark.parametrize(
    "line", [b"BDAT", b"BDAT x", b"BDAT -1", b"BDAT 1 2", b"BDAT 1 LASTING", b"BDAT " + b"1" * 3000, b"BDAT 1\xff"]
)
def test_bad_bdat_closes(line: bytes) -> None:
    """Nobody knows how many octets follow, and they must not be taken for commands."""
    talk = Talk().begin()

    assert [code[:3] for code in codes(talk.hear(line + b"\r\nQUIT\r\n"))] == ["501"]
    assert talk.session.closing


def test_chunks_too_large() -> None:
    """The sum counts; a chunk announced too large is a fault from its first octet, told at its end."""
    talk = Talk().begin()
    talk.hear(b"BDAT 6000\r\n" + b"x\r\n" * 2000)
    talk.events.clear()

    assert codes(talk.hear(b"BDAT 6000 LAST\r\n", b"x\r\n" * 1000, b"x\r\n" * 1000, b"NOOP\r\n")) == [
        "552 5.3.4",
        "250 2.0.0",
    ]
    assert talk.events[:2] == [smtp.Chunk(6000, last=True), smtp.BodyEnd(TOO_LARGE, last=True)]


@pytest.mark.parametrize("recipients", [True, False])
def test_chunks_far_too_large(recipients: bool) -> None:
    """An absurd size is read up to twice the limit, then the session ends."""
    talk = Talk().begin() if recipients else Talk().greet()
    talk.hear(b"BDAT 99999999999999999999 LAST\r\n")
    assert talk.hear(*[b"x" * 1000] * 20) == ""

    assert codes(talk.hear(b"x")) == ["421 4.3.0"]
    assert talk.session.closing
    assert talk.body == b""


def test_lone_dots_in_chunks_are_text() -> None:
    """A chunk's end is counted: there is nothing to smuggle with, and line ends are repaired."""
    talk = Talk().begin()

    assert codes(talk.hear(b"BDAT 9 LAST\r\na\n.\nb\r.\r\n")) == ["250 2.0.0"]
    assert talk.body == b"a\r\n.\r\nb\r\n.\r\n"


def test_nul_and_eight_bit_pass() -> None:
    """What a message holds beside line ends isn't our business."""
    octets = bytes(octet for octet in range(256) if octet not in b"\r\n") + b"\r\n"
    talk = Talk().begin()

    talk.hear(b"DATA\r\n" + octets + b".\r\n")

    assert talk.body == octets
