"""The listeners that answer challenges, by HTTP or in a handshake, and nothing else whatever.

Strangers reach them too, so each connection has little time and little room,
and is closed after one answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from OpenSSL import SSL
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHandshakeListener,
    IOpenSSLServerConnectionCreator,
    IReactorTime,
    ITLSTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedmail_mta.acme.challenges import Challenges, speak_only_acme
from twistedmail_mta.crowd import Crowd

MOST_CONNECTIONS: Final = 100
"""Of all clients together, beside those of the mail listeners, which they can't crowd out, nor these them."""
WITHIN: Final = 10.0
"""Seconds for a connection in all."""
MOST_OCTETS: Final = 8192
"""Of a request."""

_LISTENER: Final = "acme"
"""Whose clients a crowd counts here; it is one listener's own."""

_REQUEST: Final = re.compile(rb"(GET|HEAD) (\S{1,1024}) HTTP/1\.[01]", re.ASCII)
_FOUND: Final = b"HTTP/1.1 200 "
_PLACE: Final = re.compile(rb"/\.well-known/acme-challenge/([A-Za-z0-9_-]{1,512})", re.ASCII)


def response_to(request: bytes, challenges: Challenges) -> bytes:
    """Return the whole answer to a request, of which the first line alone matters (RFC 8555 section 8.3)."""
    asked = _REQUEST.fullmatch(request.partition(b"\r\n")[0])
    if asked is None:
        return _response(b"400 Bad Request", b"bad request\n")
    place = _PLACE.fullmatch(asked[2])
    text = challenges.text(place[1].decode("ascii")) if place is not None else None
    status, body = (b"404 Not Found", b"not found\n") if text is None else (b"200 OK", text)
    return _response(status, body, head_only=asked[1] == b"HEAD")


def _response(status: bytes, body: bytes, *, head_only: bool = False) -> bytes:
    header = (
        b"HTTP/1.1 %b\r\nContent-Type: application/octet-stream\r\nX-Content-Type-Options: nosniff\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n"
    )
    return header % (status, len(body)) + (b"" if head_only else body)


@implementer(IOpenSSLServerConnectionCreator)
class ChallengeTLS:
    """Makes the server side of handshakes that show an answer, and of others that fail."""

    def __init__(self, challenges: Challenges) -> None:
        self._challenges = challenges
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.set_min_proto_version(SSL.TLS1_2_VERSION)
        self._context.set_tlsext_servername_callback(self._choose)
        speak_only_acme(self._context)

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002, N802, N803 - Twisted's names
        """Begin a connection; it has no certificate until the client has named one that is asked for."""
        return SSL.Connection(self._context, None)

    def _choose(self, connection: SSL.Connection) -> None:
        name = (connection.get_servername() or b"").decode("ascii", "replace").lower()
        context = self._challenges.context(name)
        if context is not None:
            connection.set_context(context)


@dataclass(frozen=True, slots=True)
class Terms:
    """What every connection has to know.

    Attributes:
        challenges: what is answered.
        connections_per_client: most at once from one network.
        tls: shows the answer in a handshake; None: it is given by HTTP.
    """

    challenges: Challenges
    connections_per_client: int
    tls: ChallengeTLS | None


class ChallengeFactory(Factory):
    """The listener at one endpoint."""

    noisy = False

    def __init__(self, clock: IReactorTime, *, implicit_tls: bool) -> None:
        """Make a listener; it serves nobody yet.

        Args:
            clock: bounds the time of connections.
            implicit_tls: the answer is in the handshake; else it is by HTTP.
        """
        self.connections: set[ChallengeProtocol] = set()
        self.crowd = Crowd(MOST_CONNECTIONS)
        self.clock = clock
        self._implicit_tls = implicit_tls
        self._terms: Terms | None = None

    def serve(self, challenges: Challenges, connections_per_client: int) -> None:
        """Serve from now on.

        Args:
            challenges: what is answered.
            connections_per_client: most at once from one network.
        """
        tls = ChallengeTLS(challenges) if self._implicit_tls else None
        self._terms = Terms(challenges, connections_per_client, tls)

    def buildProtocol(self, addr: IAddress | None) -> ChallengeProtocol | None:  # noqa: ARG002, N802 - Twisted's name
        """Make a connection; None, and it is closed, while nothing is served."""
        return ChallengeProtocol(self, self._terms) if self._terms is not None else None

    def finish(self) -> None:
        """End all connections: there is nothing that is worth waiting for."""
        self.abort()

    def abort(self) -> None:
        """End all connections."""
        for connection in tuple(self.connections):
            connection.abort()


@implementer(IHandshakeListener)
class ChallengeProtocol(Protocol):
    """One connection: a request and its answer, or a handshake."""

    log: ClassVar[Logger] = Logger()
    transport: ITLSTransport

    def __init__(self, factory: ChallengeFactory, terms: Terms) -> None:
        self._factory = factory
        self._terms = terms
        self._request = b""
        self._answered = False
        self._host = ""
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Let the client in, or close."""
        factory = self._factory
        host = getattr(self.transport.getPeer(), "host", "")
        if factory.crowd.enter(_LISTENER, host, self._terms.connections_per_client) is not None:
            self.abort()
            return
        self._host = host
        factory.connections.add(self)
        self._timer = factory.clock.callLater(WITHIN, self.abort)
        if self._terms.tls is not None:
            self.transport.startTLS(self._terms.tls)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Answer a request that is complete; what comes behind it isn't heard."""
        if self._timer is None or self._terms.tls is not None:
            self.abort()
            return
        if self._answered:
            return
        self._request += data
        if len(self._request) > MOST_OCTETS:
            self.abort()
        elif b"\r\n\r\n" in self._request:
            self._answer()

    def _answer(self) -> None:
        self._answered = True
        response = response_to(self._request, self._terms.challenges)
        if response.startswith(_FOUND):  # what else strangers ask for fills no log
            self.log.info("{peer} was told the answer to a challenge", event="acme.asked", peer=self._host)
        self.transport.write(response)
        self.transport.loseConnection()

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's name
        """Close: the handshake was the answer (RFC 8737 section 3)."""
        self.log.info("{peer} was shown the answer to a challenge", event="acme.asked", peer=self._host)
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802 - Twisted's name
        """Count the client out."""
        if self._timer is None:
            return
        if self._timer.active():
            self._timer.cancel()
        self._timer = None
        self._factory.connections.discard(self)
        self._factory.crowd.leave(_LISTENER, self._host)

    def abort(self) -> None:
        """Close at once."""
        self.transport.abortConnection()
