"""The wire buffer: lines and pieces, bounded, whatever the cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.wire import LineTooLong, Overflow, WireBuffer


def holding(*deliveries: bytes) -> WireBuffer:
    buffer = WireBuffer()
    for delivery in deliveries:
        buffer.append(delivery)
    return buffer


def test_lines_end_with_crlf_or_lf() -> None:
    """Both ends are taken off; a CR elsewhere stays."""
    buffer = holding(b"one\r\ntwo\n\r\n\nfi\rve\r\r\nrest")

    lines = [buffer.take_line(100) for _ in range(6)]

    assert lines == [b"one", b"two", b"", b"", b"fi\rve\r", None]
    assert len(buffer) == 4


def test_limit_counts_the_line_end() -> None:
    """A line of exactly the limit is taken, one octet more is not."""
    buffer = holding(b"12345678\r\n123456789\r\nnext\r\n")

    assert buffer.take_line(10) == b"12345678"
    with pytest.raises(LineTooLong):
        buffer.take_line(10)
    assert buffer.take_line(10) == b"next"


def test_long_line_is_dropped_as_it_comes() -> None:
    """A line without end takes no memory, is told once, and what follows is intact."""
    buffer = WireBuffer()
    for _ in range(1000):
        buffer.append(b"x" * 1000)
        assert buffer.take_line(100) is None
        assert len(buffer) == 0
    buffer.append(b"x\nNOOP\r\n")

    with pytest.raises(LineTooLong):
        buffer.take_line(100)
    assert buffer.take_line(100) == b"NOOP"


class CountingOctets(bytearray):
    """Counts the octets that searches look at."""

    looked_at = 0

    def find(self, sub: bytes, start: int = 0) -> int:  # type: ignore[override]
        self.looked_at += len(self) - start
        return super().find(sub, start)


def test_every_octet_is_searched_once() -> None:
    """A line in one-octet pieces costs linear work."""
    buffer = WireBuffer()
    buffer._octets = octets = CountingOctets()
    for _ in range(10_000):
        buffer.append(b"x")
        assert buffer.take_line(20_000) is None

    assert octets.looked_at == 10_000


def test_take_and_put_back() -> None:
    """What is put back is what comes next, before what was there."""
    buffer = holding(b"abcdef\r\n")

    assert buffer.take(4) == b"abcd"
    buffer.put_back(b"cd\n")
    assert buffer.take_line(100) == b"cd"
    assert buffer.take(100) == b"ef\r\n"
    assert buffer.take(100) == b""


def test_overflow_only_past_the_bound() -> None:
    """One delivery of any size is taken; more on top of too much isn't, and changes nothing."""
    buffer = WireBuffer(bound=10)
    buffer.append(b"x" * 10)
    buffer.append(b"y" * 100)

    with pytest.raises(Overflow):
        buffer.append(b"z")
    assert buffer.take(1000) == b"x" * 10 + b"y" * 100


def test_clear_forgets_a_long_line() -> None:
    """After `clear` nothing of a line under way is remembered."""
    buffer = holding(b"x" * 200)
    assert buffer.take_line(100) is None

    buffer.clear()
    buffer.append(b"NOOP\r\n")

    assert buffer.take_line(100) == b"NOOP"


def read_all(pieces: list[bytes]) -> list[bytes | str]:
    buffer, lines = WireBuffer(), []
    for piece in pieces:
        buffer.append(piece)
        while True:
            try:
                line = buffer.take_line(5)
            except LineTooLong:
                lines.append("too long")
                continue
            if line is None:
                break
            lines.append(line)
    return lines


@settings(max_examples=300, derandomize=True)
@given(st.lists(st.text("a\r\n", max_size=6).map(str.encode), max_size=8))
def test_cuts_make_no_difference(pieces: list[bytes]) -> None:
    """The same lines come out however the octets are cut."""
    whole = b"".join(pieces)

    assert read_all(pieces) == read_all([whole]) == read_all([whole[i : i + 1] for i in range(len(whole))])
