"""Replies on the wire."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.model import Reply
from twistedmail_mta.smtp.reply import encode_reply


def test_one_line() -> None:
    """Code, status, text."""
    assert encode_reply(Reply(250, "2.1.0", "Sender OK")) == b"250 2.1.0 Sender OK\r\n"
    assert encode_reply(Reply(354, "", "Go")) == b"354 Go\r\n"


def test_many_lines_all_bear_the_status() -> None:
    """RFC 2034 section 4: on every line."""
    assert encode_reply(Reply(550, "5.7.1", "a\n\nb")) == b"550-5.7.1 a\r\n550-5.7.1 \r\n550 5.7.1 b\r\n"


def test_no_text_forges_a_reply() -> None:
    """Controls and what isn't ASCII become question marks."""
    assert encode_reply(Reply(550, "5.1.1", "x\r250 OK\0é")) == b"550 5.1.1 x?250 OK??\r\n"


def test_challenges_stay_whole() -> None:
    """The base64 of a 334 may be longer than a reply line."""
    assert encode_reply(Reply(334, "", "A" * 2000)) == b"334 " + b"A" * 2000 + b"\r\n"


@settings(max_examples=200, derandomize=True)
@given(st.text(max_size=2000))
def test_shape(text: str) -> None:
    """Every line is CRLF-ended, within 512 octets, and only the last has a space after the code."""
    lines = encode_reply(Reply(451, "4.3.0", text)).split(b"\r\n")

    assert lines.pop() == b""
    assert all(line.startswith(b"451-4.3.0 ") for line in lines[:-1])
    assert lines[-1].startswith(b"451 4.3.0 ")
    assert all(len(line) <= 510 and line.isascii() and b"\n" not in line and b"\r" not in line for line in lines)
