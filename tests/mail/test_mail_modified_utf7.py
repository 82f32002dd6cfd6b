"""Mailbox names in modified UTF-7."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedmail_mta.mail.modified_utf7 import decode, encode


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Drafts", "Drafts"),
        ("Entwürfe", "Entw&APw-rfe"),
        ("A&B", "A&-B"),
        ("台北", "&U,BTFw-"),
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("😀", "&2D3eAA-"),
        ("ä&&ö", "&AOQ-&-&-&APY-"),
    ],
)
def test_names_both_ways(name: str, written: str) -> None:
    """As RFC 3501 section 5.1.3 has them, its own examples too."""
    assert encode(name) == written
    assert decode(written) == name


def test_more_characters_can_be_shifted() -> None:
    """A dot within a level of a Maildir++ name would else begin another."""
    assert encode("a.b", also=".") == "a&AC4-b"
    assert decode("a&AC4-b") == "a.b"


@pytest.mark.parametrize("text", ["&", "a&b", "&AOQ", "&A-", "ä", "&2D0-", "&AOQ=-"])
def test_what_is_none(text: str) -> None:
    """Broken shifts, broken base64, half a surrogate pair."""
    with pytest.raises(ValueError):
        decode(text)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_name_comes_back(name: str) -> None:
    """Whatever Unicode holds."""
    assert encode(name).isascii()
    assert decode(encode(name)) == name
    assert decode(encode(name, also="./")) == name
