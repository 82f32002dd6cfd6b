"""What is written to a connection arrives whole and in order, whichever way it goes."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from twisted.internet.interfaces import ISystemHandle
from twisted.internet.testing import StringTransport
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

    outlet.encrypt()
    outlet.write(b"secret")

    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        theirs.recv(1)
    assert transport.value() == b"secret"


def test_transports_without_a_socket() -> None:
    """Where there is none, all is left to the transport."""
    transport = StringTransport()

    Outlet(transport).write(b"250 OK\r\n")

    assert transport.value() == b"250 OK\r\n"
