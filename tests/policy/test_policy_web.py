"""Questions to web services, put to real ones on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import trustme
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate
from OpenSSL import SSL
from twisted.internet import reactor as real_reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import ContextFactory
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from twistedmail_mta.errors import HTTPError
from twistedmail_mta.policy.web import WebClient
from twistedmail_mta.tasks import Cancelled, Task, sleep
from twistedmail_mta.testing.values import MemoryBody
from twistedmail_mta.tls.client import ClientTLS

reactor: Any = real_reactor


class Service(Resource):
    """A service that does what its path says."""

    isLeaf = True  # noqa: N815

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Any] = []

    def render(self, request: Any) -> Any:  # noqa: PLR0911
        self.requests.append(request)
        request.setHeader("X-Peer", f"{request.client.port}")
        match request.path:
            case b"/never":
                return NOT_DONE_YET
            case b"/half":
                request.setHeader("Content-Length", "10")
                request.write(b"12345")
                reactor.callLater(0.02, request.transport.abortConnection)
                return NOT_DONE_YET
            case b"/trickle":
                request.write(b"x" * 600)
                reactor.callLater(0.02, request.write, b"x" * 600)
                return NOT_DONE_YET
            case b"/moved":
                request.redirect(b"/")
                return b""
            case b"/large":
                return b"x" * 2000
            case b"/fails":
                request.setResponseCode(503)
                return b"not now"
            case b"/twice":
                request.responseHeaders.setRawHeaders("X-Two", ["a", "b"])
                return b""
        return request.method + b" " + request.content.read()


class Place:
    """The service at a port, and who asks it."""

    def __init__(self, tls: SSL.Context | None = None, ca_file: Path | None = None) -> None:
        self.service = Service()
        self.client = WebClient(reactor, ClientTLS(ca_file))
        factory = Site(self.service, timeout=None)
        if tls is None:
            self.port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        else:
            self.port = reactor.listenSSL(0, factory, _Given(tls), interface="127.0.0.1")
        self.number = self.port.getHost().port
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.number}"

    async def ask(self, method: str, path: str = "/", **options: Any) -> Any:
        return await self.client.request(method, self.url + path, **options)

    async def close(self) -> None:
        await self.client.close()
        await maybeDeferred(self.port.stopListening)
        await sleep(reactor, 0)


class _Given(ContextFactory):
    def __init__(self, context: SSL.Context) -> None:
        self.getContext = lambda: context


@pytest_twisted.async_yield_fixture
async def place() -> AsyncIterator[Place]:
    place = Place()
    yield place
    await place.close()


def inlined(test: Callable[..., Awaitable[None]]) -> Any:
    return pytest_twisted.ensureDeferred(test)


@inlined
async def test_answers(place: Place) -> None:
    """Status, header and body, whatever the status; no redirection is followed."""
    answer = await place.ask("GET")
    assert (answer.status, answer.body) == (200, b"GET ")
    assert answer.headers["x-peer"].isdigit()
    assert (await place.ask("GET", "/fails")).status == 503
    assert (await place.ask("GET", "/moved")).headers["location"] == "/"
    assert (await place.ask("GET", "/twice")).headers["x-two"] == "a, b"
    assert (await place.ask("HEAD", "/large", most=10)).body == b""


@inlined
async def test_what_is_sent(place: Place) -> None:
    """Headers, octets, and what is read in pieces."""
    assert (await place.ask("POST", body=b"text")).body == b"POST text"
    large = bytes(range(256)) * 1024

    answer = await place.ask("POST", headers={"X-Name": "v\u00e4lue"}, body=b"head ", stream=MemoryBody(large))

    assert answer.body == b"POST head " + large
    request = place.service.requests[-1]
    assert request.getHeader("x-name") == "v\u00e4lue"
    assert request.getHeader("content-length") == str(5 + len(large))
    assert (await place.ask("POST", stream=MemoryBody(b""))).body == b"POST "


@inlined
async def test_connections_are_kept(place: Place) -> None:
    """The next question goes over the same."""
    peers = {(await place.ask("GET")).headers["x-peer"] for _ in range(3)}

    assert len(peers) == 1


@inlined
async def test_connections_are_not_kept(place: Place) -> None:
    """Whoever asks many hosts once each leaves no connection open to any."""
    place.client = WebClient(reactor, ClientTLS(), keep=False)
    peers = {(await place.ask("GET")).headers["x-peer"] for _ in range(3)}

    assert len(peers) == 3


@inlined
async def test_sizes(place: Place) -> None:
    """An answer that is too large is none: by its length, or when it gets so."""
    assert len((await place.ask("GET", "/large", most=2000)).body) == 2000
    for path, most in (("/large", 1999), ("/trickle", 1000)):
        with pytest.raises(HTTPError, match=rf"^GET {place.url}{path}: the answer is too large$"):
            await place.ask("GET", path, most=most)


@inlined
async def test_no_answer(place: Place) -> None:
    """In time, in full, or at all; a URL's secrets aren't told."""
    with pytest.raises(HTTPError, match=rf"^GET {place.url}/never: no answer in 0\.05 seconds$"):
        await place.ask("GET", "/never?key=secret", timeout=0.05)
    with pytest.raises(HTTPError, match=r"^GET"):
        await place.ask("GET", "/half")
    with pytest.raises(HTTPError, match="no answer in"):
        await place.ask("GET", "/trickle", timeout=0.05)
    await place.port.stopListening()
    await place.client.close()
    with pytest.raises(HTTPError, match="refused"):
        await place.ask("GET")


@inlined
async def test_a_stream_that_ends_early(place: Place) -> None:
    """What can't be sent gets no answer."""

    class Short(MemoryBody):
        size = 100

    with pytest.raises(HTTPError, match="shorter than it said"):
        await place.ask("POST", stream=Short(b"text"))

    class Broken(MemoryBody):
        async def read(self, offset: int, size: int) -> bytes:
            raise OSError("the disk is gone")

    with pytest.raises(HTTPError, match="the disk is gone"):
        await place.ask("POST", stream=Broken(b"text"))


