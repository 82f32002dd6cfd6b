"""What clients want and offer, read from what OpenSSL's own clients say first, whole, cut and damaged."""

from __future__ import annotations

import random

import pytest
from OpenSSL import SSL

from twistedmail_mta.tls.hello import MOST_RECORDS, ClientHello, read_hello

ACME, HTTP = b"acme-tls/1", b"http/1.1"
NAME = "mta-sts.example.org"


def hello(protocols: list[bytes], version: int = SSL.TLS1_3_VERSION) -> bytes:
    """Return what a client says first."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(version)
    if protocols:
        context.set_alpn_protos(protocols)
    client = SSL.Connection(context, None)
    client.set_connect_state()
    client.set_tlsext_host_name(b"MTA-STS.Example.org")
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    return client.bio_read(1 << 16)


def in_records(octets: bytes, count: int) -> bytes:
    """Return a record cut into several."""
    head, content = octets[:3], octets[5:]
    size = -(-len(content) // count)
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(head + len(piece).to_bytes(2) + piece for piece in pieces)


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@pytest.mark.parametrize("protocols", [[], [ACME], [b"h2", HTTP], [HTTP, ACME]])
def test_name_and_offers(protocols: list[bytes], version: int) -> None:
    """All in their order; what comes after the first message makes no difference."""
    octets = hello(protocols, version)

    assert read_hello(octets) == ClientHello(NAME, tuple(protocols))
    assert read_hello(octets + b"\x14\x03\x03\x00\x01\x01") == ClientHello(NAME, tuple(protocols))
    assert read_hello(in_records(octets, MOST_RECORDS)) == ClientHello(NAME, tuple(protocols))


def test_every_cut() -> None:
    """What isn't complete says nothing yet, wherever it is cut, also between records."""
    for octets in (hello([ACME]), in_records(hello([ACME]), 3)):
        for at in range(len(octets)):
            assert read_hello(octets[:at]) is None
        assert read_hello(octets) == ClientHello(NAME, (ACME,))


@pytest.mark.parametrize(
    "octets",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x80\x2e\x01", b"\x15\x03\x01\x00\x02\x02\x28", b"\x16\x03\x01\x00\x04\x02\0\0\0"],
)
def test_what_is_none(octets: bytes) -> None:
    """HTTP in clear, SSL 2, an alert, and the message of a server."""
    with pytest.raises(ValueError, match="ClientHello"):
        read_hello(octets)


def test_many_records() -> None:
    """Who sends crumbs, so that all of them have to be looked at with each, isn't listened to."""
    with pytest.raises(ValueError, match="too many"):
        read_hello(in_records(hello([ACME]), MOST_RECORDS + 1))


def test_damage() -> None:
    """Whatever strangers send is read, incomplete, or refused."""
    dice, octets = random.Random(8446), hello([b"h2", ACME])
    outcomes = set()
    for _ in range(20_000):
        damaged = bytearray(octets)
        for _ in range(dice.randint(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            outcomes.add(type(read_hello(bytes(damaged))))
        except ValueError:
            outcomes.add(ValueError)

    assert outcomes == {ClientHello, type(None), ValueError}
