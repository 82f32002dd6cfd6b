"""Addresses in From and Sender: the forms that mail really has, and those that deceive."""

from __future__ import annotations

from email.utils import getaddresses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twistedmail_mta.mail.addresses import MAX_ADDRESSES, MAX_VALUE, addresses
from twistedmail_mta.model import Address

A = Address("a", "x.org")
B = Address("b", "y.org")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"a@x.org", (A,)),
        (b"<a@x.org>", (A,)),
        (b"A <a@X.ORG>", (A,)),
        (b"J. Q. Public <a@x.org>", (A,)),
        (b'"Doe, J (x) <b@y.org>" <a@x.org>', (A,)),
        (b"=?utf-8?q?J=2C_b=40y=2Eorg?= <a@x.org>", (A,)),
        (b"J\xc3\xb6rg <a@x.org>", (A,)),
        (b"J\xf6rg <a@x.org>", (A,)),
        (b"a@x.org (comment (nested \\) b@y.org))", (A,)),
        (b"a (c) @ (d) x . org", (A,)),
        (b"A\r\n\t<a@x.org>,\r\n b@y.org", (A, B)),
        (b",a@x.org,,b@y.org,", (A, B)),
        (b"team: a@x.org, B <b@y.org>;", (A, B)),
        (b"team: a@x.org;, b@y.org", (A, B)),
        (b"undisclosed recipients:;", ()),
        (b"", ()),
        (b"<@r.org,@s.org:a@x.org>", (A,)),
        (b'"a"@x.org', (A,)),
        (b'"a \\" b"@x.org', (Address('a " b', "x.org"),)),
        (b"a.b.@x.org", (Address("a.b.", "x.org"),)),
        (b"a@[192.0.2.1]", (Address("a", "[192.0.2.1]"),)),
        ("jörg@köln.example".encode(), (Address("jörg", "xn--kln-sna.example"),)),
        (b"b@y.org <a@x.org>", (B, A)),
    ],
)
def test_understood(value: bytes, found: tuple[Address, ...]) -> None:
    """Every address that any reader may show is found."""
    assert addresses(value) == found


@pytest.mark.parametrize(
    "value",
    [
        b"nobody",
        b"a b@x.org",
        b"a@x.org b@y.org",
        b"a@x.org <b@y.org> c",
        b"a@b@x.org",
        b"<a@x.org",
        b"a@x.org>",
        b"<>",
        b"a@",
        b"@x.org",
        b"a@x..org",
        b"a@.org",
        b"a@x.org.",
        b"a@x.org (",
        b'"a@x.org',
        b"g: a@x.org",
        b"a@x.org;",
        b"g: h: a@x.org;;",
        b"a\x00@x.org",
        b"\xff@x.org",
        b"a@\xff.org",
        b"a@[1\\2]",
        b"a@x.org" + b" " * MAX_VALUE,
        b"a@x.org," * (MAX_ADDRESSES + 1),
        b"<a@x.org>," * (MAX_ADDRESSES + 1),
        b"a@" + "\u00ad".encode() * 30 + b"..",
    ],
)
def test_not_understood(value: bytes) -> None:
    """What can't be understood for sure is nobody's address."""
    assert addresses(value) is None


@settings(derandomize=True, max_examples=500)
@given(
    st.lists(
        st.sampled_from(
            ["a", "b", "@", ".", "<", ">", "(", ")", '"', "\\", ":", ";", ",", " ", "\r\n ", "[", "]", "ö", "\x00"]
        ),
        max_size=60,
    ).map("".join)
)
def test_never_raises(text: str) -> None:
    """Any octets give addresses or None."""
    found = addresses(text.encode())

    assert found is None or all(isinstance(address, Address) for address in found)


@settings(derandomize=True, max_examples=200)
@given(st.lists(st.sampled_from(["a@x.org", "A <a@x.org>", '"A, B" <b@y.org>', "b@y.org (c)"]), min_size=1, max_size=5))
def test_agrees_with_the_standard_parser(elements: list[str]) -> None:
    """On well-formed lists the addresses are those the standard library finds."""
    value = ", ".join(elements)

    assert [str(address) for address in addresses(value.encode()) or ()] == [pair[1] for pair in getaddresses([value])]
