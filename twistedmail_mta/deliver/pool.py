"""The pool: connections stay open for a moment, for the next message that goes the same way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twistedmail_mta.deliver.connection import ClientProtocol
from twistedmail_mta.deliver.dial import Dialer
from twistedmail_mta.deliver.sources import Source
from twistedmail_mta.deliver.target import Target
from twistedmail_mta.model import NextHop
from twistedmail_mta.tasks import within

MOST_IDLE: Final = 200
"""Idle connections that are kept at once, to all hosts together."""
GOODBYE: Final = 1.0
"""Seconds that hosts get to answer QUIT when the pool closes."""


@dataclass(frozen=True, slots=True)
class Reuse:
    """How long a connection serves.

    Attributes:
        messages: how many messages it carries at most.
        age: seconds after which it carries no further one.
        idle: seconds it waits for the next one.
    """

    messages: int = 20
    age: float = 60.0
    idle: float = 3.0


_Way = tuple[Target, NextHop, Source | None]
"""What connections must share to stand in for each other: both addresses, and how the next hop is spoken to.

The domain whose MX records led there doesn't matter.
"""


class Call:
    """A connection lent by the pool.

    Attributes:
        connection: open, ready for a transaction.
        way: what another delivery must want to be given this connection.
        most: how many messages it may carry.
        until: when it is too old, on the pool's clock.
        is_reused: it carried a message before.
        messages: how many it carried.
        idle_since: when it was last given back.
    """

    __slots__ = ("connection", "idle_since", "is_reused", "messages", "most", "until", "way")

    def __init__(self, connection: ClientProtocol, way: _Way, most: int, until: float) -> None:
        self.connection = connection
        self.way = way
        self.most = most
        self.until = until
        self.is_reused = False
        self.messages = 0
        self.idle_since = 0.0

    @property
    def is_of_filter(self) -> bool:
        """Whether it leads to a content filter."""
        return self.way[1].is_filter


class Pool:
    """Lends connections, new ones and kept ones.

    A kept connection may have died: who is lent one calls again when it ends before MAIL is accepted.
    """

    def __init__(
        self,
        dialer: Dialer,
        clock: IReactorTime,
        reuse: Reuse | None = None,
        messages_of: Callable[[NextHop], int | None] = lambda _: None,
    ) -> None:
        """Make a pool.

        Args:
            dialer: opens connections.
            clock: for the age of connections.
            reuse: how long they serve.
            messages_of: how many messages connections of a next hop carry; None: as many as usual.
        """
        self._messages_of = messages_of
        self._dialer = dialer
        self._clock = clock
        self._reuse = reuse or Reuse()
        self._kept: dict[_Way, list[Call]] = {}
        self._idle: OrderedDict[Call, None] = OrderedDict()  # the longest idle first
        self._timer: IDelayedCall | None = None
        self._closed = False

    def kept_first(self, next_hop: NextHop, targets: Sequence[Target], originator: str) -> Sequence[Target]:
        """Return targets with those we are connected to first, among equally good ones."""
        if len(targets) == 1 or not self._kept:
            return targets
        return sorted(
            targets, key=lambda target: (target.rank, self._way(next_hop, target, originator) not in self._kept)
        )

    def kept(self, next_hop: NextHop, target: Target, originator: str) -> Call | None:
        """Lend a connection that was kept and may carry an originator's mail; None when there is none."""
        now = self._clock.seconds()
        way = self._way(next_hop, target, originator)
        while calls := self._kept.get(way):
            call = calls[-1]
            self._forget(call)
            if now < call.until and call.connection.is_usable:
                call.is_reused = True
                return call
            call.connection.finish()
        return None

    async def call(self, next_hop: NextHop, target: Target, originator: str, *, counted: bool = True) -> Call:
        """Lend a new connection for an originator's mail; see `Dialer.call`.

        Raises:
            TemporaryError: there is none, and why.
        """
        way = self._way(next_hop, target, originator)
        connection = await self._dialer.call(next_hop, target, way[2], counted=counted)
        most = self._messages_of(next_hop) or self._reuse.messages
        return Call(connection, way, most, self._clock.seconds() + self._reuse.age)

    def is_last(self, call: Call) -> bool:
        """Whether the next message is the last of a connection."""
        return call.messages + 1 >= call.most or self._clock.seconds() >= call.until

    def give_back(self, call: Call, *, last: bool) -> None:
        """Take a connection back, to be kept if it can still serve.

        Args:
            call: lent before.
            last: it has carried its last message.
        """
        now = self._clock.seconds()
        if last or self._closed or now >= call.until or not call.connection.is_usable:
            call.connection.finish()
            return
        call.idle_since = now
        self._kept.setdefault(call.way, []).append(call)
        self._idle[call] = None
        call.connection.rest()
        if len(self._idle) > MOST_IDLE:
            self._hang_up(next(iter(self._idle)))
        if self._timer is None:
            self._timer = self._clock.callLater(self._reuse.idle, self._expire)

    async def close(self) -> None:
        """Keep nothing any more: say QUIT on what is idle, and wait a moment for the answers."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        connections = [call.connection for call in self._idle]
        for call in list(self._idle):
            self._hang_up(call)
        with suppress(TimeoutError):  # the dialer hangs up on the rest
            await within(self._clock, GOODBYE, _all_gone(connections))

    def _way(self, next_hop: NextHop, target: Target, originator: str) -> _Way:
        return target, _manner(next_hop), self._dialer.source(target, originator)

    def _expire(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        for call in list(self._idle):
            rest = call.idle_since + self._reuse.idle - now
            if rest > 0 and call.connection.is_usable:
                self._timer = self._clock.callLater(rest, self._expire)
                return
            self._hang_up(call)

    def _hang_up(self, call: Call) -> None:
        self._forget(call)
        call.connection.finish()

    def _forget(self, call: Call) -> None:
        del self._idle[call]
        calls = self._kept[call.way]
        calls.remove(call)
        if not calls:
            del self._kept[call.way]


@lru_cache(1024)
def _manner(next_hop: NextHop) -> NextHop:
    """Return how a next hop is spoken to, wherever it is."""
    return replace(next_hop, host="", port=0, mx=False)


async def _all_gone(connections: Sequence[ClientProtocol]) -> None:
    for connection in connections:
        await connection.gone
