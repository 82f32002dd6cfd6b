"""The reader of replies: every cut, every limit, every kind of garbage."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.model import Reply
from twistedmail_mta.smtp.client_reply import (
    MAX_LINE,
    MAX_LINES,
    MAX_TEXT,
    MAX_UNREAD,
    BadReply,
    ReplyReader,
    clipped,
    printable,
)

STREAM = b"220 hi\r\n250-mx\r\n250-SIZE 10\r\n250 DSN\r\n550-5.1.1 no\r\n550 5.1.1 body\n354\r\n250 2.0.0 ok\r\n"
REPLIES = [
    Reply(220, "", "hi"),
    Reply(250, "", "mx\nSIZE 10\nDSN"),
    Reply(550, "5.1.1", "no\nbody"),
    Reply(354, "", ""),
    Reply(250, "2.0.0", "ok"),
]


def read(*pieces: bytes) -> list[Reply]:
    reader, replies = ReplyReader(), []
    for piece in pieces:
        reader.receive(piece)
        while (reply := reader.next_reply()) is not None:
            replies.append(reply)
    return replies


def test_every_cut_gives_the_same_replies() -> None:
    """Cut once anywhere, or into single octets, the stream says the same."""
    assert read(*(bytes([octet]) for octet in STREAM)) == REPLIES
    for cut in range(len(STREAM) + 1):
        assert read(STREAM[:cut], STREAM[cut:]) == REPLIES


@pytest.mark.parametrize(
    ("stream", "reply"),
    [
        (b"250-2.1.0 a\r\n450 b\r\n", Reply(450, "", "2.1.0 a\nb")),
        (b"250-a\r\n550-b\r\n550 5.7.1 c\r\n", Reply(550, "5.7.1", "a\nb\nc")),
        (b"550 4.1.1 class differs\r\n", Reply(550, "", "4.1.1 class differs")),
        (b"550 5.1.1\r\n", Reply(550, "5.1.1", "")),
        (b"550 5.1.1234 x\r\n", Reply(550, "", "5.1.1234 x")),
        (b"250\r\n", Reply(250, "", "")),
        (b"250 \r\n", Reply(250, "", "")),
    ],
)
def test_codes_and_statuses(stream: bytes, reply: Reply) -> None:
    """Of mixed codes the last counts; a status counts only in the class of its code."""
    assert read(stream) == [reply]


@pytest.mark.parametrize(
    "stream",
    [
        b"\r\n",
        b"hello\r\n",
        b"25 x\r\n",
        b"2500 x\r\n",
        b"150 x\r\n",
        b"650 x\r\n",
        b"250+x\r\n",
        b"250-a\r\nb\r\n",
        b"\xb2\xb5\xb0 x\r\n",
        b"250 " + b"x" * MAX_LINE + b"\r\n",
        b"x" * (MAX_LINE + 1),
        b"250-x\r\n" * MAX_LINES,
        b"250-x\r\n" * (MAX_UNREAD // 7 + 1),
    ],
)
def test_garbage_has_an_error_of_its_own(stream: bytes) -> None:
    """What is no reply, or longer than any, raises BadReply and nothing else."""
    with pytest.raises(BadReply):
        read(stream)


def test_flood_is_dropped() -> None:
    """A peer that keeps sending costs bounded memory, and the reader says so when asked."""
    reader = ReplyReader()
    for _ in range(100):
        reader.receive(b"250 ok\r\n" * 1000)

    assert len(reader._buffer) <= MAX_UNREAD
    with pytest.raises(BadReply):
        reader.next_reply()


@settings(derandomize=True, max_examples=500)
@given(
    st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([b"250 ok\r\n", b"250-", b"\r\n", b"5"])), max_size=8)
)
def test_nothing_else_is_raised(pieces: list[bytes]) -> None:
    """Random octets give replies of printable text, or BadReply."""
    try:
        replies = read(*pieces)
    except BadReply:
        return
    for reply in replies:
        assert 200 <= reply.code < 600
        assert reply.text.replace("\n", "").isprintable()


def test_text_is_made_printable() -> None:
    """No control or formatting character of a peer reaches a log, and invalid UTF-8 is replaced."""
    assert printable(b"a\tb\x1b[0m\x00\xc3\xa4\xff\xe2\x80\xae") == "a b?[0m?\u00e4\ufffd?"


def test_text_is_clipped() -> None:
    """An outcome holds no more text than a row should."""
    assert len(clipped(Reply(550, "", "x" * 5000)).text) == MAX_TEXT + 3
    assert clipped(Reply(550, "", "short")) == Reply(550, "", "short")
