"""Lanes: transfers to one next hop wait in one line, with a limit on how many run at once."""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.interfaces import ILanePlan
from twistedmail_mta.model import Claim, Deferred, LaneTerms, Message, NextHop, Reply
from twistedmail_mta.queue.pace import Pace
from twistedmail_mta.queue.standing import LanesStanding, LaneStanding
from twistedmail_mta.queue.turns import Turns
from twistedmail_mta.tasks import Cancelled, TaskGroup

MOST_DEAD: Final = 1000
"""Domains of dead next hops that are remembered."""
PACES_KEPT: Final = 10_000
"""Lanes whose pace is remembered, also while they have no work."""
NEWCOMERS_SHARE: Final = 0.75
"""The part of all room up to which a crowded lane still takes mail of senders who have none there."""

UNREACHED: Final = Deferred(Reply(451, "4.4.1", "The next hop can't be reached"))


@dataclass(frozen=True, slots=True, eq=False)
class Transfer:
    """Recipients of one message that go the same way: one transaction to be (`Delivery` is into mailboxes)."""

    message: Message
    claims: tuple[Claim, ...]
    next_hop: NextHop

    @property
    def sender(self) -> str:
        """Who takes turns with others."""
        return self.message.originator


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """How much may happen at once.

    No lane takes more than what it leaves free for the others, in slots and
    in recipients, so that a few dead destinations can't use up either.

    Attributes:
        concurrency: transfers that run in one lane.
        overall: transfers that run in all lanes.
        recipients: recipients in all lanes, waiting or running.
    """

    concurrency: int = 20
    overall: int = 200
    recipients: int = 1000


@implementer(ILanePlan)
class EachItsOwn:
    """A plan in which every host of a next hop has a lane of its own."""

    def known(self, next_hop: NextHop) -> LaneTerms:
        """Return the terms of a next hop's lane."""
        return LaneTerms(next_hop.local or f"{next_hop.host}:{next_hop.port}")

    async def find(self, next_hop: NextHop) -> LaneTerms:
        """Return the same."""
        return self.known(next_hop)


class _Lane:
    """One line of transfers.

    Attributes:
        pace: how many may run; None while the lane isn't named yet, and begins nothing.
        recipients: how many are waiting or running.
        domains: the recipient domains seen here since the lane began.
        crowded: it takes no more at present.
        timer: runs while the lane rests and something waits.
    """

    __slots__ = ("crowded", "domains", "is_ready", "name", "pace", "recipients", "running", "timer", "waiting")

    def __init__(self, name: str, pace: Pace | None) -> None:
        self.name = name
        self.pace = pace
        self.waiting: Turns[Transfer] = Turns()
        self.running = 0
        self.recipients = 0
        self.domains: set[str] = set()
        self.crowded = False
        self.is_ready = False
        self.timer: IDelayedCall | None = None


