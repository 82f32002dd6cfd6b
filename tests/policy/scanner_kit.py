"""What the policies that ask daemons are tried with: a kit on the real reactor, scripted daemons on loopback."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from repute_kit import Log, Names, stranger
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from twistedmail_mta.errors import HTTPError
from twistedmail_mta.interfaces import IHTTPClient
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Envelope, HTTPAnswer, Recipient
from twistedmail_mta.plugins import Kit
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.stages import AddHeader, Arriving, Client, RemoveHeader
from twistedmail_mta.tasks import TaskGroup

NOW = 1_800_000_000.0
HEADER = b"Subject: hi\r\nFrom: ann@sender.test\r\n\r\n"


@dataclass
class Text:
    """A body that is read in pieces; remembers how large they were.

    Attributes:
        fails: reading does.
    """

    octets: bytes
    pieces: list[int] = field(default_factory=list)
    fails: bool = False

    @property
    def size(self) -> int:
        return len(self.octets)

    async def read(self, offset: int, size: int) -> bytes:
        if self.fails:
            raise OSError("the disk is gone")
        piece = self.octets[offset : offset + size]
        self.pieces.append(len(piece))
        return piece


def arriving(
    body: bytes | Text = b"text\r\n",
    header: bytes = HEADER,
    sender: str = "ann@sender.test",
    recipients: tuple[str, ...] = ("bob@example.org",),
) -> Arriving:
    """A message."""
    text = body if isinstance(body, Text) else Text(body)
    envelope = Envelope(parse_address(sender), tuple(Recipient(parse_address(each)) for each in recipients))
    return Arriving("1A2B", envelope, Header(header), text, len(header) + text.size)


def logged_in(**known: Any) -> Client:
    """Somebody with an account."""
    return stranger(account="ann@example.org", **known)


@implementer(IHTTPClient)
class Web:
    """Answers as it is told; remembers what it was asked."""

    def __init__(self, answer: Callable[[], HTTPAnswer] | HTTPAnswer | None = None) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    async def request(  # noqa: PLR0917
        self,
        method: str,
        url: str,
        headers: Any = None,
        body: bytes = b"",
        stream: Any = None,
        timeout: float = 10.0,  # noqa: ASYNC109
        most: int = 1 << 20,
    ) -> HTTPAnswer:
        octets = body + (await stream.read(0, stream.size) if stream is not None else b"")
        self.asked.append((method, url, dict(headers or {}), octets))
        if self.answer is None:
            raise HTTPError("nobody there")
        return self.answer() if callable(self.answer) else self.answer


def kit(clock: Any = None, web: Web | None = None, names: Names | None = None) -> Kit:
    """What a plugin is made with; the clock is the real reactor unless there is another."""
    if clock is None:
        from twisted.internet import reactor as clock  # noqa: PLC0415 - not at import

    async def run(function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    threads: Any = type("Threads", (), {"run": staticmethod(run)})
    none: Any = None
    return Kit(
        name="test",
        hostname="mail.example.org",
        clock=clock,
        now=lambda: NOW,
        resolver=names or Names(),
        http=web or Web(),
        database=none,
        tasks=TaskGroup(),
        log=Log(),
        prefix="plugin_test_",
        _threads=threads,
    )


class Scripted(Protocol):
    """One connection to a scripted daemon."""

    factory: Daemons

    def connectionMade(self) -> None:  # noqa: N802
        self.received = b""
        self.factory.open.append(self)
        self.factory.seen.append(self)
        self.factory.begin(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self.received += data
        self.factory.answer(self)

    def connectionLost(self, reason: Any = None) -> None:  # noqa: N802
        self.factory.open.remove(self)
        if not self.factory.open and self.factory.idle is not None:
            idle, self.factory.idle = self.factory.idle, None
            idle.callback(None)

    def say(self, octets: bytes) -> None:
        self.transport.write(octets)

    def hang_up(self) -> None:
        self.transport.loseConnection()


class Daemons(Factory):
    """A daemon that does with each piece received what a test says.

    Attributes:
        seen: every connection there was; open: those there are.
    """

    protocol = Scripted
    noisy = False

    def __init__(self, answer: Callable[[Scripted], None], begin: Callable[[Scripted], None] = lambda _: None) -> None:
        self.answer = answer
        self.begin = begin
        self.open: list[Scripted] = []
        self.seen: list[Scripted] = []
        self.idle: Deferred[None] | None = None

    def listen(self) -> str:
        """Listen on loopback; return where."""
        from twisted.internet import reactor  # noqa: PLC0415 - not at import

        self.port = reactor.listenTCP(0, self, interface="127.0.0.1")
        return f"tcp:127.0.0.1:{self.port.getHost().port}"

    def listen_at(self, path: str) -> str:
        """Listen on a unix socket; return where."""
        from twisted.internet import reactor  # noqa: PLC0415 - not at import

        self.port = reactor.listenUNIX(path, self)
        return f"unix:{path}"

    async def all_closed(self) -> None:
        """Wait until no connection is open."""
        if self.open:
            self.idle = Deferred()
            await self.idle

    async def stop(self) -> None:
        """End everything."""
        await self.port.stopListening()
        for one in tuple(self.open):
            one.transport.abortConnection()
        await self.all_closed()


Listen = Callable[..., Awaitable[Any]]


def headers_of(changes: Any) -> dict[str, str]:
    """The fields that changes add."""
    return {each.name: each.value for each in changes if isinstance(each, AddHeader)}


def removed_by(changes: Any) -> set[str]:
    """The names of the fields that changes remove."""
    return {each.name for each in changes if isinstance(each, RemoveHeader)}
