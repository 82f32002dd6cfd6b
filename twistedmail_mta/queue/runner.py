"""The queue runner: accepts mail, claims what is due, and keeps the claims alive."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.history.scribe import History
from twistedmail_mta.interfaces import IAcceptance, IDeliveryAgent, ILanePlan, IRouter, ISpool
from twistedmail_mta.model import Address, Claim, Detention, LocalMail, Message, NextHop, Route, Settlement, id_text
from twistedmail_mta.pipeline import Pipeline
from twistedmail_mta.queue.asking import Lasting, Lender
from twistedmail_mta.queue.bell import Bell
from twistedmail_mta.queue.bounce import LOCAL, Reports
from twistedmail_mta.queue.dispatch import Dispatch
from twistedmail_mta.queue.lanes import EachItsOwn, LaneLimits
from twistedmail_mta.queue.leases import Leases
from twistedmail_mta.queue.own_mail import OwnMail
from twistedmail_mta.queue.pace import Pace
from twistedmail_mta.queue.precedence import Precedence
from twistedmail_mta.queue.settle import Alerts, Settler
from twistedmail_mta.queue.standing import LanesStanding
from twistedmail_mta.queue.suspensions import Suspensions
from twistedmail_mta.tasks import Cancelled, TaskGroup, after_writes, sleep

BIRTH_SHARE: Final = 0.75
"""The part of the room in memory that new mail may take; the rest is kept for what waits in the table."""

CLAIM_AT_ONCE: Final = 100
LAUNCH_AT_ONCE: Final = 20
MOST_EXCLUDED: Final = 1000
POLL: Final = 30.0
SOON: Final = 1.0
AFTER_ERROR: Final = 5.0
REPORT_AFTER: Final = 61.0
"""Just over the minute after which failures are reported whatever else still runs."""

SWEEP: Final = 600.0
WATCH: Final = 2.0
RENEWAL_TROUBLE: Final = "renewal"


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How much the runner takes on.

    Attributes:
        lanes: how many transfers run, and how many recipients lanes hold.
        messages: messages in memory.
        octets: octets of them in memory.
        grace: seconds for running transfers to end when the runner stops.
    """

    lanes: LaneLimits = field(default_factory=LaneLimits)
    messages: int = 1000
    octets: int = 64 * 1024 * 1024
    grace: float = 10.0


