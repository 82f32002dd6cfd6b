"""Dates and Received fields."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.mail.date import date_text
from twistedmail_mta.mail.received import Trace, received_field, transmission_type
from twistedmail_mta.model import Address

DATE = "Thu, 1 Jan 1970 00:00:00 +0000"
BOB = Address("bob", "example.net")


@settings(derandomize=True, max_examples=300)
@given(st.integers(0, 4_000_000_000), st.integers(-14 * 60, 14 * 60))
def test_date_agrees_with_the_standard_library(at: int, minutes: int) -> None:
    """Date, weekday and zone are those of the standard library, and it reads them back."""
    text = date_text(at + 0.9, minutes * 60)
    zone = timezone(timedelta(minutes=minutes))

    assert parsedate_to_datetime(text).timestamp() == at
    assert text == format_datetime(datetime.fromtimestamp(at, zone)).replace(", 0", ", ")


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ("", "SMTP"),
        ("e", "ESMTP"),
        ("et", "ESMTPS"),
        ("ea", "ESMTPA"),
        ("eta", "ESMTPSA"),
        ("eu", "UTF8SMTP"),
        ("etau", "UTF8SMTPSA"),
        ("el", "LMTP"),
        ("elt", "LMTPS"),
        ("elta", "LMTPSA"),
        ("elu", "UTF8LMTP"),
    ],
)
def test_transmission_types(flags: str, name: str) -> None:
    """The names are those registered by RFC 3848 and RFC 6531."""
    extended, tls, authenticated, utf8, lmtp = (letter in flags for letter in "etaul")

    named = transmission_type(extended=extended, tls=tls, authenticated=authenticated, utf8=utf8, lmtp=lmtp)

    assert named == name


def test_whole_field() -> None:
    """Client, host, protocol, TLS, id, recipient and date stand where RFC 5321 section 4.4 wants them."""
    trace = Trace(
        "client.example", "192.0.2.1", "mx.example", "ESMTPS", "ptr.example", "TLSv1.3 TLS_AES_256_GCM_SHA384"
    )

    assert received_field(trace, "0abc", BOB, DATE) == (
        b"Received: from client.example (ptr.example [192.0.2.1])\r\n"
        b"\tby mx.example with ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384) id 0abc\r\n"
        b"\tfor <bob@example.net>;\r\n"
        b"\tThu, 1 Jan 1970 00:00:00 +0000\r\n"
    )


def test_client_hidden() -> None:
    """A person's home address isn't told to the world."""
    trace = Trace("[10.0.0.3]", "192.0.2.1", "mx.example", "ESMTPSA", hide_client=True)

    assert received_field(trace, "0abc", None, DATE) == (
        b"Received: by mx.example with ESMTPSA id 0abc;\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n"
    )


def test_ipv6_client_is_a_literal() -> None:
    """An IPv6 address carries its tag (RFC 5321 section 4.1.3)."""
    trace = Trace("c", "2001:db8::1", "mx.example", "ESMTP")

    assert b"from c ([IPv6:2001:db8::1])\r\n" in received_field(trace, "0abc", None, DATE)


def test_utf8_only_where_it_may_be() -> None:
    """Names and recipients beyond ASCII appear only in a field of an SMTPUTF8 message."""
    recipient = Address("jörg", "example.net")
    plain = received_field(Trace("h\u00f6st", "192.0.2.1", "mx", "ESMTP"), "0abc", recipient, DATE)
    utf8 = received_field(Trace("h\u00f6st", "192.0.2.1", "mx", "UTF8SMTP"), "0abc", recipient, DATE)

    assert plain.isascii()
    assert b" for " not in plain
    assert "from höst (".encode() in utf8
    assert "for <jörg@example.net>;".encode() in utf8


@settings(derandomize=True, max_examples=300)
@given(st.text(max_size=300), st.text(max_size=40), st.text(max_size=20))
def test_no_client_breaks_the_field(helo: str, name: str, local: str) -> None:
    """Whatever a client says, the field keeps its lines and its parts."""
    trace = Trace(helo, "192.0.2.1", "mx.example", "UTF8SMTPS", name, "TLSv1.3 (x)")

    field = received_field(trace, "0abc", Address(local, "example.net"), DATE).decode()

    lines = field.split("\r\n\t")
    assert re.fullmatch(r"Received: from \S+ \((\S+ )?\[192\.0\.2\.1\]\)", lines[0])
    assert lines[1].removesuffix(";") == "by mx.example with UTF8SMTPS (TLSv1.3 ?x?) id 0abc"
    assert lines[-1] == DATE + "\r\n"
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", field)
