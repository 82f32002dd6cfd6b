"""Signing: which fields are in h=, how the field is folded, that the result passes."""

from __future__ import annotations

import random
import re

import pytest
from dkim_made import AT, DOMAIN, random_message, signers, verdicts, zone
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.dkim.body import hash_of
from twistedmail_mta.dkim.fields import fields_of
from twistedmail_mta.dkim.signing import ALWAYS, names_to_sign, signature_fields
from twistedmail_mta.mail.header import Header, split

HEADER = b"From: ann@example.org\r\nTo: bob@example.net\r\nSubject: hello\r\n\r\n"
BODY = b"Hello\r\n"


def signed(header: bytes, body: bytes = BODY, expires: int | None = None) -> bytes:
    """Return a message with both signatures."""
    return signature_fields(fields_of(Header(header)), hash_of(body), signers(), AT, expires) + header + body


def names(header: bytes) -> list[bytes]:
    """Return what h= says."""
    return names_to_sign(fields_of(Header(header)))


def test_both_signatures_pass() -> None:
    """RSA first, since all know it; Ed25519 second."""
    results = verdicts(signed(HEADER), zone())

    assert [(result.word, result.algorithm) for result in results] == [
        ("pass", "rsa-sha256"),
        ("pass", "ed25519-sha256"),
    ]


@given(st.randoms(use_true_random=False))
@settings(deadline=None)
def test_any_message(source: random.Random) -> None:
    """Whatever fields and body a message has, what is signed passes, and doesn't once the text is another."""
    message = random_message(source)
    header, body = split(message)

    assert [result.word for result in verdicts(signed(header, body), zone(), cut=3)] == ["pass", "pass"]
    assert [result.word for result in verdicts(signed(header, body) + b"more", zone())] == ["fail", "fail"]


@pytest.mark.parametrize("name", ALWAYS)
def test_nothing_can_be_added(name: bytes) -> None:
    """A further field of a name that matters breaks both signatures, whether there was one or not."""
    added = name + b": other\r\n" + signed(HEADER)

    assert "pass" not in [result.word for result in verdicts(added, zone())]


def test_what_lists_may_add() -> None:
    """A list may add its own fields to mail that has none, but change none of those that are there."""
    plain = b"List-Unsubscribe: <https://list.example>\r\nSender: list@list.example\r\n" + signed(HEADER)
    own = (
        HEADER[:-2]
        + b"List-Unsubscribe: <https://a.example>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n"
    )
    added = b"List-Unsubscribe: <https://evil.example>\r\n" + signed(own)

    assert [result.word for result in verdicts(plain, zone())] == ["pass", "pass"]
    assert [result.word for result in verdicts(signed(own), zone())] == ["pass", "pass"]
    assert [result.word for result in verdicts(added, zone())] == ["fail", "fail"]
    assert {b"List-Unsubscribe", b"List-Unsubscribe-Post"} <= set(names(own))


def test_no_field_that_changes_on_the_way() -> None:
    """Trace fields and signatures aren't signed (RFC 6376 section 5.4.1)."""
    header = b"Received: x\r\nReturn-Path: <x>\r\nDKIM-Signature: x\r\nAuthentication-Results: x\r\n" + HEADER

    assert not {b"received", b"return-path", b"dkim-signature", b"authentication-results"} & {
        name.lower() for name in names(header)
    }


def test_resent_fields_are_signed_where_they_are() -> None:
    """Who resends once more adds a block of its own without breaking anything."""
    header = b"Resent-From: a@example.org\r\nResent-To: b@example.net\r\n" + HEADER
    again = b"Resent-From: c@example.net\r\nResent-To: d@example.net\r\n" + signed(header)

    assert {b"Resent-From", b"Resent-To"} <= set(names(header))
    assert [result.word for result in verdicts(again, zone())] == ["pass", "pass"]


def test_the_form_of_the_field() -> None:
    """Lines are short, folded where white space may stand, and say what RFC 6376 section 3.5 wants."""
    header, _ = split(signed(HEADER, expires=AT + 86400))
    fields = fields_of(Header(header))[:2]

    for field in fields:
        lines = field.octets.removesuffix(b"\r\n").split(b"\r\n")
        assert max(map(len, lines)) <= 78
        assert all(line.startswith(b"\t") for line in lines[1:])
        text = re.sub(rb"\s", b"", field.value)
        assert text.startswith(b"v=1;a=")
        assert b";c=relaxed/relaxed;d=%s;" % DOMAIN.encode() in text
        assert b";t=%d;x=%d;" % (AT, AT + 86400) in text


def test_expiry() -> None:
    """A signature with x= passes until then."""
    message = signed(HEADER, expires=AT + 10)

    assert [result.word for result in verdicts(message, zone(), now=AT + 10)] == ["pass", "pass"]
    assert [result.word for result in verdicts(message, zone(), now=AT + 11)] == ["fail", "fail"]


def test_many_fields_of_a_name() -> None:
    """A header of thousands of fields has a signature of bounded size."""
    header = b"To: x@example.net\r\n" * 5000 + HEADER

    assert names(header).count(b"To") == 51
    assert [result.word for result in verdicts(signed(header), zone())] == ["pass", "pass"]
