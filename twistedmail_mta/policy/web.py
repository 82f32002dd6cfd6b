"""Asks web services: Twisted's HTTP/1.1 client, with our TLS, limits, and time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IConsumer, IReactorPluggableNameResolver, IReactorTCP, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RequestGenerationFailed,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
    _HTTP11ClientFactory,
)
from twisted.web.error import SchemeNotSupported
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH, IBodyProducer, IPolicyForHTTPS, IResponse
from zope.interface import implementer

from twistedmail_mta.errors import HTTPError, UntrustedServerError
from twistedmail_mta.interfaces import IHTTPClient, ReadInPieces
from twistedmail_mta.model import HTTPAnswer
from twistedmail_mta.plugin_calls import in_time
from twistedmail_mta.tasks import Cancelled, Promise, deferred_of, promise_of
from twistedmail_mta.tls.client import ClientConnectionCreator, ClientTLS
from twistedmail_mta.tls.words import failure_reason

CONNECT_WITHIN: Final = 10.0
CONNECTIONS_PER_HOST: Final = 8
"""Idle connections that are kept for the next request, and for how many seconds."""
IDLE: Final = 30
PIECE: Final = 1 << 16
"""Octets of a stream that are read at once."""
MOST: Final = 1 << 20
"""Octets of an answer's body, unless a caller says otherwise."""


class IReactorWeb(IReactorTCP, IReactorTime, IReactorPluggableNameResolver):
    """What of the reactor web requests need."""


class _QuietConnections(_HTTP11ClientFactory):
    """Makes connections, and writes nothing into the log about each."""

    noisy = False


@implementer(IPolicyForHTTPS)
class _VerifiedTLS:
    """Demands a certificate that is the server's own."""

    def __init__(self, tls: ClientTLS) -> None:
        self._tls = tls

    def creatorForNetloc(self, hostname: bytes, port: int) -> ClientConnectionCreator:  # noqa: ARG002, N802 - Twisted's
        """Return what makes one connection."""
        return self._tls.connection_to(hostname.decode("ascii"), verify=True)


@implementer(IHTTPClient)
class WebClient:
    """`IHTTPClient` on the reactor.

    Twisted's own `Agent` does it.  treq on top of it offers redirections,
    cookies and forms, which no plugin needs, and bounds neither the answer nor
    the time for all of it.
    """

    def __init__(self, reactor: IReactorWeb, tls: ClientTLS, *, keep: bool = True) -> None:
        """Ask nothing yet.

        Args:
            reactor: drives it.
            tls: verifies servers.
            keep: connections stay open for the next request; no good where each request goes to another host.
        """
        self._reactor = reactor
        self._pool = HTTPConnectionPool(reactor, persistent=keep)
        self._pool._factory = _QuietConnections  # noqa: SLF001 - Twisted has no other way to turn its two lines off
        self._pool.maxPersistentPerHost = CONNECTIONS_PER_HOST
        self._pool.cachedConnectionTimeout = IDLE
        self._agent = Agent(reactor, _VerifiedTLS(tls), CONNECT_WITHIN, pool=self._pool)

    async def request(  # noqa: PLR0913, PLR0917 - as IHTTPClient has it
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        stream: ReadInPieces | None = None,
        timeout: float = 10.0,  # noqa: ASYNC109 - one limit for all of it, with cancellation
        most: int = MOST,
    ) -> HTTPAnswer:
        """Ask, and return the answer (`IHTTPClient.request`)."""
        fields, sent = _fields(headers or {}), _Sent(body, stream) if body or stream is not None else None
        target = url.encode("ascii")
        place = url.partition("?")[0]  # what follows may be a secret
        try:
            return await in_time(self._reactor, timeout, self._ask(method.encode("ascii"), target, fields, sent, most))
        except TimeoutError:
            raise HTTPError(f"{method} {place}: no answer in {timeout:g} seconds") from None
        except Cancelled:
            raise
        except SchemeNotSupported as error:
            raise ValueError(f"{place} is neither http: nor https:") from error
        except Exception as error:
            cause = _cause(error)
            kind = UntrustedServerError if isinstance(cause, SSL.Error) else HTTPError
            raise kind(f"{method} {place}: {_words(cause)}") from error

    async def _ask(self, method: bytes, url: bytes, fields: Headers, sent: _Sent | None, most: int) -> HTTPAnswer:
        response: IResponse = await promise_of(self._agent.request(method, url, fields, sent))
        length = response.length
        if length is not UNKNOWN_LENGTH and cast(int, length) > most and method != b"HEAD":
            most = 0  # it is refused at its first octet, and the connection is gone then
        collector = _Collector(most)
        response.deliverBody(collector)
        return HTTPAnswer(response.code, _joined(response.headers), await promise_of(collector.body))

    async def close(self) -> None:
        """Close the connections that were kept."""
        await promise_of(self._pool.closeCachedConnections())


