"""A filter and the connections to it: made when one is wanted, kept for the next client where the filter allows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from twisted.internet.endpoints import clientFromString
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory

from twistedmail_mta.policy.milter_link import Link
from twistedmail_mta.tasks import promise_of, within

MOST_IDLE: Final = 16
"""Connections that are kept for clients to come."""

IDLE_FOR: Final = 60.0
"""Seconds for which they are kept."""

GONE_FOR: Final = 2.0
"""Seconds after a connection failed in which none is tried: who asks at every stage isn't kept waiting at each."""


class FilterGone(Exception):
    """The filter isn't there."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that a filter has.

    Attributes:
        connect: to be there, and to say what it wants.
        command: for each command of a client.
        content: for each piece of a message.
        end: to judge it.
    """

    connect: float
    command: float
    content: float
    end: float


def endpoint_of(text: str, reactor: object) -> IStreamClientEndpoint:
    """Return where a filter is, of a client endpoint as Twisted writes it.

    Raises:
        ValueError: it is none.
    """
    try:
        return cast(IStreamClientEndpoint, clientFromString(reactor, text))  # type: ignore[no-untyped-call]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"{text!r} is no place such as unix:/run/filter.sock or tcp:127.0.0.1:8891") from error


class Filter:
    """One filter.

    Attributes:
        name: where it is, as the site file says.
        patience: how long it is waited for.
        takes_turns: it hasn't failed to answer about a second client on a connection yet.
    """

    def __init__(self, name: str, patience: Patience, clock: IReactorTime) -> None:
        self.name = name
        self.patience = patience
        self.takes_turns = True
        self._clock = clock
        self._endpoint = endpoint_of(name, clock)  # a running site's clock is its reactor
        self._idle: dict[Link, IDelayedCall] = {}  # the last one was used last
        self._gone_until = 0.0

    async def link(self, *, fresh: bool = False) -> tuple[Link, bool]:
        """Return a connection on which no client was told of, and whether it is a new one.

        Args:
            fresh: one that was used before won't do.

        Raises:
            FilterGone: it isn't there.
            LinkLost: it closes the connection.
            MilterError: it doesn't speak the protocol.
            TimeoutError: it isn't there in time.
        """
        if self._idle and self.takes_turns and not fresh:
            link, timer = self._idle.popitem()
            timer.cancel()
            return link, False
        if self._clock.seconds() < self._gone_until:
            raise FilterGone("it wasn't there a moment ago")
        try:
            return await self._connected(), True
        except Exception:
            self._gone_until = self._clock.seconds() + GONE_FOR
            raise

    async def _connected(self) -> Link:
        built: list[Link] = []
        try:
            return await within(self._clock, self.patience.connect, self._agreed(built))
        except BaseException:
            for link in built:
                link.drop()
            raise

    async def _agreed(self, built: list[Link]) -> Link:
        def build() -> Link:
            built.append(Link(self._clock))
            return built[-1]

        factory = Factory.forProtocol(build)
        factory.noisy = False
        try:
            link = cast(Link, await promise_of(self._endpoint.connect(factory)))
        except (ConnectError, OSError) as error:
            raise FilterGone(str(error)) from error
        link.session.negotiate()
        await link.answer(self.patience.connect)
        return link

    def give_back(self, link: Link) -> None:
        """Take back a connection whose client is gone, or has nothing more to tell; no answer is awaited on it."""
        if link.lost:
            return
        if not link.session.part() or not self.takes_turns:
            link.end()
            return
        link.flush()
        if len(self._idle) >= MOST_IDLE:
            self._retire(next(iter(self._idle)))
        link.when_lost = self._forget
        self._idle[link] = self._clock.callLater(IDLE_FOR, self._retire, link)

    def close(self) -> None:
        """Close what is kept."""
        for link in tuple(self._idle):
            self._retire(link)

    def _retire(self, link: Link) -> None:
        self._forget(link)
        link.session.quit()
        link.end()

    def _forget(self, link: Link) -> None:
        timer = self._idle.pop(link, None)
        if timer is not None and timer.active():
            timer.cancel()
