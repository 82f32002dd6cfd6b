"""Which TXT records ask for TLS reports, and where they lead."""

from __future__ import annotations

import time

import pytest

from twistedmail_mta.model import Address
from twistedmail_mta.tls_report.record import MOST, Destinations, destinations

REPORTS = Address("reports", "example.com")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"v=TLSRPTv1;rua=mailto:reports@example.com", Destinations((REPORTS,))),
        (b"v=TLSRPTv1; rua=mailto:reports@example.com;", Destinations((REPORTS,))),
        (b"v=TLSRPTv1 ; rua=MAILTO:reports@EXAMPLE.com ; ", Destinations((REPORTS,))),
        (b"v=TLSRPTv1; rua=mailto:reports@example.com?subject=x", Destinations((REPORTS,))),
        (b"v=TLSRPTv1; rua=mailto:tls%21rpt@example.com", Destinations((Address("tls!rpt", "example.com"),))),
        (b"v=TLSRPTv1; rua=https://r.example.com/v1/tlsrpt", Destinations((), ("https://r.example.com/v1/tlsrpt",))),
        (b"v=TLSRPTv1; rua=https://r.example.com:8443/a?b=c", Destinations((), ("https://r.example.com:8443/a?b=c",))),
        (b"v=TLSRPTv1; x=y; rua=mailto:reports@example.com; z=1", Destinations((REPORTS,))),
        (
            b"v=TLSRPTv1; rua=mailto:reports@example.com , https://example.net/in",
            Destinations((REPORTS,), ("https://example.net/in",)),
        ),
        (b"v=TLSRPTv1; rua=ftp://example.com/,mailto:reports@example.com", Destinations((REPORTS,))),
    ],
)
def test_wanted(text: bytes, expected: Destinations) -> None:
    """The forms of RFC 8460 section 3, with extensions; other schemes are passed over."""
    assert destinations([b"v=spf1 -all", text]) == expected


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [b"v=spf1 -all"],
        [b"v=TLSRPTv1"],
        [b"v=TLSRPTv1;"],
        [b"v=TLSRPTv1; ruf=mailto:a@example.com"],
        [b"v=TLSRPTv1; rua="],
        [b"v=TLSRPTv1; rua=mailto:"],
        [b"v=TLSRPTv1; rua=mailto:postmaster"],
        [b"v=TLSRPTv1; rua=mailto:a%ff@example.com"],
        [b"v=TLSRPTv1; rua=mailto:a@example.com; =x"],
        [b"v=TLSRPTv1; rua=mailto:a@example.com;; x=y"],
        [b"v=TLSRPTv1; rua=mailto:a@example.com\n"],
        [b"V=TLSRPTv1; rua=mailto:a@example.com"],
        [b"v=TLSRPTv2; rua=mailto:a@example.com"],
        [b"v=TLSRPTv1; rua=mailto:a@example.com", b"v=TLSRPTv1; rua=mailto:b@example.com"],
    ],
)
def test_not_wanted(texts: list[bytes]) -> None:
    """What isn't exactly one record that leads somewhere asks for nothing."""
    assert destinations(texts) is None


@pytest.mark.parametrize(
    "uri",
    [
        b"https://127.0.0.1/",
        b"https://[::1]/",
        b"https://2130706433/",
        b"https://localhost/",
        b"https://user:secret@example.com/",
        b"https://example.com#fragment",
        b"https://example.com/a HTTP/1.1",
        b"http://example.com/",
    ],
)
def test_no_address_of_ours(uri: bytes) -> None:
    """A record names no addresses: hosts have names, whose addresses are held against what is forbidden."""
    assert destinations([b"v=TLSRPTv1; rua=" + uri]) is None


def test_few() -> None:
    """Nobody can have one report sent to hundreds."""
    uris = ",".join(f"mailto:a{n}@example.com" for n in range(300))

    found = destinations([f"v=TLSRPTv1; rua={uris}".encode()])

    assert found is not None
    assert len(found.mail) == MOST


def test_long_record() -> None:
    """A record that is no good costs little, however long it is."""
    began = time.perf_counter()

    assert destinations([b"v=TLSRPTv1" + b"; rua=a,b" * 7000 + b"\n"]) is None
    assert time.perf_counter() - began < 0.1
