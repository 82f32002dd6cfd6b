"""The text of a message off the wire: its end, its dots, its line ends."""

from __future__ import annotations

import re
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.smtp.data import BARE_LINE_END, LINE_TOO_LONG, DataReader, LineEnds


def pieces(stream: bytes, *cuts: int) -> list[bytes]:
    """Cut the stream at these places."""
    places = [0, *sorted(cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(places)]


def bytewise(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


def read(stream: list[bytes]) -> tuple[bytes, bytes, bool] | None:
    """Return text, rest and lone dot by the reader; None when the end didn't come."""
    reader, text, rest = DataReader(), b"", b""
    for piece in stream:
        if reader.finished:
            rest += piece
            continue
        text += reader.receive(piece)
        assert len(reader._held) <= 4
    return (text, reader.unread + rest, reader.lone_dot) if reader.finished else None


def read_naively(stream: bytes) -> tuple[bytes, bytes, bool] | None:
    """Do what the RFC says, line by line, with no regard to speed."""
    lines = stream.split(b"\r\n")
    if b"." not in lines[:-1]:
        return None
    end = lines.index(b".")
    text = b"".join((line[1:] if line.startswith(b".") else line) + b"\r\n" for line in lines[:end])
    return text, b"\r\n".join(lines[end + 1 :]), has_lone_dot(lines[:end])


def has_lone_dot(lines: list[bytes]) -> bool:
    """Whether a dot is alone where CR, LF and CRLF all count as line ends."""
    words = re.split(rb"\r\n|\r|\n", b"\r\n".join([*lines, b""]))
    return b"." in words[:-1]


def repaired(stream: list[bytes], *, strict: bool = False, max_line: int = 1000) -> tuple[bytes, LineEnds]:
    ends = LineEnds(strict=strict, max_line=max_line)
    text = b"".join([ends.receive(piece) for piece in stream])
    return text + ends.finish(), ends


def test_plain_text() -> None:
    """The end is no part of the text, what follows it is not read."""
    assert read([b"Subject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n"]) == (b"Subject: x\r\n\r\nhello\r\n", b"QUIT\r\n", False)
    assert read([b".\r\n"]) == (b"", b"", False)
    assert read([b"\r\n.\r\n"]) == (b"\r\n", b"", False)
    assert read([b"x\r\n."]) is None


def test_stuffed_dots() -> None:
    """The first dot of a line is taken away, also where more than a dot follows; others stay."""
    assert read([b"..\r\n...x\r\n.y\r\na.b\r\nc.\r\n.\r\n"]) == (b".\r\n..x\r\ny\r\na.b\r\nc.\r\n", b"", False)


def test_dots_after_bare_ends_were_not_stuffed() -> None:
    """Only a dot after CRLF is taken away."""
    assert read([b"a\n.b\r.c\r\n.\r\n"]) == (b"a\n.b\r.c\r\n", b"", False)


ENDS = [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r"]


@pytest.mark.parametrize(
    ("before", "after"), [pair for pair in product(ENDS, ENDS) if b"\r\n.\r\n" not in b".".join(pair)]
)
def test_smuggling_matrix(before: bytes, after: bytes) -> None:
    """No other sequence ends the data, and each with a bare end beside the dot is seen, cut anywhere."""
    hidden = b"x" + before + b"." + after
    stream = hidden + b"MAIL FROM:<a@b>\r\n.\r\nNOOP\r\n"
    expected = read([stream])

    assert expected is not None
    assert expected[1] == b"NOOP\r\n"
    assert expected[2]
    assert b"MAIL FROM" in expected[0]
    assert all(
        read(pieces(stream, i, j)) == expected for i in range(len(hidden) + 3) for j in range(i, len(hidden) + 3)
    )


@pytest.mark.parametrize("start", [b".\n", b".\r", b".\n\r\n", b".\r\r\n"])
def test_smuggling_at_the_start(start: bytes) -> None:
    """The data begins as if after CRLF."""
    stream = start + b"x\r\n.\r\n"

    assert read([stream]) == read(bytewise(stream))
    assert read([stream])[2]  # type: ignore[index]


ALPHABET = [b"\r", b"\n", b".", b"a", b"\0"]


def test_every_short_stream() -> None:
    """All streams of up to six octets, whole and octet by octet, agree with the naive reader."""
    for length in range(7):
        for octets in product(ALPHABET[:4], repeat=length):
            stream = b"".join(octets) + b"\r\n.\r\n"
            expected = read_naively(stream)
            for result in (read([stream]), read(bytewise(stream))):
                assert result is not None
                assert result[1:] == expected[1:]  # type: ignore[index]
                assert result[2] or result[0] == expected[0]  # type: ignore[index]


@settings(max_examples=1000, derandomize=True)
@given(
    st.lists(st.sampled_from([*ALPHABET, b"\r\n", b"\r\n.", b"\r\n.\r\n"]), max_size=30).map(b"".join),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_streams_agree_with_the_naive_reader(stream: bytes, cuts: list[int]) -> None:
    """Random streams, cut at random."""
    expected = read_naively(stream)
    result = read(pieces(stream, *(min(cut, len(stream)) for cut in cuts)))

    if expected is None or result is None:
        assert expected == result
    else:
        assert result[1:] == expected[1:]
        assert result[2] or result[0] == expected[0]  # after a lone dot the text is of no use


def test_line_ends_are_repaired() -> None:
    """Each bare CR or LF becomes a CRLF; NUL passes."""
    text, ends = repaired([b"a\nb\rc\r\nd\n\re\r\r\nf\0\n"])

    assert text == b"a\r\nb\r\nc\r\nd\r\n\r\ne\r\n\r\nf\0\r\n"
    assert ends.fault is None


def test_clean_text_is_not_touched() -> None:
    """No copy is made of a clean block."""
    block = b"abc\r\n\r\ndef\r\n"

    assert LineEnds(strict=False, max_line=1000)._check(block) is block


@pytest.mark.parametrize("text", [b"a\nb", b"a\rb", b"a\r", b"\n", b"a\r\r\n", b"\n\r\n"])
def test_strict_refuses_bare_ends(text: bytes) -> None:
    """Whatever the cut; and CRLF alone is fine."""
    assert repaired([text], strict=True)[1].fault == BARE_LINE_END
    assert repaired(bytewise(text), strict=True)[1].fault == BARE_LINE_END
    assert repaired(bytewise(b"a\r\n\r\nb"), strict=True)[1].fault is None


@settings(max_examples=1000, derandomize=True)
@given(st.lists(st.sampled_from([b"\r", b"\n", b"a", b"aaa", b"\r\n"]), max_size=30), st.integers(1, 8))
def test_line_ends_and_lengths_whatever_the_cut(stream: list[bytes], max_line: int) -> None:
    """The text is what a plain substitution gives, and a line is too long when it is."""
    expected = re.sub(rb"\r\n|\r|\n", b"\r\n", b"".join(stream))
    too_long = any(len(line) > max_line for line in expected.split(b"\r\n"))

    for cut in (stream, [b"".join(stream)], bytewise(b"".join(stream))):
        text, ends = repaired(cut, max_line=max_line)
        assert text == expected
        assert ends.fault == (LINE_TOO_LONG if too_long else None)


def test_lines_of_the_limit_pass() -> None:
    """1 MiB and its CRLF pass unchanged, one octet more doesn't."""
    limit = 1024 * 1024
    line = b"x" * limit

    assert repaired([line[:-1], b"x\r", b"\ny\r\n"], max_line=limit)[1].fault is None
    assert repaired([line, line[:1], b"\r\n"], max_line=limit)[1].fault == LINE_TOO_LONG


class CountingBlock(bytes):
    """Counts the octets that `rfind` was told to look at and the calls of it."""

    searches: list[int]

    def rfind(self, sub: bytes, start: int = 0, end: int | None = None) -> int:  # type: ignore[override]
        found = super().rfind(sub, start, len(self) if end is None else end)
        self.searches.append((len(self) if end is None else min(end, len(self))) - max(found, start))
        return found


@pytest.mark.parametrize("line", [b"\r\n", b"x" * 98 + b"\r\n", b"x" * 51 + b"\r\n", b"x\r\n" + b"x" * 96 + b"\r\n"])
def test_measuring_is_linear(line: bytes) -> None:
    """The length of lines is judged without looking at any octet more than about twice."""
    block = CountingBlock(line * 1000)
    block.searches = []
    ends = LineEnds(strict=False, max_line=98)

    ends._measure(block)

    assert ends.fault is None
    assert sum(block.searches) <= 2 * len(block) + 200


def test_one_octet_pieces_hold_nothing() -> None:
    """A 1 MiB line in one-octet pieces is handed on at once: neither reader gathers it."""
    reader, ends = DataReader(), LineEnds(strict=False, max_line=2_000_000)
    for _ in range(100_000):
        assert ends.receive(reader.receive(b"x")) == b"x"

    assert (len(reader._held), len(ends._held), ends._line) == (0, 0, 100_000)
