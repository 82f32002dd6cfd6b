"""xtext and unitext: what the parameters of DSN are written in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.smtp.xtext import decode_unitext, decode_xtext, is_unitext, is_xtext

PLAIN = frozenset(map(chr, range(0x21, 0x7F))) - {"+", "="}


def in_xtext(text: str) -> str:
    """Write text as RFC 3461 section 4 says, octet by octet."""
    return "".join(chr(octet) if chr(octet) in PLAIN else f"+{octet:02X}" for octet in text.encode())


def in_unitext(text: str) -> str:
    """Write text in the 7-bit form of RFC 6533 section 3, code point by code point."""
    return "".join(char if char in PLAIN - {"\\"} else f"\\x{{{ord(char):02X}}}" for char in text)


def test_xtext_examples() -> None:
    """Hex stands for octets; most characters stand for themselves."""
    assert decode_xtext("Carol@Ivory.EDU") == "Carol@Ivory.EDU"
    assert decode_xtext("a+2Bb+3Dc+20d+0A") == "a+b=c d\n"
    assert decode_xtext("+C3+A9") == "é"


@pytest.mark.parametrize("text", ["a=b", "a b", "a+", "a+3", "a+3g", "a+3d", "é", "a\x00", "a+-1"])
def test_bad_xtext(text: str) -> None:
    """What RFC 3461 section 4 doesn't allow is refused, lower-case hex included."""
    assert not is_xtext(text)
    with pytest.raises(ValueError, match="xtext"):
        decode_xtext(text)


def test_unitext_examples() -> None:
    """The 7-bit form of RFC 6533 section 3 names code points."""
    assert decode_unitext(r"\x{E9}@x") == "é@x"
    assert decode_unitext(r"a\x{2B}b\x{3D}c\x{5C}") == "a+b=c\\"
    assert decode_unitext(r"\x{1F600}a") == "😀a"
    assert is_unitext("é@x")


@pytest.mark.parametrize(
    "text", ["", "a+b", "a b", "a=b", r"\x{}", r"\x{e9}", r"\x{D800}", r"\x{110000}", "\\", "\x07"]
)
def test_bad_unitext(text: str) -> None:
    """Surrogates, unknown code points and raw specials are refused."""
    assert not is_unitext(text)
    with pytest.raises(ValueError, match="utf-8"):
        decode_unitext(text)


@settings(max_examples=200, derandomize=True)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_both_ways(text: str) -> None:
    """Whatever a naive writer writes is read as it was meant."""
    assert decode_xtext(in_xtext(text)) == text
    assert decode_unitext(in_unitext(text)) == text
