"""Whose mail a message says it is."""

from __future__ import annotations

import pytest

from twistedmail_mta.dmarc.author import Author, author_of


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        (b"ann@example.org", "example.org"),
        (b"Ann <ann@EXAMPLE.org>", "example.org"),
        (b'"x@evil.test" <ann@example.org>', "example.org"),
        (b"bob@evil.test <ann@example.org>", "example.org"),
        (b"Ann (bob@evil.test) <ann@example.org>", "example.org"),
        (b"ann@example.org, Bob <bob@example.org>", "example.org"),
        (b"Us: ann@example.org;", "example.org"),
        (b"Ann\r\n <ann@example.org>", "example.org"),
        ("ann@b\u00fccher.test".encode(), "xn--bcher-kva.test"),
        ("Ann <ann@B\u00dcCHER.test>".encode(), "xn--bcher-kva.test"),
        (b"ann@localhost", "localhost"),
    ],
)
def test_one_domain(value: bytes, domain: str) -> None:
    """In A-labels and lower case (RFC 9989 section 5.3.1)."""
    assert author_of([value]) == Author(domain)


@pytest.mark.parametrize(
    "values",
    [
        [b"ann@example.org", b"ann@example.org"],
        [b"ann@example.org, eve@evil.test"],
        [b"Ann <ann@example.org> <eve@evil.test>"],
        [b"ann@example.org <"],
        [b"ann@[192.0.2.1]"],
        [b"ann@example..org"],
        [b"ann@-.org"],
        [b"Ann"],
        [b"a" * 20_000],
        [b"ann@" + b"a." * 126 + b"aaa"],
    ],
)
def test_unclear(values: list[bytes]) -> None:
    """Several fields, several domains, or nothing that can be understood: what people see may be anything."""
    found = author_of(values)

    assert (found.domain, found.fault) == ("", "unclear")
    assert found.reason.isascii()


@pytest.mark.parametrize("values", [[], [b""], [b"undisclosed:;"]])
def test_nobody(values: list[bytes]) -> None:
    """No From, or one that names nobody."""
    assert author_of(values).fault == "absent"
