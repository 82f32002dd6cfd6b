"""The values: the text forms that people and tables rely on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twistedmail_mta.model import NULL_PATH, Address, FileBody, InlineBody, Reply, id_text, parse_id


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (Address("joe", "example.org"), "joe@example.org"),
        (Address("joe.d'oe+tag", "example.org"), "joe.d'oe+tag@example.org"),
        (Address("joe doe", "example.org"), '"joe doe"@example.org'),
        (Address('a"b\\c', "example.org"), '"a\\"b\\\\c"@example.org'),
        (Address("a..b", "example.org"), '"a..b"@example.org'),
        (Address("müller", "xn--mller-kva.example"), "müller@xn--mller-kva.example"),
        (Address("joe", "[192.0.2.1]"), "joe@[192.0.2.1]"),
        (Address("postmaster", ""), "postmaster"),
        (NULL_PATH, ""),
    ],
)
def test_address_text(address: Address, text: str) -> None:
    """A local part that is no dot-string is quoted, nothing else is."""
    assert str(address) == text


def test_addresses_know_whether_they_need_smtputf8() -> None:
    """Only octets above 127 do; a domain is in A-labels anyway."""
    assert Address("joe", "example.org").is_ascii
    assert not Address("jö", "example.org").is_ascii
    assert NULL_PATH.is_null
    assert not Address("postmaster", "").is_null


@given(st.integers(0, 2**63 - 1))
def test_ids_survive_their_text(message_id: int) -> None:
    """What people type is what the tables hold."""
    assert parse_id(id_text(message_id)) == message_id
    assert parse_id(id_text(message_id).upper()) == message_id


@given(st.integers(0, 2**63 - 2))
def test_ids_sort_as_their_texts(message_id: int) -> None:
    """A list sorted by text is sorted by time."""
    assert id_text(message_id) < id_text(message_id + 1)


@pytest.mark.parametrize("text", ["", "short", "0123456789ab!", "0123456789abcd", "0123456789abu"])
def test_other_texts_are_no_ids(text: str) -> None:
    """A mistyped id is told from a real one."""
    with pytest.raises(ValueError, match="not a queue id"):
        parse_id(text)


def test_reply_on_one_line() -> None:
    """Logs and bounces show a reply as one line, whatever lines it came in."""
    assert str(Reply(550, "5.1.1", "No such user\nhere")) == "550 5.1.1 No such user here"
    assert str(Reply(354, "", "Go on")) == "354 Go on"


def test_reply_kinds() -> None:
    """The first digit decides (RFC 5321 section 4.2.1)."""
    assert Reply(250, "2.0.0", "").accepts
    assert not Reply(354, "", "").accepts
    assert Reply(550, "5.0.0", "").is_permanent
    assert not Reply(450, "4.0.0", "").is_permanent


def test_body_sizes() -> None:
    """Both kinds of body say how large they are."""
    assert InlineBody(b"12345").size == FileBody("x", 5).size
