"""The listeners that speak HTTP: each connection has little time and little room, and is closed after one answer.

Strangers reach them, and nothing that they send is kept: requests have no
bodies, and answers are ready before they are asked for, or made of what is
known (metrics, for those who are let in).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final
from typing import Protocol as Shape

from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHandshakeListener,
    IOpenSSLServerConnectionCreator,
    IReactorTime,
    ITLSTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twistedmail_mta.crowd import Crowd
from twistedmail_mta.tasks import TaskGroup
from twistedmail_mta.tls.hello import ClientHello, read_hello

MOST_CONNECTIONS: Final = 100
"""Of all clients of a listener together, beside those of mail listeners, which they can't crowd out, nor these them."""
WITHIN: Final = 10.0
"""Seconds for a connection in all."""
MOST_OCTETS: Final = 8192
"""Of a request, and of what a client says first in TLS where that is looked at."""

_LISTENER: Final = "web"
"""Whose clients a crowd counts here; it is one listener's own."""

Answer = Callable[[bytes, str], bytes | Coroutine[Any, Any, bytes]]
"""Returns the whole answer to a request, or waits for it; it is told its octets and the client's address."""


class Handshakes(Shape):
    """What answers an authority in handshakes."""

    @property
    def is_wanted(self) -> bool:
        """Whether one may ask now."""

    @property
    def protocol(self) -> bytes:
        """The protocol that it offers, and no other."""

    @property
    def tls(self) -> IOpenSSLServerConnectionCreator:
        """Makes the server side of these handshakes."""

    def note(self, peer: str) -> None:
        """Hear that one has been answered."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What every connection has to know.

    Attributes:
        answer: answers requests; None: there is no answer but in the handshake.
        connections_per_client: most at once from one network.
        tls: under which requests come; None: in clear.
        handshakes: answers in these; None: nothing does.
        may_connect: says whether a client at an address is let in.
    """

    answer: Answer | None
    connections_per_client: int
    tls: IOpenSSLServerConnectionCreator | None = None
    handshakes: Handshakes | None = None
    may_connect: Callable[[str], bool] = lambda _: True


class WebFactory(Factory):
    """The listener at one endpoint."""

    noisy = False

    def __init__(self, clock: IReactorTime) -> None:
        """Make a listener; it serves nobody yet.

        Args:
            clock: bounds the time of connections.
        """
        self.connections: set[WebProtocol] = set()
        self.crowd = Crowd(MOST_CONNECTIONS)
        self.clock = clock
        self.tasks = TaskGroup()
        self._terms: Terms | None = None

    @property
    def begun(self) -> int:
        """How many clients were let in since the start."""
        return self.crowd.begun.get(_LISTENER, 0)

    def serve(self, terms: Terms) -> None:
        """Serve new connections under these terms from now on."""
        self._terms = terms

    def buildProtocol(self, addr: IAddress | None) -> WebProtocol | None:  # noqa: ARG002, N802 - Twisted's name
        """Make a connection; None, and it is closed, while nothing is served."""
        return WebProtocol(self, self._terms) if self._terms is not None else None

    def finish(self) -> None:
        """End all connections: there is nothing that is worth waiting for."""
        self.abort()

    def abort(self) -> None:
        """End all connections."""
        for connection in tuple(self.connections):
            connection.abort()


@implementer(IHandshakeListener)
class WebProtocol(Protocol):
    """One connection: perhaps a handshake, a request and its answer."""

    transport: ITLSTransport

    def __init__(self, factory: WebFactory, terms: Terms) -> None:
        self._factory = factory
        self._terms = terms
        self._receive: Callable[[bytes], None] = self._take
        self._taken = b""
        self._answered = False
        self._host = ""
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Let the client in, or close."""
        factory, terms = self._factory, self._terms
        host = getattr(self.transport.getPeer(), "host", "")
        if (
            not terms.may_connect(host)
            or factory.crowd.enter(_LISTENER, host, terms.connections_per_client) is not None
        ):
            self.abort()
            return
        self._host = host
        factory.connections.add(self)
        self._timer = factory.clock.callLater(WITHIN, self.abort)
        if terms.tls is not None:
            if terms.handshakes is not None and terms.handshakes.is_wanted:
                self._receive = self._choose
            else:
                self.transport.startTLS(terms.tls)
        elif terms.handshakes is not None:
            self._show(terms.handshakes)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take octets; what comes behind a request isn't heard."""
        if self._timer is None:
            self.abort()
        elif not self._answered:
            self._taken += data
            if len(self._taken) > MOST_OCTETS:
                self.abort()
            else:
                self._receive(self._taken)

    def _choose(self, taken: bytes) -> None:
        """Look at what the client says first, and begin the handshake that it wants.

        OpenSSL chooses a certificate before it looks at the protocols, so it can't be left to that.
        """
        terms = self._terms
        try:
            hello = read_hello(taken)
        except ValueError:
            hello = ClientHello()
        if hello is None or terms.handshakes is None or terms.tls is None:
            return
        self._taken, self._receive = b"", self._take
        if hello.protocols == (terms.handshakes.protocol,):
            self._show(terms.handshakes)
        else:
            self.transport.startTLS(terms.tls)
        self.transport.protocol.dataReceived(taken)  # type: ignore[attr-defined] # which is TLS now

    def _show(self, handshakes: Handshakes) -> None:
        self._receive = self._refuse
        self.transport.startTLS(handshakes.tls)

    def _refuse(self, _: bytes) -> None:
        self.abort()

    def _take(self, taken: bytes) -> None:
        """Answer a request that is complete."""
        if b"\r\n\r\n" in taken and self._terms.answer is not None:
            self._answered = True
            answer = self._terms.answer(taken.partition(b"\r\n\r\n")[0], self._host)
            if isinstance(answer, bytes):
                self._write(answer)
            else:
                self._factory.tasks.start("web.answer", self._write_later(answer))

    async def _write_later(self, answer: Coroutine[Any, Any, bytes]) -> None:
        self._write(await answer)

    def _write(self, answer: bytes) -> None:
        self.transport.write(answer)
        self.transport.loseConnection()

    def handshakeCompleted(self) -> None:  # noqa: N802 - Twisted's name
        """Close, if the handshake was the answer (RFC 8737 section 3)."""
        if self._receive == self._refuse and self._terms.handshakes is not None:
            self._terms.handshakes.note(self._host)
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