@implementer(IAcceptance)
class QueueRunner:
    """Takes mail in and gets it out.

    Mail that arrives while there is room is claimed at birth and delivered
    from memory; the rest waits in the table until a loop claims it, oldest due
    first, past the domains whose lanes are crowded.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(  # noqa: PLR0913 - everything that the queue stands between
        self,
        spool: ISpool,
        router: IRouter,
        agent: IDeliveryAgent,
        reports: Reports,
        clock: IReactorTime,
        *,
        now: Callable[[], float],
        spread: Callable[[], float],
        limits: QueueLimits | None = None,
        plan: ILanePlan | None = None,
        burden: Callable[[], float] = lambda: 0.0,
        observe: Callable[[Message, Settlement], None] = lambda _message, _settlement: None,
        plugins: Lender | None = None,
        own_mail: OwnMail | None = None,
        history: History | None = None,
    ) -> None:
        """Make a runner; nothing happens before `start`.

        Args:
            spool: the mail.
            router: says which way each recipient goes.
            agent: carries mail there.
            reports: composes what senders are told; holds the retry schedule.
            clock: timers.
            now: seconds since the epoch.
            spread: a random number from 0 to 1.
            limits: how much to take on.
            plan: which next hops share a lane; None: equal ones only.
            burden: for how many seconds the reactor's thread has worked; new mail comes first when it has no time left.
            observe: told what became of each recipient that was tried; must not raise.
            plugins: has those that are asked which way mail goes; None: nobody is.
            own_mail: signs reports; None: they aren't signed.
            history: takes note of attempts, and of what this host writes; None: nobody does.
        """
        self._spool = spool
        self._clock = clock
        self._now = now
        self._limits = limits or QueueLimits()
        self._leases = Leases()
        self._bell = Bell(clock)
        self._precedence = Precedence(clock.seconds, burden)
        alerts = Alerts(self._pause, self._resume, self._room_again, self.poke, self._due_at, self._sweep_later)
        self._settler = Settler(
            spool, reports, self._leases, clock, now, spread, alerts, observe, own_mail or OwnMail(), history
        )
        self._history = history
        plan = self._plan = plan or EachItsOwn()
        self._suspensions = Suspensions(spool, plan)
        self._dispatch = Dispatch(
            spool,
            router,
            agent,
            self._settler,
            self.poke,
            self._limits.lanes,
            self._suspensions,
            plan,
            clock,
            plugins or Lasting(Pipeline((), clock)),
        )
        self._loops = TaskGroup()
        self._renewals = TaskGroup()
        self._accepts = TaskGroup()
        self._born: deque[tuple[Message, Sequence[Claim], Sequence[Route | None]]] = deque()
        self._birth_due = False
        self._wake_at = 0.0
        self._sweep_at = 0.0
        self._sweeping = False
        self._starved = False
        self._stopping = False

    def start(self) -> None:
        """Begin to claim, and to renew the claims held."""
        self._loops.start("queue.claim", self._claim_on())
        self._renewals.start("queue.renew", self._renew_on())
        self._renewals.start("queue.watch", self._watch_on())

    async def stop(self) -> None:
        """Begin no attempt any more; return when every claim is settled or given back.

        Running transfers get a time of grace, then they are cancelled.
        """
        self._stopping = True
        self._bell.ring()
        await self._loops.finish()
        await self._accepts.finish()
        self._dispatch.release(self._unlaunched())
        await self._dispatch.stop(self._clock, self._limits.grace)
        self._renewals.cancel()

    def poke(self) -> None:
        """Look for due mail now: an operator or another process made some."""
        self._bell.ring()

    def look(self) -> None:
        """Read the suspensions again and report failures, now: an operator changed them."""
        self._suspensions.known = False
        self._sweep_at = 0.0
        self._bell.ring()

    def lane_states(self) -> dict[str, int]:
        """Return how many lanes are in which state: "running", "waiting" or "dead"."""
        return self._dispatch.lanes.states()

    @property
    def lane_recipients(self) -> int:
        """How many recipients are in lanes."""
        return self._dispatch.lanes.recipients

    def pace_of(self, lane: str) -> Pace | None:
        """Return how fast a lane goes, by its name; None where nothing has gone there lately."""
        return self._dispatch.lanes.pace_of(lane)

    def standing(self, most: int) -> LanesStanding:
        """Return how lanes stand; at most so many of them one by one."""
        return self._dispatch.lanes.standing(most)

    async def is_suspended(self, message: Message, recipient: Address, next_hop: NextHop) -> bool:
        """Return whether an operator wants mail not to be tried now.

        Args:
            message: whose recipient it is; it needn't be in the queue.
            recipient: who.
            next_hop: the way there.

        Raises:
            TemporaryError: it can't be read now.
        """
        suspensions = Suspensions(self._spool, self._plan)  # the queue's own notice what has changed, and only once
        await suspensions.refresh()
        return suspensions.of(message, recipient, next_hop) is not None

    async def accept(
        self, message: Message, local: LocalMail | None = None, detention: Detention | None = None
    ) -> None:
        """See `IAcceptance.accept`; the first attempt follows without a look at the table."""
        await self._take_in(message, local, detention)
        if self._history is not None and message.origin.protocol == LOCAL:
            self._history.own(message)

    async def _take_in(self, message: Message, local: LocalMail | None, detention: Detention | None) -> None:
        self._precedence.note_arrival()
        recipients = message.envelope.recipients
        if detention is not None or not recipients:
            await self._spool.accept(message, claim=False, local=local, detention=detention)
            return
        routes = [self._dispatch.route(message, recipient) for recipient in recipients]
        if self._has_room(message, routes):
            await self._accepts.shield("queue.accept", self._accept(message, routes, local))
        else:
            await self._spool.accept(message, claim=False, local=local)
            self.poke()

    def _has_room(self, message: Message, routes: Sequence[Route | None]) -> bool:
        limits, octets = self._limits, message.octets_in_memory
        return (
            not self._stopping
            and not self._dispatch.lanes.paused
            and self._leases.messages < limits.messages * BIRTH_SHARE
            and self._leases.octets + octets <= limits.octets * BIRTH_SHARE
            and self._dispatch.has_room(message, routes)
            and not self._dispatch.is_suspended(message, routes)
        )

    async def _accept(self, message: Message, routes: Sequence[Route | None], local: LocalMail | None) -> None:
        expected = len(routes)
        self._leases.add(message.id, expected, message.octets_in_memory)
        try:
            claims = await self._spool.accept(message, claim=True, local=local)
        except BaseException:
            self._leases.end(message.id, expected)
            raise
        self._born.append((message, claims, routes))
        if not self._birth_due:
            self._birth_due = True
            after_writes(self._clock, self._launch_born)  # the client's answer goes first

    def _launch_born(self) -> None:
        """Launch what was born, a few in one turn of the reactor; when the runner stops nothing is left to launch."""
        for _ in range(min(len(self._born), LAUNCH_AT_ONCE)):
            self._dispatch.launch(*self._born.popleft())
        self._birth_due = bool(self._born)
        if self._birth_due:
            self._clock.callLater(0, self._launch_born)

    def _unlaunched(self) -> list[Claim]:
        """Return the claims made at birth that were not launched, and never will be."""
        claims = [claim for _, born, _ in self._born for claim in born]
        self._born.clear()
        return claims

    async def _claim_on(self) -> None:
        while not self._stopping:
            try:
                wait = await self._claim_due()
            except TemporaryError as error:
                self.log.warn("the queue can't be read: {error}", error=str(error), event="queue.claim_failed")
                wait = AFTER_ERROR
            except Exception:  # noqa: BLE001 - the loop outlives every bug
                self.log.failure("claiming failed", event="queue.claim_failed")
                wait = AFTER_ERROR
            if not self._stopping:
                wait = min(wait, max(SOON, self._sweep_at - self._now()))
                self._wake_at = self._now() + wait
                await self._bell.wait(wait)

    async def _claim_due(self) -> float:
        """Claim until nothing more is due or there is no room; return how long to wait then."""
        if not self._suspensions.known:
            await self._suspensions.refresh()
        self._sweep_if_due()
        lanes = self._dispatch.lanes
        while not self._stopping:
            crowded = lanes.crowded_domains()
            limit = self._room() if len(crowded) <= MOST_EXCLUDED else 0
            self._starved = limit <= 0
            if self._starved:
                return POLL
            limit = min(limit, self._precedence.left)
            if not limit:
                return self._precedence.rest
            dead = lanes.dead_domains()
            claimed = await self._claim(limit, crowded | dead)
            if dead and claimed < limit:  # mail that is only put off comes last
                claimed += await self._claim(limit - claimed, crowded)
            if claimed < limit:
                break
        due = await self._spool.next_due(lanes.crowded_domains())
        return POLL if due is None else min(POLL, max(due - self._now(), 0.0) or SOON)

    async def _claim(self, limit: int, exclude: frozenset[str]) -> int:
        claims = await self._spool.claim(limit, exclude)
        self._precedence.note_claims(len(claims))
        await self._take(claims)
        return len(claims)

    def _room(self) -> int:
        """Return how many claims may be made now."""
        if self._dispatch.lanes.paused or self._leases.octets >= self._limits.octets:
            return 0
        return min(CLAIM_AT_ONCE, self._limits.messages - self._leases.messages)

    async def _take(self, claims: Sequence[Claim]) -> None:
        """Load the messages of claims and launch them."""
        by_message: dict[int, list[Claim]] = {}
        for claim in claims:
            by_message.setdefault(claim.message_id, []).append(claim)
        for message_id, group in by_message.items():
            self._leases.add(message_id, len(group), 0)
        trouble: TemporaryError | None = None
        for message_id, group in by_message.items():
            back: Sequence[Claim] = group
            if not (trouble or self._stopping):
                try:
                    back = await self._launch(message_id, group)
                except TemporaryError as error:
                    trouble = error
            self._dispatch.release(back)
        if trouble:
            raise trouble

    async def _launch(self, message_id: int, claims: Sequence[Claim]) -> Sequence[Claim]:
        """Load and launch one message; return the claims to give back."""
        try:
            message = await self._spool.message(message_id)
        except (Cancelled, TemporaryError):
            raise
        except Exception:  # noqa: BLE001 - one bad row must not stop the queue
            self.log.failure("{queue_id} can't be read", queue_id=id_text(message_id), event="queue.unreadable")
            self._dispatch.put_off(message_id, claims)
            return ()
        if message is None:
            return claims
        self._leases.add(message_id, 0, message.octets_in_memory)
        return self._dispatch.launch_where_room(message, claims)

    def _due_at(self, at: float) -> None:
        """Look again in time for what was put off for less than the loop would sleep."""
        if at < self._wake_at:
            self._wake_at = at
            self._bell.ring()

    def _room_again(self) -> None:
        """Claim again when there is room for a good number; one by one would cost too much."""
        if self._starved and self._room() * 2 >= min(CLAIM_AT_ONCE, self._limits.messages):
            self._bell.ring()

    async def _renew_on(self) -> None:
        while True:
            await sleep(self._clock, self._spool.lease / 3)
            try:
                await self._spool.renew()
            except Cancelled:
                raise
            except TemporaryError as error:
                self._pause(RENEWAL_TROUBLE)
                self.log.warn("the lease can't be renewed: {error}", error=str(error), event="queue.renew_failed")
            except Exception:  # noqa: BLE001 - the loop outlives every bug
                self._pause(RENEWAL_TROUBLE)
                self.log.failure("the lease can't be renewed", event="queue.renew_failed")
            else:
                self._resume(RENEWAL_TROUBLE)

    async def _watch_on(self) -> None:
        """Notice suspensions that nobody told of."""
        while True:
            await sleep(self._clock, WATCH)
            try:
                if await self._suspensions.refresh():
                    self.poke()
            except Cancelled:
                raise
            except TemporaryError as error:
                self.log.warn("suspensions can't be read: {error}", error=str(error), event="queue.suspensions_failed")
            except Exception:  # noqa: BLE001 - the loop outlives every bug
                self.log.failure("suspensions can't be read", event="queue.suspensions_failed")

    def _pause(self, trouble: str) -> None:
        self._dispatch.lanes.pause(trouble)

    def _resume(self, trouble: str) -> None:
        self._dispatch.lanes.resume(trouble)
        self._room_again()

    def _sweep_later(self) -> None:
        self._sweep_at = min(self._sweep_at, self._now() + REPORT_AFTER)

    def _sweep_if_due(self) -> None:
        if self._now() >= self._sweep_at and not self._sweeping:
            self._sweep_at = self._now() + SWEEP
            self._sweeping = True
            self._dispatch.settles.start("queue.report", self._sweep())

    async def _sweep(self) -> None:
        """Report failures that were settled unreported: a minute old, or from before a restart."""
        try:
            for message_id in await self._spool.reports_due(self._now() - REPORT_AFTER):
                if self._stopping:
                    break
                self._sweep_later()  # there may be more than are named at once
                await self._report(message_id)
        except TemporaryError:
            self._sweep_later()
        finally:
            self._sweeping = False

    async def _report(self, message_id: int) -> None:
        try:
            await self._settler.report_late(message_id)
        except (Cancelled, TemporaryError):
            raise
        except Exception:  # noqa: BLE001 - one bad message must not keep back the reports of others
            self.log.failure(
                "failures of {queue_id} can't be reported", queue_id=id_text(message_id), event="queue.report_failed"
            )
