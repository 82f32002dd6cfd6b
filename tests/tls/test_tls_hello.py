"""What clients offer, read from what OpenSSL's own clients say first, whole, cut and damaged."""

from __future__ import annotations

import random

import pytest
from OpenSSL import SSL

from twistedmail_mta.tls.hello import offered_protocols

ACME, HTTP = b"acme-tls/1", b"http/1.1"


def hello(protocols: list[bytes], version: int = SSL.TLS1_3_VERSION) -> bytes:
    """Return what a client says first."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(version)
    if protocols:
        context.set_alpn_protos(protocols)
    client = SSL.Connection(context, None)
    client.set_connect_state()
    client.set_tlsext_host_name(b"mta-sts.example.org")
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    return client.bio_read(1 << 16)


def in_records(octets: bytes, size: int) -> bytes:
    """Return a record cut into several."""
    head, content = octets[:3], octets[5:]
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(head + len(piece).to_bytes(2) + piece for piece in pieces)


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@pytest.mark.parametrize("protocols", [[], [ACME], [b"h2", HTTP], [HTTP, ACME]])
def test_offers(protocols: list[bytes], version: int) -> None:
    """All of them in their order; what comes after the first message makes no difference."""
    octets = hello(protocols, version)

    assert offered_protocols(octets) == tuple(protocols)
    assert offered_protocols(octets + b"\x14\x03\x03\x00\x01\x01") == tuple(protocols)
    assert offered_protocols(in_records(octets, 100)) == tuple(protocols)


def test_every_cut() -> None:
    """What isn't complete says nothing yet, wherever it is cut, also between records."""
    for octets in (hello([ACME]), in_records(hello([ACME]), 61)):
        for at in range(len(octets)):
            assert offered_protocols(octets[:at]) is None
        assert offered_protocols(octets) == (ACME,)


@pytest.mark.parametrize(
    "octets",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x80\x2e\x01", b"\x15\x03\x01\x00\x02\x02\x28", b"\x16\x03\x01\x00\x04\x02\0\0\0"],
)
def test_what_is_none(octets: bytes) -> None:
    """HTTP in clear, SSL 2, an alert, and the message of a server."""
    with pytest.raises(ValueError, match="ClientHello"):
        offered_protocols(octets)


def test_damage() -> None:
    """Whatever strangers send is read, incomplete, or refused."""
    dice, octets = random.Random(8446), hello([b"h2", ACME])
    outcomes = set()
    for _ in range(20_000):
        damaged = bytearray(octets)
        for _ in range(dice.randint(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            outcomes.add(type(offered_protocols(bytes(damaged))))
        except ValueError:
            outcomes.add(ValueError)

    assert outcomes == {tuple, type(None), ValueError}
