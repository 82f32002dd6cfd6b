"""Content transfer encodings: right, broken, and cut anywhere."""

from __future__ import annotations

import base64
import quopri
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedmail_mta.mail.parts import Encoding
from twistedmail_mta.mail.transfer_decoding import decoded, decoder

BASE64, QUOTED = Encoding.BASE64, Encoding.QUOTED_PRINTABLE

CASES = [
    (BASE64, b"", b""),
    (BASE64, b"aGVsbG8=", b"hello"),
    (BASE64, b"aGVs\r\nbG8=\r\n", b"hello"),
    (BASE64, b"aGVsbG8", b"hello"),
    (BASE64, b"a!G-V s\0bG8\xff=", b"hello"),
    (BASE64, b"aGVsb", b"hel"),
    (BASE64, b"YQ==YQ==", b"aa"),
    (BASE64, b"YWI=\r\nYWI=\r\n", b"abab"),
    (BASE64, b"=YQ", b"a"),
    (BASE64, b"====", b""),
    (BASE64, b"Y===YWJj", b"abc"),
    (QUOTED, b"", b""),
    (QUOTED, b"a=C3=B6b", "aöb".encode()),
    (QUOTED, b"a=c3=b6b", "aöb".encode()),
    (QUOTED, b"soft=\r\nbreak\r\nhard\r\n", b"softbreak\r\nhard\r\n"),
    (QUOTED, b"soft= \t\r\nbreak", b"softbreak"),
    (QUOTED, b"soft=\nbreak\n", b"softbreak\n"),
    (QUOTED, b"white \t\r\nspace \n", b"white\r\nspace\n"),
    (QUOTED, b"kept=20\r\n", b"kept \r\n"),
    (QUOTED, b"a=b", b"a=b"),
    (QUOTED, b"a=4", b"a=4"),
    (QUOTED, b"a==41", b"a=A"),
    (QUOTED, b"a==\r\n41", b"a=41"),
    (QUOTED, b"a=\rb\nc", b"a=\rb\nc"),
    (QUOTED, b"_under_", b"_under_"),
    (QUOTED, b"the end=", b"the end"),
    (QUOTED, b"the end= ", b"the end"),
    (QUOTED, b"the end  ", b"the end"),
    (QUOTED, b"x\r", b"x\r"),
    (QUOTED, b"\xff\x00=00", b"\xff\x00\x00"),
    (Encoding.IDENTITY, b"=41 \r\n", b"=41 \r\n"),
    (Encoding.UNKNOWN, b"=41 \r\n", b"=41 \r\n"),
]


def in_pieces(encoding: Encoding, pieces: list[bytes]) -> bytes:
    one = decoder(encoding)
    return b"".join([*map(one.decode, pieces), one.end()])


@pytest.mark.parametrize(("encoding", "octets", "expected"), CASES)
def test_decodes(encoding: Encoding, octets: bytes, expected: bytes) -> None:
    assert decoded(encoding, octets) == expected


@pytest.mark.parametrize(("encoding", "octets", "expected"), CASES)
def test_cut_anywhere(encoding: Encoding, octets: bytes, expected: bytes) -> None:
    for first in range(len(octets) + 1):
        for second in range(first, len(octets) + 1):
            pieces = [octets[:first], octets[first:second], octets[second:]]

            assert in_pieces(encoding, pieces) == expected


@given(st.binary(max_size=300), st.integers(1, 80))
def test_what_was_encoded_comes_back(octets: bytes, size: int) -> None:
    for encoding, text in ((BASE64, base64.encodebytes(octets)), (QUOTED, quopri.encodestring(octets, quotetabs=True))):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]

        assert in_pieces(encoding, pieces) == octets


def naive(text: bytes) -> bytes:
    """Decode quoted-printable line by line, a match at a time."""
    text = re.sub(rb"[ \t]+(?=\r?\n|\Z)", b"", text)
    return re.sub(
        rb"=([0-9A-Fa-f]{2})|=\r?\n|=\Z", lambda found: bytes.fromhex(found[1].decode()) if found[1] else b"", text
    )


@given(st.lists(st.sampled_from([b"=", b"4", b"1", b"x", b" ", b"\t", b"\r", b"\n", b"\r\n", b"=\r\n"])), st.data())
def test_broken_quoted_printable(letters: list[bytes], data: st.DataObject) -> None:
    """As a decoder that sees all at once, wherever it is cut."""
    text = b"".join(letters)
    cut = data.draw(st.integers(0, len(text)))

    assert in_pieces(QUOTED, [text[:cut], text[cut:]]) == naive(text)


def test_white_space_without_end_is_not_held() -> None:
    """Of hostile mail no more is kept than a line."""
    one = decoder(QUOTED)

    given_back = sum(len(one.decode(b" " * 10_000)) for _ in range(10))

    assert given_back >= 90_000
