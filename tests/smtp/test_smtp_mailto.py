"""Addresses in mailto: URIs of records."""

from __future__ import annotations

import pytest

from twistedmail_mta.model import Address
from twistedmail_mta.smtp.mailto import mailto_address


@pytest.mark.parametrize(
    ("uri", "local", "domain"),
    [
        ("mailto:a@b.test", "a", "b.test"),
        ("MAILTO:a@b.test", "a", "b.test"),
        ("mailto:a%2Bb@b.test", "a+b", "b.test"),
        ("mailto:%22a%2Cb%21c%22@b.test", "a,b!c", "b.test"),
        ("mailto:a@b.test?subject=hello", "a", "b.test"),
        ("mailto:a@b.test#part", "a", "b.test"),
    ],
)
def test_an_address(uri: str, local: str, domain: str) -> None:
    """It is decoded; what else is said is left out."""
    assert mailto_address(uri) == Address(local, domain)


@pytest.mark.parametrize(
    "uri",
    [
        "https://b.test/",
        "mailto:",
        "mailto:?to=a@b.test",
        "mailto:a",
        "mailto:a@b.test,c@d.test",
        "mailto:a%2Cb@b.test",
        "mailto:a%0d%0aRCPT%20TO:<x@y.test>@b.test",
        "mailto:%ff@b.test",
        "mailto:postmaster",
        "mailto:a@[192.0.2.1]",
        "mailto:a@%5B127.0.0.1%5D",
        "mailto:a@[IPv6:2001:db8::1]",
    ],
)
def test_none(uri: str) -> None:
    """Several addresses, none, what could end a command, and hosts without a name."""
    assert mailto_address(uri) is None
