"""A connection in memory: a client of one's own at a listener of the site."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConsumer, IPushProducer, IReactorTime, ITCPTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedmail_mta.receive.protocol import ServerProtocol
from twistedmail_mta.tasks import Promise

_PORT = 54321
_PIECE = 65536
"""Octets of a message that are given to the server at once."""


@implementer(ITCPTransport, IPushProducer, IConsumer)
class Connection:
    """Both ends of a connection: the transport of the server's protocol, and what its client says and hears.

    Nothing is encrypted; of TLS there is only the word.
    """

    def __init__(
        self, protocol: ServerProtocol, clock: IReactorTime, host: str, local_host: str, local_port: int
    ) -> None:
        """Connect.

        Args:
            protocol: the server's.
            clock: has the client hear what was said in a turn of the reactor of its own, as over a network.
            host: the client's address.
            local_host: the server's.
            local_port: its port.
        """
        self._protocol = protocol
        self._clock = clock
        self._peer = _address(host, _PORT)
        self._host = _address(local_host, local_port)
        self._heard = bytearray()
        self._paused = self._closed = False
        self._waiting: Promise[None] | None = None
        protocol.makeConnection(self)

    # The client's end

    @property
    def closed(self) -> bool:
        """Whether the server has closed it."""
        return self._closed

    def shake_hands(self) -> None:
        """Begin TLS, where it comes first."""
        self._protocol.handshakeCompleted()

    async def reply(self) -> str:
        """Return the server's next reply, its lines without line ends; empty when it has closed the connection."""
        while (end := _end_of_reply(self._heard)) < 0:
            if self._closed:
                return ""
            await self._news()
        text = self._heard[:end].decode("utf-8", "replace")
        del self._heard[:end]
        return text.rstrip("\r\n").replace("\r\n", "\n")

    async def say(self, octets: bytes) -> None:
        """Send octets, no faster than the server reads them."""
        for start in range(0, len(octets), _PIECE):
            while self._paused and not self._closed:
                await self._news()
            if self._closed:
                return
            self._protocol.dataReceived(octets[start : start + _PIECE])

    def hang_up(self) -> None:
        """Go away."""
        self.loseConnection()

    async def _news(self) -> None:
        if self._waiting is None:
            self._waiting = Promise()
        await self._waiting

    def _tell(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._clock.callLater(0, waiting.resolve, None)

    # The server's transport

    def write(self, data: bytes) -> None:
        """Take what the server says."""
        self._heard += data
        self._tell()

    def writeSequence(self, iovec: Any) -> None:  # noqa: ANN401, N802 - Twisted's
        """Take what the server says."""
        self.write(b"".join(iovec))

    def loseConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Close it."""
        if not self._closed:
            self._closed = True
            self._protocol.connectionLost(Failure(ConnectionDone()))
            self._tell()

    abortConnection = loseConnection  # noqa: N815 - Twisted's name
    loseWriteConnection = loseConnection  # noqa: N815 - likewise

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Let the client send nothing more for now."""
        self._paused = True

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Let it go on."""
        self._paused = False
        self._tell()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Close it."""
        self.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: ANN401, N802 - Twisted's
        """Take whatever is written: there is room."""

    def unregisterProducer(self) -> None:  # noqa: N802 - Twisted's name
        """Nobody is to be told of room any more."""

    def startTLS(self, contextFactory: Any) -> None:  # noqa: ANN401, N802, N803 - Twisted's
        """Take it to be encrypted from now on."""

    def getHandle(self) -> _Handle:  # noqa: N802 - Twisted's name
        """Return what tells of TLS."""
        return _Handle()

    def getPeer(self) -> IPv4Address | IPv6Address:  # noqa: N802 - Twisted's name
        """Return where the client is."""
        return self._peer

    def getHost(self) -> IPv4Address | IPv6Address:  # noqa: N802 - Twisted's name
        """Return where the server is."""
        return self._host

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802 - Twisted's name
        """Nothing is delayed."""

    def getTcpNoDelay(self) -> bool:  # noqa: N802 - Twisted's name
        """Nothing is delayed."""
        return True

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: N802 - Twisted's name
        """It is alive."""

    def getTcpKeepAlive(self) -> bool:  # noqa: N802 - Twisted's name
        """It is alive."""
        return True


class _Handle:
    """Tells of TLS what most clients of today have."""

    def get_protocol_version_name(self) -> str:
        """Return the version."""
        return "TLSv1.3"

    def get_cipher_name(self) -> str:
        """Return the cipher."""
        return "TLS_AES_256_GCM_SHA384"


def _address(host: str, port: int) -> IPv4Address | IPv6Address:
    return IPv6Address("TCP", host, port) if ":" in host else IPv4Address("TCP", host, port)


def _end_of_reply(octets: bytearray) -> int:
    """Return where the first reply ends, or -1 if it isn't complete (RFC 5321 section 4.2.1)."""
    start = 0
    while (end := octets.find(b"\r\n", start)) >= 0:
        if octets[start + 3 : start + 4] != b"-":
            return end + 2
        start = end + 2
    return -1
