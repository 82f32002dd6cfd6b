"""Lanes: deliveries to one next hop wait in one line, with a limit on how many run at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from twistedmail_mta.model import Claim, Message, NextHop


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """One transaction to be: recipients of one message that go the same way."""

    message: Message
    claims: tuple[Claim, ...]
    next_hop: NextHop


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """How much may happen at once.

    No lane takes more than what it leaves free for the others, in slots and
    in recipients, so that a few dead destinations can't use up either.

    Attributes:
        concurrency: deliveries that run in one lane.
        overall: deliveries that run in all lanes.
        recipients: recipients in all lanes, waiting or running.
    """

    concurrency: int = 20
    overall: int = 200
    recipients: int = 1000


class _Lane:
    """One line of deliveries.

    Attributes:
        concurrency: how many may run; each lane has its own.
        recipients: how many are waiting or running.
        domains: the recipient domains seen here since the lane began.
        crowded: it takes no more at present.
    """

    __slots__ = ("concurrency", "crowded", "domains", "is_ready", "recipients", "running", "waiting")

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self.waiting: deque[Delivery] = deque()
        self.running = 0
        self.recipients = 0
        self.domains: set[str] = set()
        self.crowded = False
        self.is_ready = False


def by_next_hop(next_hop: NextHop) -> Hashable:
    """Return the key of a lane: here, equal next hops share one."""
    return next_hop


class Lanes:
    """All lanes; those with work take turns, so that no destination holds up another."""

    def __init__(
        self,
        start: Callable[[Delivery], None],
        on_room: Callable[[], None],
        limits: LaneLimits,
        key: Callable[[NextHop], Hashable] = by_next_hop,
    ) -> None:
        """Make lanes.

        Args:
            start: begins a delivery, which ends with a call of `ended`.
            on_room: called when a crowded lane takes deliveries again.
            limits: how much may happen at once.
            key: which next hops share a lane.
        """
        self._start = start
        self._on_room = on_room
        self._limits = limits
        self._key = key
        self._lanes: dict[Hashable, _Lane] = {}
        self._ready: deque[_Lane] = deque()
        self._running = 0
        self._recipients = 0
        self._troubles: set[str] = set()
        self._advancing = False

    @property
    def paused(self) -> bool:
        """Whether no delivery is begun at present."""
        return bool(self._troubles)

    def has_room(self, next_hop: NextHop) -> bool:
        """Return whether the lane of `next_hop` takes deliveries."""
        lane = self._lanes.get(self._key(next_hop))
        return lane is None or not lane.crowded

    def crowded_domains(self) -> frozenset[str]:
        """Return the recipient domains whose mail would find its lane crowded."""
        return frozenset().union(*(lane.domains for lane in self._lanes.values() if lane.crowded))

    def note_turned_away(self, next_hop: NextHop, domain: str) -> None:
        """Remember that mail for `domain` belongs to the crowded lane of `next_hop`."""
        lane = self._lanes.get(self._key(next_hop))
        if lane is not None:
            lane.domains.add(domain)

    def put(self, delivery: Delivery) -> None:
        """Take a delivery; it begins at once where the limits allow it."""
        key = self._key(delivery.next_hop)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(self._limits.concurrency)
        lane.waiting.append(delivery)
        self._count(lane, len(delivery.claims))
        lane.domains.update([claim.recipient.address.domain for claim in delivery.claims])
        lane.crowded = lane.crowded or lane.recipients >= self._left()
        self._advance(lane)

    def ended(self, delivery: Delivery) -> None:
        """Note that a delivery ran to its end, whatever that was."""
        key = self._key(delivery.next_hop)
        lane = self._lanes[key]
        lane.running -= 1
        self._running -= 1
        self._count(lane, -len(delivery.claims))
        if not lane.recipients:
            del self._lanes[key]
        if lane.crowded and lane.recipients <= self._left() // 2:
            lane.crowded = False
            self._on_room()
        self._advance(lane)

    def pause(self, trouble: str) -> None:
        """Begin nothing until this trouble, and every other, is over."""
        self._troubles.add(trouble)

    def resume(self, trouble: str) -> None:
        """Note that a trouble is over."""
        self._troubles.discard(trouble)
        self._advance(None)

    def close(self) -> list[Delivery]:
        """Begin nothing any more; return the deliveries that wait."""
        self._troubles.add("closed")
        waiting = [delivery for lane in self._lanes.values() for delivery in lane.waiting]
        for lane in self._lanes.values():
            self._count(lane, -sum(len(delivery.claims) for delivery in lane.waiting))
            lane.waiting.clear()
        self._lanes = {key: lane for key, lane in self._lanes.items() if lane.running}
        return waiting

    def _count(self, lane: _Lane, recipients: int) -> None:
        lane.recipients += recipients
        self._recipients += recipients

    def _left(self) -> int:
        """Return for how many recipients there is room."""
        return max(0, self._limits.recipients - self._recipients)

    def _advance(self, lane: _Lane | None) -> None:
        """Begin what may begin, one delivery of each lane in turn."""
        if lane is not None and lane.waiting and not lane.is_ready:
            lane.is_ready = True
            self._ready.append(lane)
        if self._advancing:  # a delivery ended while it was begun: the loop below goes on
            return
        self._advancing = True
        try:
            while self._ready and not self._troubles and self._running < self._limits.overall:
                self._begin_one(self._ready.popleft())
        finally:
            self._advancing = False

    def _begin_one(self, lane: _Lane) -> None:
        lane.is_ready = False
        if not lane.waiting or lane.running >= min(lane.concurrency, max(1, self._limits.overall - self._running)):
            return  # it is ready again when one of its deliveries ends
        delivery = lane.waiting.popleft()
        lane.running += 1
        self._running += 1
        if lane.waiting:
            lane.is_ready = True
            self._ready.append(lane)
        self._start(delivery)
