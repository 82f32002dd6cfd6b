"""A connection to a filter: one command at a time, its answer in time, and nothing that grows."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IConsumer, IReactorTime, ISystemHandle, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from twistedmail_mta.milter.answers import Answer, Verdict
from twistedmail_mta.milter.session import FilterSession
from twistedmail_mta.policy.flow import Flow
from twistedmail_mta.tasks import within

MOST_UNREAD: Final = 256 * 1024
"""Octets of a filter's answers that wait, after which it isn't read from."""

_QUICK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)


class IFilterTransport(ITCPTransport, IConsumer):
    """What a connection to a filter can do."""


class LinkLost(Exception):
    """The filter has closed the connection."""


class Link(Protocol):
    """A connection to a filter.

    Whoever is cancelled while it waits has to `drop` it: the answer would be
    taken for that to the next command.

    Attributes:
        session: what was said on it.
        lost: it is closed.
        when_lost: called once, when it is closed.
    """

    transport: IFilterTransport

    def __init__(self, clock: IReactorTime) -> None:
        self.session = FilterSession()
        self.lost = False
        self.when_lost: Callable[[Link], None] = lambda _: None
        self._clock = clock
        self._flow = Flow()

    async def answer(self, seconds: float) -> Answer:
        """Send what is to be sent, and return what the filter answers to it.

        Args:
            seconds: to wait for; each time that the filter asks for patience they begin anew.

        Raises:
            LinkLost: it was closed before.
            MilterError: that is no answer.
            TimeoutError: there was none in time.
        """
        self._write()
        while True:
            answer = await within(self._clock, seconds, self._next())
            if answer is not Verdict.PROGRESS:
                return answer

    async def send(self, seconds: float) -> None:
        """Send what is to be sent and isn't answered; return when the filter takes more.

        Raises:
            LinkLost: it is closed.
            TimeoutError: it takes nothing.
        """
        self._write()
        await within(self._clock, seconds, self._until(lambda: not self._flow.full))

    def drop(self) -> None:
        """Close it at once."""
        if not self.lost:
            self.transport.abortConnection()

    def end(self) -> None:
        """Send what is to be sent, and close it."""
        if not self.lost:
            self._write()
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def flush(self) -> None:
        """Send what is to be sent, and wait for nothing."""
        self._write()

    def _write(self) -> None:
        if not self.lost:
            self.transport.write(self.session.bytes_to_send())

    async def _next(self) -> Answer:
        found: list[Answer] = []
        await self._until(lambda: self._take(found))
        return found[0]

    def _take(self, found: list[Answer]) -> bool:
        answer = self.session.next_answer()
        if answer is None:
            self._flow.listen(wanted=True)
            return False
        found.append(answer)
        return True

    async def _until(self, true: Callable[[], bool]) -> None:
        if not await self._flow.until(true):
            raise LinkLost("it has closed the connection")

    # What Twisted calls

    def connectionMade(self) -> None:  # noqa: N802
        """Begin."""
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)
        self._flow.begin(self.transport)
        self._acknowledge()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Keep what came."""
        self._acknowledge()
        self.session.receive_bytes(data)
        if self.session.unread > MOST_UNREAD:
            self._flow.listen(wanted=False)
        self._flow.tell()

    def _acknowledge(self) -> None:
        """Let the system acknowledge at once what comes.

        libmilter writes an answer of several packets piece by piece, and its
        system keeps a piece back until that before it is acknowledged
        (RFC 896): for 40 ms a message, where that waits in turn
        (RFC 1122 section 4.2.3.2).  The system forgets this wish.
        """
        handle = self.transport.getHandle() if ISystemHandle.providedBy(self.transport) else None
        if _QUICK is not None and isinstance(handle, socket.socket) and handle.family != socket.AF_UNIX:
            handle.setsockopt(socket.IPPROTO_TCP, _QUICK, 1)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802, ARG002
        """Let nobody wait any more."""
        self.lost = True
        self._flow.end()
        when_lost, self.when_lost = self.when_lost, lambda _: None
        when_lost(self)