@inlined
async def test_who_is_cancelled(place: Place) -> None:
    """The connection is closed then."""
    task = Task("test", place.ask("GET", "/never"))
    while not place.service.requests:
        await sleep(reactor, 0.01)
    gone: Deferred[Any] = place.service.requests[0].notifyFinish()

    task.cancel()

    with pytest.raises(Cancelled):
        await task
    with pytest.raises(Exception, match=r"[Cc]onnection"):
        await gone


@pytest.mark.parametrize(
    "headers", [{"X": "a\r\nY: b"}, {"X\n": "a"}, {"X": "a\0"}, {"\u00e4": "a"}], ids=["value", "name", "nul", "letter"]
)
@inlined
async def test_headers_that_cannot_be_sent(place: Place, headers: dict[str, str]) -> None:
    """Nothing becomes a field of its own."""
    with pytest.raises(ValueError, match="can't be sent"):
        await place.ask("GET", headers=headers)


@inlined
async def test_urls_that_are_none(place: Place) -> None:
    """Only http and https are spoken."""
    for url in ("ftp://127.0.0.1/", "nonsense", "http://\u00e4.test/"):
        with pytest.raises((ValueError, HTTPError)):
            await place.client.request("GET", url)


# TLS


@pytest.mark.parametrize(
    ("name", "trusted", "words"),
    [("127.0.0.1", True, ""), ("other.test", True, "TLS failed"), ("127.0.0.1", False, "TLS failed")],
)
@inlined
async def test_certificates(tmp_path: Path, name: str, trusted: bool, words: str) -> None:
    """The server's must be its own, and by an authority that is trusted."""
    authority = trustme.CA()
    issued = authority.issue_cert(name)
    (authority if trusted else trustme.CA()).cert_pem.write_to_path(tmp_path / "ca.pem")
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()))
    context.use_privatekey(load_pem_private_key(issued.private_key_pem.bytes(), None))
    place = Place(context, tmp_path / "ca.pem")
    try:
        if words:
            with pytest.raises(HTTPError, match=words):
                await place.ask("GET")
        else:
            assert (await place.ask("GET")).status == 200
    finally:
        await place.close()


class Slow(Protocol):
    """A server that reads nothing until it is told to."""

    def connectionMade(self) -> None:  # noqa: N802
        self.factory.connected.append(self)  # type: ignore[union-attr]
        self.transport.pauseProducing()  # type: ignore[union-attr]


@inlined
async def test_a_server_that_takes_nothing() -> None:
    """What is to be sent isn't read beyond what fits into the connection."""
    factory = Factory.forProtocol(Slow)
    factory.connected = []  # type: ignore[attr-defined]
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    read = 0

    class Large(MemoryBody):
        size = 1 << 30

        async def read(self, offset: int, size: int) -> bytes:
            nonlocal read
            read += size
            return bytes(size)

    client = WebClient(reactor, ClientTLS())
    url = f"http://127.0.0.1:{port.getHost().port}/"
    with pytest.raises(HTTPError, match="no answer in"):
        await client.request("POST", url, stream=Large(b""), timeout=0.5)

    assert 0 < read < 64 << 20
    await client.close()
    await port.stopListening()
    for each in factory.connected:  # type: ignore[attr-defined]
        each.transport.abortConnection()
    await sleep(reactor, 0.01)
    assert IReactorTime.providedBy(reactor)
