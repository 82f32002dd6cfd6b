"""Dot-stuffing against a naive oracle, at every border between blocks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.smtp.dotstuff import DotStuffer

PIECES = st.lists(st.sampled_from([b"\r\n", b"\r\n.", b".", b"..", b"a", b"\r", b"bc."]), max_size=12).map(b"".join)


def oracle(message: bytes) -> bytes:
    """Stuff line by line, as RFC 5321 section 4.5.2 tells it."""
    if not message.endswith(b"\r\n") and message:
        message += b"\r\n"
    lines = message.split(b"\r\n")[:-1]
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"


def stuffed(*blocks: bytes) -> bytes:
    stuffer = DotStuffer()
    return b"".join([*(stuffer.stuff(block) for block in blocks), stuffer.end()])


@pytest.mark.parametrize("message", [b"", b".", b"..\r\n", b".\r\n", b"a\r\n.\r\nb\r\n", b"\r\n.\r\n", b"a\r\n..x"])
def test_dots_at_line_starts_are_doubled(message: bytes) -> None:
    """Every dot that begins a line is sent twice, and the data ends with a line of one dot."""
    assert stuffed(message) == oracle(message)


@settings(derandomize=True, max_examples=300)
@given(PIECES)
def test_every_cut_gives_the_same(message: bytes) -> None:
    """Where a block ends changes nothing, wherever in CRLF and dot it ends."""
    expected = oracle(message)

    for first in range(len(message) + 1):
        assert stuffed(message[:first], message[first:]) == expected
    assert stuffed(*(bytes([octet]) for octet in message)) == expected


def test_block_without_dots_is_not_copied() -> None:
    """A large body goes through without a copy."""
    stuffer, block = DotStuffer(), b"abc\r\n" * 10

    assert stuffer.stuff(block) is block