class Lanes:
    """All lanes; those with work take turns, so that no destination holds up another."""

    log: ClassVar[Logger] = Logger()

    def __init__(  # noqa: PLR0913, PLR0917 - the dispatch alone makes one
        self,
        start: Callable[[Transfer], None],
        put_off: Callable[[Transfer, Deferred], None],
        on_room: Callable[[], None],
        limits: LaneLimits,
        plan: ILanePlan,
        clock: IReactorTime,
    ) -> None:
        """Make lanes.

        Args:
            start: begins a transfer, which ends with a call of `ended`.
            put_off: takes back a transfer whose next hop is dead, with what to say of it.
            on_room: called when a crowded lane takes transfers again.
            limits: how much may happen at once.
            plan: which next hops share a lane.
            clock: for lanes that rest.
        """
        self._start = start
        self._put_off = put_off
        self._on_room = on_room
        self._limits = limits
        self._plan = plan
        self._clock = clock
        self._lanes: dict[str, _Lane] = {}
        self._paces: OrderedDict[str, Pace] = OrderedDict()  # the longest unused first
        self._dead: dict[str, Pace] = {}
        self._begun: dict[Transfer, tuple[_Lane, int]] = {}
        self._naming: set[str] = set()
        self._questions = TaskGroup()
        self._ready: deque[_Lane] = deque()
        self._recipients = 0
        self._troubles: set[str] = set()
        self._advancing = False

    @property
    def paused(self) -> bool:
        """Whether no transfer is begun at present."""
        return bool(self._troubles)

    def has_room(self, next_hop: NextHop, sender: str | None = None) -> bool:
        """Return whether the lane of `next_hop` takes transfers.

        A crowded lane still takes some of a sender of whom nothing waits
        there, so that one sender's many don't shut out the others.

        Args:
            next_hop: where the mail goes.
            sender: whose it is, as `Transfer.sender`; None: anybody's.
        """
        lane = self._lane_of(next_hop)
        if lane is None or not lane.crowded:
            return True
        some_left = lane.recipients < self._limits.recipients * NEWCOMERS_SHARE
        return sender is not None and some_left and not lane.waiting.has(sender)

    def crowded_domains(self) -> frozenset[str]:
        """Return the recipient domains whose mail would find its lane crowded."""
        return frozenset().union(*(lane.domains for lane in self._lanes.values() if lane.crowded))

    def dead_domains(self) -> frozenset[str]:
        """Return recipient domains whose mail would be put off without an attempt: the mail of others goes first."""
        now = self._clock.seconds()
        self._dead = {domain: pace for domain, pace in self._dead.items() if pace.is_dead(now)}
        return frozenset(self._dead)

    def note_turned_away(self, next_hop: NextHop, domain: str) -> None:
        """Remember that mail for `domain` belongs to the crowded lane of `next_hop`."""
        lane = self._lane_of(next_hop)
        if lane is not None:
            lane.domains.add(domain)

    def put(self, transfer: Transfer) -> None:
        """Take a transfer; it begins at once where the limits allow it.

        Where the MX hosts must be asked for first it waits in a lane of its
        next hop's own, and moves when they are known.
        """
        terms = self._plan.known(transfer.next_hop)
        if terms is None:
            self._put_unnamed(transfer)
        else:
            self._put_named(transfer, terms)

    def states(self) -> dict[str, int]:
        """Return how many lanes are in which state."""
        now, numbers = self._clock.seconds(), dict.fromkeys(("running", "waiting", "dead"), 0)
        for lane in self._lanes.values():
            dead = lane.pace is not None and lane.pace.is_dead(now)
            numbers["dead" if dead else "running" if lane.running else "waiting"] += 1
        return numbers

    @property
    def recipients(self) -> int:
        """How many are waiting or running in all of them."""
        return self._recipients

    def pace_of(self, name: str) -> Pace | None:
        """Return how fast the lane of a name goes; None where nothing has gone there lately."""
        return self._paces.get(name)

    def name_of(self, transfer: Transfer) -> str:
        """Return the name of the lane that a running transfer is in."""
        lane, _ = self._begun[transfer]
        return lane.name

    def standing(self, most: int) -> LanesStanding:
        """Return how lanes stand: at most so many of those with work, then of those at rest, the longest first."""
        now = self._clock.seconds()
        busy = heapq.nlargest(
            most, self._lanes.values(), key=lambda lane: (lane.running + len(lane.waiting), lane.name)
        )
        idle = [pace for name, pace in self._paces.items() if pace.rest(now) > 0 and name not in self._lanes]
        resting = heapq.nlargest(most - len(busy), idle, key=lambda pace: pace.rest(now))
        return LanesStanding(
            number=len(self._lanes) + len(idle),
            running=len(self._begun),
            waiting=sum(len(lane.waiting) for lane in self._lanes.values()),
            recipients=self._recipients,
            troubles=tuple(sorted(self._troubles)),
            lanes=(
                *(_standing(lane.name, lane, lane.pace, now) for lane in busy),
                *(_standing(pace.terms.name, None, pace, now) for pace in resting),
            ),
        )

    def note_said(self, transfer: Transfer, reply: Reply) -> None:
        """Remember what the next hop of a running transfer said, or why it wasn't reached."""
        lane, _ = self._begun[transfer]
        if lane.pace is not None:
            lane.pace.said = reply

    def note_answer(self, transfer: Transfer) -> None:
        """Note that a next hop dealt with a running transfer, whatever it said of the mail."""
        lane, era = self._begun[transfer]
        if lane.pace is not None:
            lane.pace.succeed(era)

    def note_setback(self, transfer: Transfer, outcome: Deferred | None, pause: float = 0.0) -> None:
        """Note that the next hop of a running transfer wasn't reached, or wants less.

        Args:
            transfer: still running.
            outcome: why it wasn't reached; None when it was.
            pause: the seconds of rest it asked for.
        """
        lane, era = self._begun[transfer]
        if lane.pace is None:
            return
        lane.pace.fail(era, self._clock.seconds(), outcome, pause)
        if lane.pace.obstacle is not None:
            self._clear(lane, lane.pace.obstacle)

    def ended(self, transfer: Transfer) -> None:
        """Note that a transfer ran to its end, whatever that was."""
        lane, _ = self._begun.pop(transfer)
        lane.running -= 1
        self._count(lane, -len(transfer.claims))
        self._leave(lane)
        self._advance(lane)

    def pause(self, trouble: str) -> None:
        """Begin nothing until this trouble, and every other, is over."""
        self._troubles.add(trouble)

    def resume(self, trouble: str) -> None:
        """Note that a trouble is over."""
        self._troubles.discard(trouble)
        self._advance(None)

    def close(self) -> list[Transfer]:
        """Begin nothing any more; return the transfers that wait."""
        self._troubles.add("closed")
        self._questions.cancel()
        taken: list[Transfer] = []
        for lane in self._lanes.values():
            self._stop_timer(lane)
            waiting = lane.waiting.take_all()
            self._count(lane, -sum(len(transfer.claims) for transfer in waiting))
            taken += waiting
        self._lanes = {name: lane for name, lane in self._lanes.items() if lane.running}
        return taken

    def _lane_of(self, next_hop: NextHop) -> _Lane | None:
        terms = self._plan.known(next_hop)
        return self._lanes.get(_unnamed(next_hop) if terms is None else terms.name)

    def _put_unnamed(self, transfer: Transfer) -> None:
        name = _unnamed(transfer.next_hop)
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane(name, None)
        self._add(lane, transfer)
        if name not in self._naming:
            self._naming.add(name)
            self._questions.start("queue.lane", self._name(lane, transfer.next_hop))

    async def _name(self, lane: _Lane, next_hop: NextHop) -> None:
        """Find out where transfers belong, and move them there."""
        try:
            terms = await self._plan.find(next_hop)
        except Cancelled:
            raise  # whoever cancels takes what waits
        except Exception:  # noqa: BLE001 - whatever it is, the mail goes on
            self.log.failure("no lane for {host}", host=next_hop.host, event="queue.lane_failed")
            terms = LaneTerms(f"{next_hop.host}:{next_hop.port}")
        finally:
            self._naming.discard(lane.name)
        self._lanes.pop(lane.name, None)
        waiting = lane.waiting.take_all()
        self._count(lane, -lane.recipients)
        for transfer in waiting:
            self._put_named(transfer, terms)
        if lane.crowded:
            self._on_room()

    def _put_named(self, transfer: Transfer, terms: LaneTerms) -> None:
        lane = self._lanes.get(terms.name)
        if lane is None:
            lane = self._lanes[terms.name] = _Lane(terms.name, self._pace(terms))
        self._add(lane, transfer)
        if lane.pace is not None and lane.pace.is_dead(self._clock.seconds()):
            self._clear(lane, lane.pace.obstacle)
        self._advance(lane)

    def _add(self, lane: _Lane, transfer: Transfer) -> None:
        lane.waiting.put(transfer.sender, transfer)
        self._count(lane, len(transfer.claims))
        lane.domains.update([claim.recipient.address.domain for claim in transfer.claims])
        lane.crowded = lane.crowded or lane.recipients >= self._left()

    def _pace(self, terms: LaneTerms) -> Pace:
        """Return how a lane goes, as far as that is remembered from when it last had work."""
        pace = self._paces.pop(terms.name, None) or Pace(terms, self._limits.concurrency)
        self._paces[terms.name] = pace
        if len(self._paces) > PACES_KEPT:
            self._paces.popitem(last=False)
        return pace

    def _clear(self, lane: _Lane, outcome: Deferred | None) -> None:
        """Put off whatever waits for a dead next hop."""
        for transfer in lane.waiting.take_all():
            self._count(lane, -len(transfer.claims))
            if lane.pace is not None and len(self._dead) < MOST_DEAD:
                self._dead[transfer.claims[0].recipient.address.domain] = lane.pace
            self._put_off(transfer, outcome or UNREACHED)
        self._leave(lane)

    def _leave(self, lane: _Lane) -> None:
        """See what follows when a lane has got shorter."""
        if not lane.recipients:
            self._stop_timer(lane)
            if self._lanes.get(lane.name) is lane:
                del self._lanes[lane.name]
        if lane.crowded and lane.recipients <= self._left() // 2:
            lane.crowded = False
            self._on_room()

    def _count(self, lane: _Lane, recipients: int) -> None:
        lane.recipients += recipients
        self._recipients += recipients

    def _left(self) -> int:
        """Return for how many recipients there is room."""
        return max(0, self._limits.recipients - self._recipients)

    def _advance(self, lane: _Lane | None) -> None:
        """Begin what may begin, one transfer of each lane in turn."""
        if lane is not None and lane.waiting and not lane.is_ready:
            lane.is_ready = True
            self._ready.append(lane)
        if self._advancing:  # a transfer ended while it was begun: the loop below goes on
            return
        self._advancing = True
        try:
            while self._ready and not self._troubles and len(self._begun) < self._limits.overall:
                self._begin_one(self._ready.popleft())
        finally:
            self._advancing = False

    def _begin_one(self, lane: _Lane) -> None:
        lane.is_ready = False
        pace, room = lane.pace, max(1, self._limits.overall - len(self._begun))
        if pace is None or not lane.waiting or lane.running >= min(pace.concurrency, room):
            return  # it is ready again when one of its transfers ends
        now = self._clock.seconds()
        if pace.rest(now) > 0:
            self._wake_later(lane, pace.rest(now))
            return
        transfer = lane.waiting.take()
        lane.running += 1
        self._begun[transfer] = lane, pace.begin(now)
        if lane.waiting:
            lane.is_ready = True
            self._ready.append(lane)
        self._start(transfer)

    def _wake_later(self, lane: _Lane, seconds: float) -> None:
        if lane.timer is None:
            lane.timer = self._clock.callLater(seconds, self._wake, lane)

    def _wake(self, lane: _Lane) -> None:
        lane.timer = None
        self._advance(lane)

    def _stop_timer(self, lane: _Lane) -> None:
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None


def _standing(name: str, lane: _Lane | None, pace: Pace | None, now: float) -> LaneStanding:
    return LaneStanding(
        name=name,
        running=0 if lane is None else lane.running,
        allowed=0 if pace is None else pace.concurrency,
        waiting=0 if lane is None else len(lane.waiting),
        recipients=0 if lane is None else lane.recipients,
        rest=0.0 if pace is None else max(0.0, pace.rest(now)),
        is_dead=pace is not None and pace.is_dead(now),
        is_crowded=lane is not None and lane.crowded,
        said="" if pace is None or pace.said is None else str(pace.said),
    )


def _unnamed(next_hop: NextHop) -> str:
    """Return the name of the lane where transfers wait for their lane's name; no host is called so."""
    return f"? {next_hop.host}"
