"""xtext and unitext: what the parameters of DSN are written in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.smtp.xtext import (
    decode_unitext,
    decode_xtext,
    encode_unitext,
    encode_xtext,
    is_unitext,
    is_xtext,
)


def test_xtext_examples() -> None:
    """Only "+", "=", space, controls and what isn't ASCII are written in hex."""
    assert encode_xtext("Carol@Ivory.EDU") == "Carol@Ivory.EDU"
    assert encode_xtext("a+b=c d\n") == "a+2Bb+3Dc+20d+0A"
    assert encode_xtext("é") == "+C3+A9"


@pytest.mark.parametrize("text", ["a=b", "a b", "a+", "a+3", "a+3g", "a+3d", "é", "a\x00", "a+-1"])
def test_bad_xtext(text: str) -> None:
    """What RFC 3461 section 4 doesn't allow is refused, lower-case hex included."""
    assert not is_xtext(text)
    with pytest.raises(ValueError, match="xtext"):
        decode_xtext(text)


def test_unitext_examples() -> None:
    """The 7-bit form of RFC 6533 section 3 names code points."""
    assert encode_unitext("é@x") == r"\x{E9}@x"
    assert encode_unitext("a+b=c\\") == r"a\x{2B}b\x{3D}c\x{5C}"
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
    """What is encoded is well-formed ASCII and decodes to what it was."""
    assert decode_xtext(encode_xtext(text)) == text
    assert decode_unitext(encode_unitext(text)) == text
    assert encode_xtext(text).isascii()
    assert encode_unitext(text).isascii()
