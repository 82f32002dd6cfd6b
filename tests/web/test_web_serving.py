"""The listeners that speak HTTP: what connections may do and how long, and whose handshake is which."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_twisted
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.task import Clock, deferLater
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread
from zope.interface import implementer

from twistedmail_mta.tasks import Promise
from twistedmail_mta.tls.certificates import self_signed
from twistedmail_mta.tls.server import server_context
from twistedmail_mta.web.serving import MOST_CONNECTIONS, MOST_OCTETS, WITHIN, Terms, WebFactory, WebProtocol

REQUEST = b"GET /place HTTP/1.1\r\nHost: x\r\n\r\n"


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


class Answered:
    """Answers that say what was asked, and by whom."""

    def __call__(self, octets: bytes, peer: str) -> bytes:
        return peer.encode() + b" " + octets


class Listener:
    """A listener in clear that serves."""

    def __init__(self, most: int = 20) -> None:
        self.clock = Clock()
        self.factory = WebFactory(self.clock)
        self.factory.serve(Terms(Answered(), most))

    def connect(self) -> tuple[WebProtocol, Transport]:
        protocol, transport = self.factory.buildProtocol(None), Transport()
        assert protocol is not None
        protocol.makeConnection(transport)
        return protocol, transport


def test_a_request_in_pieces() -> None:
    """It is answered when it is complete, and that is the end."""
    listener = Listener()
    protocol, transport = listener.connect()
    for letter in REQUEST:
        assert transport.value() == b""
        protocol.dataReceived(bytes([letter]))

    assert transport.value() == b"192.0.2.1 " + REQUEST.removesuffix(b"\r\n\r\n")
    assert transport.disconnecting
    protocol.connectionLost()
    assert not listener.clock.getDelayedCalls()
    assert not listener.factory.connections


def test_only_one_answer() -> None:
    """What comes behind the request isn't heard."""
    protocol, transport = Listener().connect()
    protocol.dataReceived(REQUEST * 3)
    protocol.dataReceived(REQUEST)

    assert transport.value().count(b"GET") == 1


def test_a_request_without_end() -> None:
    """Costs a few octets, and then the connection."""
    protocol, transport = Listener().connect()
    protocol.dataReceived(b"GET / HTTP/1.1\r\nX: " + b"x" * (MOST_OCTETS - 100))
    assert not transport.aborting
    protocol.dataReceived(b"x" * 100)

    assert transport.aborting
    assert transport.value() == b""


def test_a_silent_client() -> None:
    """Has some seconds, and is counted out."""
    listener = Listener()
    protocol, transport = listener.connect()
    listener.clock.advance(WITHIN - 1)
    assert not transport.aborting
    listener.clock.advance(1)
    assert transport.aborting
    protocol.connectionLost()

    assert not listener.factory.connections
    assert not listener.clock.getDelayedCalls()


def test_too_many() -> None:
    """From one network, and in all."""
    listener = Listener(most=2)
    first, *_ = connected = [listener.connect() for _ in range(3)]
    assert [transport.aborting for _, transport in connected] == [False, False, True]
    first[0].connectionLost()
    connected[2][0].connectionLost()
    assert not listener.connect()[1].aborting

    crowded = Listener(most=10 * MOST_CONNECTIONS)
    assert sum(not crowded.connect()[1].aborting for _ in range(MOST_CONNECTIONS + 5)) == MOST_CONNECTIONS


def test_nothing_is_served_before_the_site_is_there() -> None:
    """A port that is bound already closes its connections."""
    assert WebFactory(Clock()).buildProtocol(None) is None


def test_the_end_of_the_server() -> None:
    """Waits for nobody here."""
    listener = Listener()
    _, transport = listener.connect()

    listener.factory.finish()

    assert transport.aborting


@implementer(IOpenSSLServerConnectionCreator)
class Shown:
    """Handshakes with a certificate for a name; as what answers an authority, too.

    Attributes:
        noted: who completed one of these.
    """

    protocol = b"acme-tls/1"

    def __init__(self, name: str) -> None:
        self._context = server_context(self_signed([name], datetime.now(UTC)))
        self.is_wanted = False
        self.noted: list[str] = []

    @property
    def tls(self) -> Shown:
        return self

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:  # noqa: N802, N803 - Twisted's names
        return SSL.Connection(self._context, None)

    def note(self, peer: str) -> None:
        self.noted.append(peer)


