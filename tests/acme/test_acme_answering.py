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
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory

from twistedmail_mta.acme.answering import (
    MOST_CONNECTIONS,
    MOST_OCTETS,
    WITHIN,
    ChallengeFactory,
    ChallengeProtocol,
    ChallengeTLS,
    response_to,
)
from twistedmail_mta.acme.challenges import ALPN, Challenges

HOST, TOKEN, AUTHORIZATION = "mail.example.org", "tok_en-1", "tok_en-1.thumb"
PLACE = f"/.well-known/acme-challenge/{TOKEN}"


class Transport(StringTransport):
    """Says who the client is.

    Attributes:
        aborting: it was closed at once.
    """

    aborting = False

    def abortConnection(self) -> None:  # noqa: N802 - Twisted's name
        self.aborting = True

    def getPeer(self) -> IPv4Address:  # noqa: N802 - Twisted's name
        return IPv4Address("TCP", "192.0.2.1", 1)


@pytest.fixture
def challenges() -> Challenges:
    made = Challenges()
    made.publish("http-01", HOST, TOKEN, AUTHORIZATION)
    return made


class Listener:
    """A listener for HTTP that serves."""

    def __init__(self, challenges: Challenges, most: int = 20) -> None:
        self.clock = Clock()
        self.factory = ChallengeFactory(self.clock, implicit_tls=False)
        self.factory.serve(challenges, most)

    def connect(self) -> tuple[ChallengeProtocol, Transport]:
        protocol, transport = self.factory.buildProtocol(None), Transport()
        assert protocol is not None
        protocol.makeConnection(transport)
        return protocol, transport


def test_the_answer(challenges: Challenges) -> None:
    """The key authorization, and the end (RFC 8555 section 8.3); in whatever pieces the request comes."""
    listener = Listener(challenges)
    protocol, transport = listener.connect()
    for letter in f"GET {PLACE} HTTP/1.1\r\nHost: {HOST}\r\nAccept: */*\r\n\r\n".encode():
        assert transport.value() == b""
        protocol.dataReceived(bytes([letter]))

    head, _, body = transport.value().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n")
    assert f"Content-Length: {len(AUTHORIZATION)}\r\n".encode() in head
    assert body == AUTHORIZATION.encode()
    assert transport.disconnecting
    protocol.connectionLost()
    assert not listener.clock.getDelayedCalls()
    assert not listener.factory.connections


def test_only_one_answer(challenges: Challenges) -> None:
    """What comes behind the request isn't heard."""
    protocol, transport = Listener(challenges).connect()
    request = f"GET {PLACE} HTTP/1.1\r\n\r\n".encode()
    protocol.dataReceived(request * 3)
    protocol.dataReceived(request)

    assert transport.value().count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET / HTTP/1.1", "404"),
        ("GET /.well-known/acme-challenge/ HTTP/1.1", "404"),
        ("GET /.well-known/acme-challenge/other HTTP/1.1", "404"),
        (f"GET {PLACE}/../../etc/passwd HTTP/1.1", "404"),
        (f"GET http://{HOST}{PLACE} HTTP/1.1", "404"),
        (f"GET {PLACE}? HTTP/1.1", "404"),
        (f"POST {PLACE} HTTP/1.1", "400"),
        (f"GET {PLACE}", "400"),
        (f"GET  {PLACE} HTTP/1.1", "400"),
        ("EHLO you", "400"),
        ("\x16\x03\x01\x02", "400"),
        ("", "400"),
    ],
)
def test_everything_else(challenges: Challenges, line: str, status: str) -> None:
    """Is told that there is nothing."""
    response = response_to(f"{line}\r\nHost: x\r\n\r\n".encode(), challenges)

    assert response.startswith(f"HTTP/1.1 {status} ".encode())
    assert AUTHORIZATION.encode() not in response


def test_head(challenges: Challenges) -> None:
    """Has the length and no body."""
    response = response_to(f"HEAD {PLACE} HTTP/1.0\r\n\r\n".encode(), challenges)

    assert response.endswith(b"\r\n\r\n")
    assert f"Content-Length: {len(AUTHORIZATION)}".encode() in response


def test_withdrawn(challenges: Challenges) -> None:
    """An answer is given no longer than it is wanted."""
    challenges.withdraw(HOST, TOKEN)

    assert b" 404 " in response_to(f"GET {PLACE} HTTP/1.1\r\n\r\n".encode(), challenges)


def test_a_request_without_end(challenges: Challenges) -> None:
    """Costs a few octets, and then the connection."""
    protocol, transport = Listener(challenges).connect()
    protocol.dataReceived(b"GET / HTTP/1.1\r\nX: " + b"x" * (MOST_OCTETS - 100))
    assert not transport.aborting
    protocol.dataReceived(b"x" * 100)

    assert transport.aborting
    assert transport.value() == b""


def test_a_silent_client(challenges: Challenges) -> None:
    """Has some seconds, and is counted out."""
    listener = Listener(challenges)
    protocol, transport = listener.connect()
    listener.clock.advance(WITHIN - 1)
    assert not transport.aborting
    listener.clock.advance(1)
    assert transport.aborting
    protocol.connectionLost()

    assert not listener.factory.connections
    assert not listener.clock.getDelayedCalls()


def test_too_many(challenges: Challenges) -> None:
    """From one network, and in all."""
    listener = Listener(challenges, most=2)
    first, *_ = connected = [listener.connect() for _ in range(3)]
    assert [transport.aborting for _, transport in connected] == [False, False, True]
    first[0].connectionLost()
    connected[2][0].connectionLost()
    assert not listener.connect()[1].aborting

    crowded = Listener(challenges, most=10 * MOST_CONNECTIONS)
    assert sum(not crowded.connect()[1].aborting for _ in range(MOST_CONNECTIONS + 5)) == MOST_CONNECTIONS


def test_nothing_is_served_before_the_site_is_there() -> None:
    """A port that is bound already closes its connections."""
    assert ChallengeFactory(Clock(), implicit_tls=False).buildProtocol(None) is None


def test_the_end_of_the_server(challenges: Challenges) -> None:
    """Waits for nobody here."""
    listener = Listener(challenges)
    _, transport = listener.connect()

    listener.factory.finish()

    assert transport.aborting


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
    server, transport = wrapping.buildProtocol(IPv4Address("TCP", "192.0.2.1", 1)), Transport()
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