class _Collector(Protocol):
    """Takes the body of an answer, up to a size.

    Attributes:
        body: the whole of it, later; to cancel it closes the connection.
    """

    def __init__(self, most: int) -> None:
        self.body: Deferred[bytes] = Deferred(lambda _: self._stop())
        self._most = most
        self._taken = bytearray()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take octets; too many end the connection."""
        if len(self._taken) + len(data) > self._most:
            self._taken.clear()
            self._most = -1
            self._stop()
            if not self.body.called:
                self.body.errback(HTTPError("the answer is too large"))
            return
        self._taken += data

    def _stop(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Hear of the end; of one that can't be told from a broken connection, too."""
        if self.body.called:
            return
        if reason.check(ResponseDone):
            self.body.callback(bytes(self._taken))
        else:
            lost = reason.check(PotentialDataLoss)
            self.body.errback(HTTPError("the answer has no end") if lost else reason)


@implementer(IBodyProducer)
class _Sent:
    """The body of a request: octets, and what is read from a stream as the server takes it."""

    def __init__(self, head: bytes, stream: ReadInPieces | None) -> None:
        self.length = len(head) + (stream.size if stream is not None else 0)
        self._head = head
        self._stream = stream
        self._room: Promise[None] = Promise()
        self._room.resolve(None)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:  # noqa: N802 - Twisted's name
        """Write all of it."""
        return deferred_of(self._write(consumer))

    async def _write(self, consumer: IConsumer) -> None:
        consumer.write(self._head)
        offset, size = 0, self._stream.size if self._stream is not None else 0
        while self._stream is not None and offset < size:
            await self._room
            piece = await self._stream.read(offset, min(PIECE, size - offset))
            await self._room  # the server may be gone meanwhile
            if not piece:
                raise HTTPError("what was to be sent is shorter than it said")
            consumer.write(piece)
            offset += len(piece)

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Wait: the server doesn't take what is there."""
        if self._room.done:
            self._room = Promise()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Go on."""
        if not self._room.done:
            self._room.resolve(None)

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """End: nobody waits for this any more, so neither does it."""
        self._room = Promise()
        self._stream = None


def _fields(headers: Mapping[str, str]) -> Headers:
    fields = Headers()
    for name, value in headers.items():
        if not name.isascii() or set(name + value) & set("\r\n\0"):
            raise ValueError(f"{name}: {value!r:.100} can't be sent as a header field")
        fields.addRawHeader(name.encode("ascii"), value.encode())
    return fields


def _joined(headers: Headers) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): ", ".join(value.decode("utf-8", "replace") for value in values)
        for name, values in headers.getAllRawHeaders()
    }


def _cause(error: BaseException) -> BaseException:
    """Return what went wrong: Twisted wraps it in failures of requests and answers."""
    while isinstance(
        error, RequestGenerationFailed | RequestTransmissionFailed | ResponseFailed | ResponseNeverReceived
    ):
        error = _first(error.reasons)
    return error


def _words(error: BaseException) -> str:
    if isinstance(error, SSL.Error):
        return f"TLS failed: {failure_reason(error)}"
    return str(error) or type(error).__name__


def _first(reasons: list[Failure]) -> BaseException:
    """Return the reason that says most; a lost connection says less than what lost it."""
    errors = [cast(BaseException, failure.value) for failure in reasons]
    return next((error for error in errors if not isinstance(error, ConnectionLost)), errors[0])
