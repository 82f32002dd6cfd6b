"""Connections to the daemons that judge messages: where they listen, and octets in both directions, each bounded."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Final, cast

from pydantic import BeforeValidator
from twisted.internet.defer import DeferredSemaphore
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint, UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectingCancelledError, DNSLookupError
from twisted.internet.interfaces import (
    IReactorTCP,
    IReactorTime,
    IReactorUNIX,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from twistedmail_mta.config.values import one_or_more
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.flow import Flow
from twistedmail_mta.tasks import Cancelled, promise_of

CONNECT_WITHIN: Final = 3.0
"""Seconds for one connection, so that there is time left for the next daemon."""

_MOST_UNREAD: Final = 64 << 10
_MAX_LINE: Final = 8192
_TCP: Final = re.compile(r"tcp:(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+)):([0-9]{1,5})")


class DaemonError(Exception):
    """A daemon gave no answer that can be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a daemon listens.

    Attributes:
        host: a name or an address; of a unix socket its path.
        port: 0 for a unix socket.
    """

    host: str
    port: int = 0

    def __str__(self) -> str:
        """Return it as site files write it."""
        if not self.port:
            return f"unix:{self.host}"
        return f"tcp:[{self.host}]:{self.port}" if ":" in self.host else f"tcp:{self.host}:{self.port}"


def place(text: object) -> Place:
    """Return where a daemon listens: `unix:/run/clamav/clamd.ctl`, `tcp:127.0.0.1:783`, `tcp:[::1]:783`.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(text, Place):
        return text
    if isinstance(text, str) and text.startswith("unix:/"):
        return Place(text.removeprefix("unix:"))
    found = _TCP.fullmatch(text) if isinstance(text, str) else None
    if found is None or not 0 < int(found[3]) < 1 << 16:
        raise ValueError('must be a place such as "tcp:127.0.0.1:3310" or "unix:/run/clamav/clamd.ctl"')
    return Place(found[1] or found[2], int(found[3]))


def _places(value: object) -> object:
    """Return one place or several as a tuple; none is a mistake."""
    texts = one_or_more(value)
    if not isinstance(texts, tuple) or not texts:
        raise ValueError("must not be empty")
    return tuple(map(place, texts))


Places = Annotated[tuple[Place, ...], BeforeValidator(_places)]


class IReactorDaemon(IReactorTCP, IReactorUNIX, IReactorTime):
    """What connecting wants of a reactor."""


class Daemon:
    """A kind of daemon, running in one place or several; those that don't answer come last.

    No more than a number of connections are open at once: a daemon that is
    asked for more than it has processes makes them wait anyhow.
    """

    def __init__(self, places: tuple[Place, ...], connections: int, kit: Kit) -> None:
        self._reactor = cast(IReactorDaemon, kit.clock)  # a running site's clock is its reactor
        self._places = deque(places)
        self._free = DeferredSemaphore(connections)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Connect, and end the connection behind the block, whatever happens in it.

        Raises:
            DaemonError: none of the places answers.
        """
        await promise_of(self._free.acquire())
        try:
            connection = await self._connect()
            try:
                yield connection
            finally:
                connection.abort()
        finally:
            self._free.release()

    async def _connect(self) -> Connection:
        problems: list[str] = []
        for one in tuple(self._places):
            try:
                endpoint = self._endpoint(one)
                return cast(Connection, await promise_of(endpoint.connect(Factory.forProtocol(Connection))))
            except ConnectingCancelledError as error:
                raise Cancelled from error
            except (ConnectError, DNSLookupError) as error:
                problems.append(f"{one}: {error}")
                with suppress(ValueError):  # another one may have moved it meanwhile
                    self._places.remove(one)
                    self._places.append(one)
        raise DaemonError("; ".join(problems))

    def _endpoint(self, one: Place) -> IStreamClientEndpoint:
        reactor = self._reactor
        if not one.port:
            return UNIXClientEndpoint(reactor, one.host, CONNECT_WITHIN)  # type: ignore[no-untyped-call]
        try:
            version = ip_address(one.host).version
        except ValueError:
            return HostnameEndpoint(reactor, one.host, one.port, CONNECT_WITHIN)
        kind = TCP4ClientEndpoint if version == 4 else TCP6ClientEndpoint
        return kind(reactor, one.host, one.port, CONNECT_WITHIN)


class Connection(Protocol):
    """A connection on which one coroutine at a time writes or reads.

    What was written and not taken, and what came and wasn't read, is bounded:
    a writer waits, and so does the daemon.
    """

    transport: ITCPTransport

    def __init__(self) -> None:
        self._flow = Flow()
        self._received = bytearray()
        self._most = _MOST_UNREAD
        self._lost: Failure | None = None

    @property
    def answered(self) -> bool:
        """Whether something came that wasn't read yet."""
        return bool(self._received)

    async def write(self, octets: bytes) -> bool:
        """Write, and wait until the daemon takes more; return whether it does so without having answered.

        One that has seen enough answers before the end, and may read no more.
        """
        if self._lost is None:
            self.transport.write(octets)
        await self._flow.until(lambda: not self._flow.full or self.answered)
        return self._lost is None and not self.answered

    async def read_line(self, end: bytes = b"\r\n") -> bytes:
        """Return a line, without what ends it.

        Raises:
            DaemonError: the connection ended within it, or it is too long.
        """
        await self._flow.until(lambda: end in self._received or len(self._received) > _MAX_LINE)
        size = self._received.find(end, 0, _MAX_LINE + len(end))
        if size < 0:
            raise DaemonError("its answer is too long" if len(self._received) > _MAX_LINE else self._end())
        line = bytes(self._received[:size])
        self._take(size + len(end))
        return line

    async def read(self, size: int) -> bytes:
        """Return so many octets.

        Raises:
            DaemonError: the connection ended before.
        """
        self._most = max(size, _MOST_UNREAD)
        self._listen()
        if not await self._flow.until(lambda: len(self._received) >= size):
            raise DaemonError(self._end())
        octets = bytes(self._received[:size])
        self._most = _MOST_UNREAD
        self._take(size)
        return octets

    def abort(self) -> None:
        """End the connection at once."""
        if self._lost is None:
            self.transport.abortConnection()

    def _take(self, size: int) -> None:
        del self._received[:size]
        self._listen()

    def _listen(self) -> None:
        """Let more come where there is room, and no more where there is none."""
        self._flow.listen(wanted=len(self._received) <= self._most)

    def _end(self) -> str:
        return f"it ended the connection: {self._lost.getErrorMessage()}" if self._lost is not None else "no answer"

    # What Twisted calls

    def connectionMade(self) -> None:  # noqa: N802
        """Begin."""
        self._flow.begin(self.transport)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Keep what came."""
        self._received += data
        self._listen()
        self._flow.tell()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]  # noqa: N802
        """Let nobody wait any more."""
        self._lost = reason
        self._flow.end()
