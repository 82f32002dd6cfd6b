"""The server's session hears the same however TCP cuts it, and never breaks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from server_talk import REFUSED, Talk, bytewise

from twistedmail_mta.model import Reply
from twistedmail_mta.smtp import server as smtp

MESSAGE = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx: y\r\n\r\n..\r\n.z\r\n\r\n.\r\n"
TRANSACTION = b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<c@d>\r\n"
DIALOGUES = {
    "message": b"EHLO x\r\n" + MESSAGE + MESSAGE + b"QUIT\r\n",
    "typed": b"\xff\xfb\x01helo x\nmail from: a@b\nrcpt to: c@d\ndata\nhi\nthere\r\n.\r\nhelp\nquit\n",
    "bare": TRANSACTION + b"DATA\r\na\nb\rc\r\r\nd\n\r\r\n.\r\nNOOP\r\n",
    "smuggled": TRANSACTION + b"DATA\r\na\r\n.\r\r\n.\rMAIL FROM:<>\n.\r\n\r\n.\r\nNOOP\r\n",
    "chunks": TRANSACTION + b"BDAT 3\r\na\r\rBDAT 4\r\n\n.\r\nBDAT 0 LAST\r\nBDAT 4\r\nQUIT\r\n",
    "login": b"EHLO x\r\nAUTH LOGIN\r\nam9l\r\nAUTH PLAIN =\r\nNOOP\r\n",
    "cancelled": b"EHLO x\r\nAUTH LOGIN\r\n*\r\nAUTH LOGIN am9l\r\n!\r\nNOOP\r\n",
    "errors": b"\r\nFOO\r\nEHLO x\r\nMAIL\r\nRCPT TO:<x>\r\nDATA\r\nMAIL FROM:<\xff>\r\nVRFY\r\nBDAT 1\r\nxEXPN\r\n",
    "broken": TRANSACTION + b"NOOP\r\nBDAT x\r\nNOOP\r\n",
    "long": b"EHLO x\r\nNOOP " + b"x" * 2100 + b"\r\n" + b"y" * 12300 + b"\r\nNOOP\r\n",
    "large": TRANSACTION + b"DATA\r\n" + b"x" * 2001 + b"\r\n.\r\nNOOP\r\n",
}
FAR_TOO_LARGE = TRANSACTION + b"DATA\r\n" + b"x" * 20_500 + b"\r\n.\r\nNOOP\r\n"


def outcome(*pieces: bytes, answers: dict[type, Reply] | None = None) -> tuple[list[smtp.Event], bytes, int, int, bool]:
    """Return all that a session makes of these pieces; of a body with a fault only that."""
    talk = Talk(answers=answers)
    talk.hear(*pieces)
    session = talk.session
    return list(faultless(talk.events)), talk.said, session.commands, session.errors, session.closing


def faultless(events: list[smtp.Event]) -> Iterator[smtp.Event]:
    """Leave out blocks before a fault: how many come depends on the cut."""
    for event, following in pairwise([*events, None]):
        if not (isinstance(event, smtp.BodyBlock) and isinstance(following, smtp.BodyEnd) and following.fault):
            assert event is not None
            yield event


@pytest.mark.parametrize("name", DIALOGUES)
def test_every_cut_in_two(name: str) -> None:
    """Two pieces, cut at every place, give what one piece gives; so do single octets."""
    stream = DIALOGUES[name]
    whole = outcome(stream)

    assert outcome(*bytewise(stream)) == whole
    for place in range(0, len(stream), 1 if len(stream) < 1000 else 97):
        assert outcome(stream[:place], stream[place:]) == whole


@pytest.mark.parametrize("name", ["message", "chunks", "bare"])
def test_every_cut_in_two_of_refused_messages(name: str) -> None:
    """The same where the driver refuses."""
    stream, answers = DIALOGUES[name], {smtp.BodyEnd: REFUSED}
    whole = outcome(stream, answers=answers)

    for place in range(len(stream)):
        assert outcome(stream[:place], stream[place:], answers=answers) == whole


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_far_too_large_whatever_the_cut(size: int) -> None:
    """Where the session ends by itself, it ends the same way."""
    stream = FAR_TOO_LARGE

    *_, said, _, _, closing = outcome(*(stream[i : i + size] for i in range(0, len(stream), size)))

    assert closing
    assert said.endswith(b"421 4.3.0 Message far too large, closing the connection\r\n")


WORDS = st.sampled_from(
    [
        *(
            b"EHLO x",
            b"HELO y",
            b"MAIL FROM:<a@b>",
            b"MAIL FROM:<>",
            b"RCPT TO:<a@b>",
            b"RCPT TO:<c@d>",
            b"DATA",
            b"DATA",
        ),
        *(
            b"RSET",
            b"NOOP",
            b"VRFY x",
            b"HELP",
            b"BDAT 3",
            b"BDAT 4 LAST",
            b"BDAT 0 LAST",
            b"AUTH PLAIN",
            b"AUTH LOGIN =",
        ),
        *(b"*", b"am9l", b"QUIT", b"STARTTLS", b".", b"..", b"", b"\r", b"text", b"\0\xff", b"\xff\xfd\x01EHLO x"),
    ]
)
STREAMS = st.lists(WORDS | st.binary(max_size=5), max_size=30).flatmap(
    lambda words: st.lists(
        st.sampled_from([b"\r\n"] * 6 + [b"\n", b"\r"]), min_size=len(words), max_size=len(words)
    ).map(lambda ends: b"EHLO x\r\n" + b"".join(word + end for word, end in zip(words, ends, strict=True)))
)


@settings(max_examples=300, derandomize=True)
@given(STREAMS, st.lists(st.integers(0, 300), max_size=5), st.sampled_from([None, smtp.Mail, smtp.Rcpt, smtp.BodyEnd]))
def test_cuts_make_no_difference(stream: bytes, cuts: list[int], refused: type | None) -> None:
    """Random dialogues, cut at random; STARTTLS aside, where the cut decides what was injected."""
    stream = stream.replace(b"STARTTLS", b"START")
    answers = {refused: REFUSED} if refused is not None else None
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(places)]

    assert outcome(*pieces, answers=answers) == outcome(stream, answers=answers)


@settings(max_examples=300, derandomize=True)
@given(st.lists(st.binary(max_size=60) | STREAMS, max_size=8))
def test_junk_never_breaks_the_session(pieces: list[bytes]) -> None:
    """Nothing is raised, every line is answered once, and no reply is malformed."""
    events, said, commands, _, _ = outcome(*pieces)

    lines = said.split(b"\r\n")
    assert lines.pop() == b""
    assert all(line[:3].isdigit() and line[3:4] in {b" ", b"-"} and line.isascii() for line in lines)
    bodies = sum(isinstance(event, smtp.BodyEnd) for event in events)
    replies = sum(line[3:4] == b" " for line in lines)
    assert commands <= replies + 1 <= commands + bodies + 2
