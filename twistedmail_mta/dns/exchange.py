"""One query to one server and back, over UDP or TCP, on the reactor.

Every datagram goes out from a socket of its own, on a port that the kernel
picks at random, connected, so that the kernel passes on nothing but what comes
from the server asked (RFC 5452 section 9.2), and the server's host can refuse.
"""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Final, Protocol, cast

from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import (
    IReactorFDSet,
    IReactorTCP,
    IReactorTime,
    IReadDescriptor,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedmail_mta.dns.codec import Query, Response
from twistedmail_mta.dns.nameservers import Nameserver
from twistedmail_mta.tasks import Promise, promise_of

_MAX_PACKET: Final = 4096
_PACKETS_AT_ONCE: Final = 16
_TCP_CONNECT_TIMEOUT: Final = 30


class IReactorDNS(IReactorFDSet, IReactorTCP, IReactorTime):
    """What of the reactor the resolver uses."""


class Unreachable(Exception):
    """The server's host, or the way to it, refused."""


class Exchange(Protocol):
    """Asks one server once; whoever waits sets the time limit and may cancel."""

    async def udp(self, server: Nameserver, query: Query) -> Response:
        """Send one datagram and return the first answer to it, passing over all else.

        Raises:
            Unreachable: it was refused.
        """

    async def tcp(self, server: Nameserver, query: Query) -> Response:
        """Connect, ask and return the answer.

        Raises:
            Unreachable: no connection, or it ended before the answer.
        """


class ReactorExchange:
    """Asks over real sockets; they are closed when the waiting ends, however it ends."""

    def __init__(self, reactor: IReactorDNS) -> None:
        self._reactor = reactor

    async def udp(self, server: Nameserver, query: Query) -> Response:
        """Send one datagram and return the first answer to it; see `Exchange`."""
        datagrams = _Datagrams(self._reactor, query)
        try:
            datagrams.send(server)
            return await datagrams.answer
        finally:
            datagrams.close()

    async def tcp(self, server: Nameserver, query: Query) -> Response:
        """Connect, ask and return the answer; see `Exchange`."""
        is_ipv4 = ip_address(server.address).version == 4
        kind = TCP4ClientEndpoint if is_ipv4 else TCP6ClientEndpoint
        endpoint = kind(self._reactor, server.address, server.port, _TCP_CONNECT_TIMEOUT)
        stream = _Stream(query)
        try:
            await promise_of(connectProtocol(endpoint, stream))  # type: ignore[no-untyped-call]
        except ConnectError as error:
            raise Unreachable(str(error)) from error
        try:
            return await stream.answer
        finally:
            stream.close()


@implementer(IReadDescriptor)
class _Datagrams:
    """A connected UDP socket, read until the answer is there.

    Not `listenUDP`: that logs two lines a socket, closes late, and does not
    notice a refusal, because the reactor reports the error on an empty socket
    as a lost connection (which is `connectionLost` here).
    """

    def __init__(self, reactor: IReactorFDSet, query: Query) -> None:
        self.answer: Promise[Response] = Promise()
        self._reactor = reactor
        self._query = query
        self._socket: socket.socket | None = None
        self._descriptor = -1

    def send(self, server: Nameserver) -> None:
        try:
            self._connect(server).send(self._query.wire)
        except OSError as error:
            raise Unreachable(str(error)) from error
        self._reactor.addReader(self)

    def close(self) -> None:
        if self._socket is not None:
            self._reactor.removeReader(self)
            self._socket.close()
            self._socket = None

    def fileno(self) -> int:
        # Stays what it was while the reactor finishes its turn with a socket that doRead closed.
        return self._descriptor

    def doRead(self) -> None:  # noqa: N802 - Twisted's name
        for _ in range(_PACKETS_AT_ONCE):
            if self._socket is None or self.answer.done:
                return
            try:
                packet = self._socket.recv(_MAX_PACKET)
            except BlockingIOError:
                return
            except OSError as error:
                self.answer.fail(Unreachable(str(error)))
                return
            if (response := self._query.read(packet)) is not None:
                self.answer.resolve(response)

    def connectionLost(self, reason: Failure) -> None:  # noqa: ARG002, N802 - Twisted's name
        if not self.answer.done:
            self.answer.fail(Unreachable("refused"))

    def logPrefix(self) -> str:  # noqa: N802 - Twisted's name
        return "dns"

    def _connect(self, server: Nameserver) -> socket.socket:
        numeric = socket.getaddrinfo(
            server.address, server.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )
        family, kind, protocol, _, address = numeric[0]
        self._socket = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        self._descriptor = self._socket.fileno()
        self._socket.connect(address)
        return self._socket


class _Stream(TwistedProtocol):
    """A TCP connection for one query, with the length before each message (RFC 7766 section 8)."""

    def __init__(self, query: Query) -> None:
        self.answer: Promise[Response] = Promise()
        self._query = query
        self._received = bytearray()

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        wire = self._query.wire
        self._transport.write(len(wire).to_bytes(2, "big") + wire)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        self._received += data
        end = 2 + int.from_bytes(self._received[:2], "big")
        if self.answer.done or len(self._received) < max(end, 2):
            return
        response = self._query.read(bytes(self._received[2:end]))
        if response is None:
            self.answer.fail(Unreachable("an answer to something else"))
        else:
            self.answer.resolve(response)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802 - Twisted's name
        if not self.answer.done:
            self.answer.fail(Unreachable("connection closed"))

    def close(self) -> None:
        self._transport.abortConnection()

    @property
    def _transport(self) -> ITCPTransport:
        return cast(ITCPTransport, self.transport)
