"""What the listeners for challenges say, to an authority and to everybody else."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Any

import pytest
from cryptography import x509
from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory

from twistedmail_mta.acme.answering import ChallengeTLS, HTTPAnswers
from twistedmail_mta.acme.challenges import ALPN, Challenges

HOST, TOKEN, AUTHORIZATION = "mail.example.org", "tok_en-1", "tok_en-1.thumb"
PLACE = f"/.well-known/acme-challenge/{TOKEN}"


@pytest.fixture
def challenges() -> Challenges:
    made = Challenges()
    made.publish("http-01", HOST, TOKEN, AUTHORIZATION)
    return made


def answer(challenges: Challenges, request: str) -> bytes:
    """Return the answer to a request, which is its first lines."""
    return HTTPAnswers(challenges)(f"{request}\r\n\r\n".encode(), "192.0.2.1")


def test_the_answer(challenges: Challenges) -> None:
    """The key authorization (RFC 8555 section 8.3)."""
    head, _, body = answer(challenges, f"GET {PLACE} HTTP/1.1\r\nHost: {HOST}\r\nAccept: */*").partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n")
    assert f"Content-Length: {len(AUTHORIZATION)}\r\n".encode() in head
    assert body == AUTHORIZATION.encode()


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET / HTTP/1.1", "404"),
        ("GET /.well-known/acme-challenge/ HTTP/1.1", "404"),
        ("GET /.well-known/acme-challenge/other HTTP/1.1", "404"),
        (f"GET {PLACE}/../../etc/passwd HTTP/1.1", "404"),
        (f"GET http://{HOST}{PLACE} HTTP/1.1", "404"),
        (f"GET {PLACE}? HTTP/1.1", "404"),
        (f"POST {PLACE} HTTP/1.1", "405"),
        (f"GET {PLACE}", "400"),
        (f"GET  {PLACE} HTTP/1.1", "400"),
        ("EHLO you", "400"),
        ("\x16\x03\x01\x02", "400"),
        ("", "400"),
    ],
)
def test_everything_else(challenges: Challenges, line: str, status: str) -> None:
    """Is told that there is nothing."""
    response = answer(challenges, f"{line}\r\nHost: x")

    assert response.startswith(f"HTTP/1.1 {status} ".encode())
    assert AUTHORIZATION.encode() not in response


def test_head(challenges: Challenges) -> None:
    """Has the length and no body."""
    response = answer(challenges, f"HEAD {PLACE} HTTP/1.0")

    assert response.endswith(b"\r\n\r\n")
    assert f"Content-Length: {len(AUTHORIZATION)}".encode() in response


def test_withdrawn(challenges: Challenges) -> None:
    """An answer is given no longer than it is wanted."""
    challenges.withdraw(HOST, TOKEN)

    assert b" 404 " in answer(challenges, f"GET {PLACE} HTTP/1.1")


def client_of(name: str | None, protocols: list[bytes]) -> SSL.Connection:
    """Return a client that asks for a name and for protocols."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    if protocols:
        context.set_alpn_protos(protocols)
    client = SSL.Connection(context, None)
    client.set_connect_state()
    if name is not None:
        client.set_tlsext_host_name(name.encode())
    return client


def shown(challenges: Challenges, name: str | None, protocols: list[bytes]) -> tuple[x509.Certificate, bytes]:
    """Shake hands; return the certificate and the protocol agreed on."""
    server = ChallengeTLS(challenges).serverConnectionForTLS(None)
    server.set_accept_state()
    client = client_of(name, protocols)
    for _ in range(6):
        for side, other in ((client, server), (server, client)):
            with suppress(SSL.WantReadError):
                side.do_handshake()
            with suppress(SSL.WantReadError):
                other.bio_write(side.bio_read(1 << 16))
    certificate: Any = client.get_peer_certificate(as_cryptography=True)
    return certificate, client.get_alpn_proto_negotiated()


def test_the_answer_in_a_handshake() -> None:
    """A certificate for that name alone, with the digest in a critical extension (RFC 8737 section 3)."""
    challenges = Challenges()
    challenges.publish("tls-alpn-01", HOST, TOKEN, AUTHORIZATION)

    certificate, protocol = shown(challenges, HOST.upper(), [ALPN])

    assert protocol == ALPN
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [HOST]
    extension = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31"))
    assert extension.critical
    assert extension.value.value == b"\x04\x20" + hashlib.sha256(AUTHORIZATION.encode()).digest()


REFUSED = [
    (HOST, [b"h2", b"http/1.1"]),
    (HOST, [ALPN, b"h2"]),
    ("other.example.org", [ALPN]),
    ("other.example.org", [b"h2"]),
    (None, [ALPN]),
    (None, []),
]


@pytest.mark.parametrize(("name", "protocols"), REFUSED)
def test_refusals_are_no_failures_of_ours(name: str | None, protocols: list[bytes]) -> None:
    """Twisted closes the connection: strangers fill no log with tracebacks."""
    challenges = Challenges()
    challenges.publish("tls-alpn-01", HOST, TOKEN, AUTHORIZATION)
    wrapping = TLSMemoryBIOFactory(ChallengeTLS(challenges), False, Factory.forProtocol(Protocol))
    server, transport = wrapping.buildProtocol(IPv4Address("TCP", "192.0.2.1", 1)), StringTransport()
    server.makeConnection(transport)

    server.dataReceived(hello(name, protocols))

    assert transport.disconnecting


def hello(name: str | None, protocols: list[bytes]) -> bytes:
    """Return what a client says first."""
    client = client_of(name, protocols)
    with pytest.raises(SSL.WantReadError):
        client.do_handshake()
    return client.bio_read(1 << 16)


@pytest.mark.parametrize(("name", "protocols"), REFUSED)
def test_other_handshakes_fail(name: str | None, protocols: list[bytes]) -> None:
    """Nobody else is shown anything."""
    challenges = Challenges()
    challenges.publish("tls-alpn-01", HOST, TOKEN, AUTHORIZATION)

    with pytest.raises(SSL.Error):
        shown(challenges, name, protocols)
