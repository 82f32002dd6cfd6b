"""What is written to a connection arrives whole and in order, whichever way it goes."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import pytest
import pytest_twisted
import trustme
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, ISystemHandle
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread
from zope.interface import implementer

from twistedmail_mta.outlet import Outlet


@implementer(ISystemHandle)
class SocketTransport(StringTransport):
    """A transport with a socket; what is left to the transport itself is remembered."""

    def __init__(self, handle: socket.socket) -> None:
        super().__init__()
        self._handle = handle

    def getHandle(self) -> socket.socket:  # noqa: N802 - Twisted's name
        return self._handle

    def startTLS(self, creator: object) -> None:  # noqa: N802 - Twisted's name
        """Encrypt as little as the name says."""


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection; ours doesn't block."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def received(end: socket.socket, size: int) -> bytes:
    octets = b""
    while len(octets) < size:
        octets += end.recv(size)
    return octets


def test_what_fits_leaves_at_once(ends: tuple[socket.socket, socket.socket]) -> None:
    """An answer is with the client before the reactor turns."""
    ours, theirs = ends
    transport = SocketTransport(ours)
    outlet = Outlet(transport)

    outlet.write(b"250 OK\r\n")

    assert theirs.recv(100) == b"250 OK\r\n"
    assert transport.value() == b""


def test_what_does_not_fit_goes_through_the_transport(ends: tuple[socket.socket, socket.socket]) -> None:
    """The rest of a write, and every later one even if there is room again, come in order."""
    ours, theirs = ends
    transport = SocketTransport(ours)
    outlet = Outlet(transport)
    octets = bytes(range(256)) * 16_384

    outlet.write(octets)
    left = len(transport.value())
    arrived = received(theirs, len(octets) - left)
    outlet.write(b"and more")

    assert 0 < left < len(octets)
    assert arrived + transport.value() == octets + b"and more"


def test_a_lost_connection_is_the_transports_business(ends: tuple[socket.socket, socket.socket]) -> None:
    """Nothing is raised where the other end has gone; the transport gets all to find out."""
    ours, theirs = ends
    theirs.close()
    transport = SocketTransport(ours)

    Outlet(transport).write(b"250 OK\r\n")

    assert transport.value() == b"250 OK\r\n"


def test_nothing_passes_by_tls(ends: tuple[socket.socket, socket.socket]) -> None:
    """Once the transport encrypts, no octet reaches the socket in clear."""
    ours, theirs = ends
    transport = SocketTransport(ours)
    outlet = Outlet(transport)

    outlet.start_tls(None)
    outlet.write(b"secret")

    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
    assert transport.value() == b"secret"


class Speaker(Protocol):
    """Writes before TLS, begins it, and writes again, more than any buffer takes."""

    def __init__(self, creator: object, told: bytes) -> None:
        self._creator = creator
        self._told = told

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        assert self.transport is not None
        self._outlet = Outlet(self.transport)
        self._outlet.write(b"220 Go ahead\r\n")
        self._outlet.start_tls(self._creator)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        for place in range(0, len(self._told), 50_000):
            self._outlet.write(self._told[place : place + 50_000])
        assert self.transport is not None
        self.transport.loseConnection()


def told_to_a_client(port: int, authority: trustme.CA) -> tuple[bytes, bytes]:
    """Return what a client that reads slowly hears in clear, and under TLS until the end."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with socket.create_connection(("127.0.0.1", port)) as plain:
        clear = plain.recv(100)
        with context.wrap_socket(plain, server_hostname="a.test") as secure:
            secure.sendall(b"go")
            heard = bytearray()
            while block := secure.recv(65_536):
                heard += block
    return clear, bytes(heard)


@pytest_twisted.ensureDeferred
async def test_tls_keeps_its_order() -> None:
    """What TLS makes of writes arrives whole and in order, and so does its end, whether or not it fits at once."""
    from twisted.internet import reactor  # noqa: PLC0415 - importing it installs it

    authority = trustme.CA()
    certificate = authority.issue_cert("a.test")
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    certificate.configure_cert(context)
    told = bytes(range(256)) * 20_000
    creator = _Creator(context)
    factory = Factory.forProtocol(lambda: Speaker(creator, told))
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")

    heard = await deferToThread(told_to_a_client, port.getHost().port, authority)

    await port.stopListening()
    assert heard == (b"220 Go ahead\r\n", told)


@implementer(IOpenSSLServerConnectionCreator)
class _Creator:
    def __init__(self, context: SSL.Context) -> None:
        self._context = context

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:  # noqa: N802 - Twisted's name
        return SSL.Connection(self._context, None)


def test_transports_without_a_socket() -> None:
    """Where there is none, all is left to the transport."""
    transport = StringTransport()

    Outlet(transport).write(b"250 OK\r\n")

    assert transport.value() == b"250 OK\r\n"