class Shared:
    """A port of the reactor where requests come under TLS, and an authority looks on.

    Attributes:
        port: its number.
    """

    def __init__(self) -> None:
        self.site, self.challenge = Shown("site"), Shown("challenge")
        self.factory = WebFactory(reactor)
        self.factory.serve(Terms(Answered(), 20, self.site, self.challenge))
        self.listening = reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        self.port = self.listening.getHost().port

    async def close(self) -> None:
        """Stop, once the reactor has heard that every client is gone."""
        await self.listening.stopListening()
        while self.factory.connections:
            await deferLater(reactor, 0.001)

    async def fetch(self, protocols: list[str], pieces: int = 1 << 16) -> tuple[bytes, bytes]:
        """Return the certificate that a client is shown, and what it reads to the end."""
        return await deferToThread(self._fetch, protocols, pieces)

    def _fetch(self, protocols: list[str], pieces: int) -> tuple[bytes, bytes]:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if protocols:
            context.set_alpn_protocols(protocols)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(incoming, outgoing, server_hostname="site")
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _until(client.do_handshake, connection, incoming, outgoing, pieces)
            if protocols != ["acme-tls/1"]:
                client.write(REQUEST)
            answer = b""
            while octets := _until(lambda: client.read(1 << 16), connection, incoming, outgoing, pieces):
                answer += octets
            certificate = client.getpeercert(binary_form=True)
        assert certificate is not None
        return certificate, answer


def _until(step: Any, connection: socket.socket, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, size: int) -> Any:
    """Do a step of TLS, with what the other end says meanwhile; b"" at the end of all."""
    while True:
        try:
            return step()
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        except ssl.SSLWantReadError:
            octets = outgoing.read()
            for at in range(0, len(octets), size):
                connection.sendall(octets[at : at + size])
            if received := connection.recv(1 << 16):
                incoming.write(received)
            else:
                incoming.write_eof()


@pytest.fixture
def shared() -> Iterator[Shared]:
    shared = Shared()
    yield shared
    pytest_twisted.blockon(Deferred.fromCoroutine(shared.close()))


@pytest.mark.parametrize("pieces", [1 << 16, 7], ids=["at once", "in pieces"])
@pytest.mark.parametrize("protocols", [[], ["http/1.1"], ["h2", "http/1.1", "acme-tls/1"]], ids=len)
@pytest.mark.parametrize("is_wanted", [False, True])
@pytest_twisted.ensureDeferred
async def test_clients_are_served_while_an_authority_may_ask(
    shared: Shared, protocols: list[str], pieces: int, *, is_wanted: bool
) -> None:
    """Whatever they offer, unless it is the authority's protocol alone."""
    shared.challenge.is_wanted = is_wanted

    certificate, answer = await shared.fetch(protocols, pieces)

    assert b"site" in certificate
    assert answer == b"127.0.0.1 " + REQUEST.removesuffix(b"\r\n\r\n")
    assert shared.challenge.noted == []


@pytest_twisted.ensureDeferred
async def test_an_authority_is_shown_its_answer(shared: Shared) -> None:
    """While it may ask, who offers its protocol alone is shown another certificate, and no request is answered."""
    shared.challenge.is_wanted = True

    certificate, answer = await shared.fetch(["acme-tls/1"])

    assert b"challenge" in certificate
    assert answer == b""
    assert shared.challenge.noted == ["127.0.0.1"]


@pytest_twisted.ensureDeferred
async def test_what_is_no_tls(shared: Shared) -> None:
    """Is closed, whether an authority may ask or not; a request in clear gets no answer."""
    for wanted in (False, True):
        shared.challenge.is_wanted = wanted

        assert b"GET" not in await deferToThread(_said_in_clear, shared.port)


def _said_in_clear(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(REQUEST)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while octets := connection.recv(1 << 16):
            answer += octets
        return answer


def test_an_answer_that_waits() -> None:
    """It is written when it is there, and ends the connection; a client that has gone meanwhile costs nothing."""
    ready: Promise[bytes] = Promise()

    async def wait() -> bytes:
        return await ready

    listener = Listener()
    listener.factory.serve(Terms(lambda *_: wait(), 20))
    (first, transport), (second, _) = listener.connect(), listener.connect()
    first.dataReceived(REQUEST)
    second.dataReceived(REQUEST)
    second.connectionLost()

    assert transport.value() == b""
    assert not transport.disconnecting
    ready.resolve(b"answer")

    assert transport.value() == b"answer"
    assert transport.disconnecting
    assert listener.factory.connections == {first}


def test_an_answer_that_never_comes() -> None:
    """The connection has no more time than any other."""
    listener = Listener()
    listener.factory.serve(Terms(lambda *_: _forever(), 20))
    protocol, transport = listener.connect()
    protocol.dataReceived(REQUEST)

    listener.clock.advance(WITHIN)

    assert transport.aborting


async def _forever() -> bytes:
    return await Promise[bytes]()


def test_who_may_connect() -> None:
    """Others are cut off before a word is heard."""
    listener = Listener()
    listener.factory.serve(Terms(Answered(), 20, may_connect=lambda host: host == "192.0.2.2"))

    _, transport = listener.connect()

    assert transport.aborting
    assert not listener.factory.connections
