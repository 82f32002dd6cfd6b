"""Sends claims their way: route, lane, agent, and on to be settled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistedmail_mta.interfaces import IDeliveryAgent, ILanePlan, IRouter, ISpool
from twistedmail_mta.model import (
    Claim,
    Deferred,
    Delivered,
    Discard,
    Failed,
    Message,
    NextHop,
    Outcome,
    Recipient,
    Refuse,
    Reply,
    Route,
    Withdrawn,
    id_text,
)
from twistedmail_mta.queue.asking import Asking, Lender, Way
from twistedmail_mta.queue.lanes import LaneLimits, Lanes, Transfer
from twistedmail_mta.queue.settle import Settler
from twistedmail_mta.queue.suspensions import Suspensions
from twistedmail_mta.smtp.meaning import meaning_of
from twistedmail_mta.tasks import Cancelled, TaskGroup

DISCARDED: Final = Delivered(Reply(250, "2.0.0", "Discarded by a route of this site"))
BROKEN: Final = Deferred(Reply(451, "4.3.0", "Internal error, it is tried again"))

CLOSING: Final = 421
"""The code of a host that wants to hear no more for now (RFC 5321 section 3.8)."""
MOST_RECIPIENTS: Final = 50
"""Recipients of one transaction, well below the 100 that every host takes (RFC 5321 section 4.5.3.1.8)."""


class Dispatch:
    """Takes claims with their message, and sees to it that each is settled or given back.

    Attributes:
        lanes: where transfers wait and run.
        settles: the results being written down; others may add to them.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(  # noqa: PLR0913, PLR0917 - the runner alone makes one
        self,
        spool: ISpool,
        router: IRouter,
        agent: IDeliveryAgent,
        settler: Settler,
        on_room: Callable[[], None],
        limits: LaneLimits,
        suspensions: Suspensions,
        plan: ILanePlan,
        clock: IReactorTime,
        plugins: Lender,
    ) -> None:
        self._spool = spool
        self._router = router
        self._agent = agent
        self._settler = settler
        self._suspensions = suspensions
        self.lanes = Lanes(self._begin, self._put_off, on_room, limits, plan, clock)
        self._asking = Asking(plugins, router, clock, self._go_on)
        self.settles = TaskGroup()
        self._attempts = TaskGroup()
        self._stopping = False

    def route(self, message: Message, recipient: Recipient, attempts: int = 0) -> Route | None:
        """Return which way a recipient goes: the chosen one, else the router's.

        None when the router is broken, or the choice can't be understood,
        which delays mail and loses none.
        """
        address = recipient.address
        try:
            if recipient.via is not None:
                return self._router.chosen(recipient.via, address)
            return self._router.route(message.envelope.sender, address, attempts, message.origin.account)
        except Exception:  # noqa: BLE001 - whatever it is, the mail waits
            self.log.failure("no route for {recipient}", recipient=str(address), event="queue.route_failed")
            return None

    def has_room(self, message: Message, routes: Sequence[Route | None]) -> bool:
        """Return whether every lane that a new message needs for these routes takes it."""
        sender = message.originator
        return all(self.lanes.has_room(route, sender) for route in routes if isinstance(route, NextHop))

    def is_suspended(self, message: Message, routes: Sequence[Route | None]) -> bool:
        """Return whether an operator wants some recipient of a message not to be tried now, or it isn't known."""
        pairs = zip(message.envelope.recipients, routes, strict=True)
        return not self._suspensions.known or any(
            self._suspensions.of(message, recipient.address, route) is not None for recipient, route in pairs
        )

    def launch(self, message: Message, claims: Sequence[Claim], routes: Sequence[Way]) -> None:
        """Put claims on their lanes, when plugins that want to be asked have been; none is forgotten meanwhile.

        Those whose route says what becomes of them are settled.

        Args:
            message: the message claimed.
            claims: some of its recipients.
            routes: the way of each, as the router or those who chose it say.
        """
        if self._asking.asks:
            claims, routes = self._ask(message, claims, routes)
        self._launch(message, claims, routes)

    def launch_where_room(self, message: Message, claims: Sequence[Claim]) -> list[Claim]:
        """Launch the claims whose lanes take transfers; return the others, which the caller gives back.

        What operators suspended is parked.
        """
        routes = [self.route(message, claim.recipient, claim.attempts) for claim in claims]
        return self._place(message, claims, routes, self.launch)

    def _ask(
        self, message: Message, claims: Sequence[Claim], routes: Sequence[Way]
    ) -> tuple[Sequence[Claim], Sequence[Way]]:
        """Have plugins asked about those whose way nobody has chosen yet; return the others."""
        pairs = list(zip(claims, routes, strict=True))
        asked = [(claim, route) for claim, route in pairs if claim.recipient.via is None]
        if asked:
            self._asking.ask(message, [claim for claim, _ in asked], [route for _, route in asked])
        chosen = [(claim, route) for claim, route in pairs if claim.recipient.via is not None]
        return [claim for claim, _ in chosen], [route for _, route in chosen]

    def _go_on(self, message: Message, claims: Sequence[Claim], ways: Sequence[Way]) -> None:
        """Take claims back whose ways plugins know; what operators did, and where there is room, is looked at anew."""
        if self._stopping:
            self.release(claims)
        else:
            self.release(self._place(message, claims, ways, self._launch, message.originator))

    def _place(
        self,
        message: Message,
        claims: Sequence[Claim],
        ways: Sequence[Way],
        launch: Callable[[Message, Sequence[Claim], Sequence[Way]], None],
        sender: str | None = None,
    ) -> list[Claim]:
        """Launch what isn't suspended and finds room; return what finds none."""
        launched: list[Claim] = []
        routes: list[Way] = []
        turned_away: list[Claim] = []
        parked: dict[int, list[Claim]] = {}
        for claim, way in zip(claims, ways, strict=True):
            address, next_hop = claim.recipient.address, way if isinstance(way, NextHop) else None
            suspension = self._suspensions.of(message, address, next_hop)
            if suspension is not None:
                parked.setdefault(suspension, []).append(claim)
            elif next_hop is not None and not self.lanes.has_room(next_hop, sender):
                self.lanes.note_turned_away(next_hop, address.domain)
                turned_away.append(claim)
            else:
                launched.append(claim)
                routes.append(way)
        launch(message, launched, routes)
        for suspension, group in parked.items():
            self.settles.start("queue.park", self._settler.park(group, suspension))
        return turned_away

    def _launch(self, message: Message, claims: Sequence[Claim], ways: Sequence[Way]) -> None:
        if len(claims) == 1:
            self._launch_group(message, tuple(claims), ways[0])
            return
        groups: dict[Way, list[Claim]] = {}
        for claim, way in zip(claims, ways, strict=True):
            groups.setdefault(way, []).append(claim)
        for way, group in groups.items():
            for place in range(0, len(group), MOST_RECIPIENTS):
                self._launch_group(message, tuple(group[place : place + MOST_RECIPIENTS]), way)

    def release(self, claims: Sequence[Claim]) -> None:
        """Give claims back without an attempt."""
        if claims:
            self.settles.start("queue.release", self._settler.release(claims))

    def put_off(self, message_id: int, claims: Sequence[Claim]) -> None:
        """Defer claims whose message can't be read."""
        self.settles.start("queue.settle", self._settler.defer_unread(message_id, claims, BROKEN))

    async def stop(self, clock: IReactorTime, grace: float) -> None:
        """Begin no transfer any more; return when every claim is settled or given back.

        Args:
            clock: measures the grace.
            grace: seconds in which running transfers may end; then they are
                cancelled.  The same again for results to be written down.
        """
        self._stopping = True
        self.release(self._asking.stop())
        self.release([claim for transfer in self.lanes.close() for claim in transfer.claims])
        for tasks in (self._attempts, self.settles):
            timer = clock.callLater(grace, tasks.cancel)
            await tasks.finish()
            if timer.active():
                timer.cancel()

    def _launch_group(self, message: Message, claims: tuple[Claim, ...], way: Way) -> None:
        if isinstance(way, NextHop):
            self.lanes.put(Transfer(message, claims, way))
            return
        self._settle_unsent(message, claims, _outcome_of(way))

    def _put_off(self, transfer: Transfer, outcome: Deferred) -> None:
        """Defer a transfer to a next hop that was found out of reach just now."""
        self._settle_unsent(transfer.message, transfer.claims, outcome, transfer.next_hop)

    def _settle_unsent(
        self, message: Message, claims: Sequence[Claim], outcome: Outcome, hop: NextHop | None = None
    ) -> None:
        outcomes = [outcome if self._spool.wanted(claim) else Withdrawn() for claim in claims]
        self._settle(message, claims, outcomes, hop)

    def _settle(
        self, message: Message, claims: Sequence[Claim], outcomes: Sequence[Outcome], hop: NextHop | None = None
    ) -> None:
        self.settles.start("queue.settle", self._settler.settle(message, claims, outcomes, hop))

    def _begin(self, transfer: Transfer) -> None:
        self._attempts.start("queue.attempt", self._attempt(transfer))

    async def _attempt(self, transfer: Transfer) -> None:
        try:
            outcomes = await self._outcomes(transfer)
        except Cancelled:
            self.release(transfer.claims)
        else:
            self._settle(transfer.message, transfer.claims, outcomes, transfer.next_hop)
            self._note_pace(transfer, outcomes)
        self.lanes.ended(transfer)

    def _note_pace(self, transfer: Transfer, outcomes: Sequence[Outcome]) -> None:
        """Let the lane learn from what its next hop did."""
        said = next((outcome.reply for outcome in outcomes if not isinstance(outcome, Withdrawn)), None)
        if said is not None:
            self.lanes.note_said(transfer, said)
        unreached = [outcome for outcome in outcomes if isinstance(outcome, Deferred) and outcome.unreached]
        refusals = [outcome.reply for outcome in outcomes if isinstance(outcome, Deferred | Failed)]
        pauses = [pause for reply in refusals if (pause := _pause_asked_for(reply)) is not None]
        if len(unreached) == len(outcomes):
            self.lanes.note_setback(transfer, unreached[0])
        elif pauses:
            self.lanes.note_setback(transfer, None, max(pauses))
        elif transfer.next_hop.local or any(
            outcome.remote for outcome in outcomes if not isinstance(outcome, Withdrawn)
        ):
            self.lanes.note_answer(transfer)

    async def _outcomes(self, transfer: Transfer) -> Sequence[Outcome]:
        claims = transfer.claims
        if not any(self._is_wanted(transfer, claim) for claim in claims):
            return [Withdrawn()] * len(claims)
        recipients = [claim.recipient for claim in claims]
        wanted = partial(self._wanted, transfer)
        try:
            outcomes = await self._agent.deliver(transfer.message, recipients, transfer.next_hop, wanted)
            if len(outcomes) == len(claims):
                return outcomes
            raise ValueError(f"{len(outcomes)} outcomes for {len(claims)} recipients")  # noqa: TRY301 - as any other fault
        except Exception as error:
            if isinstance(error, Cancelled) and self._stopping:
                raise
            queue_id = id_text(transfer.message.id)
            self.log.failure("{queue_id} was not delivered", queue_id=queue_id, event="queue.agent_failed")
            return [BROKEN] * len(claims)

    def _wanted(self, transfer: Transfer, recipient: Recipient) -> bool:
        """Return whether the recipient is to be tried; where one stands twice, one wish for it is enough."""
        return any(self._is_wanted(transfer, claim) for claim in transfer.claims if claim.recipient == recipient)

    def _is_wanted(self, transfer: Transfer, claim: Claim) -> bool:
        lane = self.lanes.name_of(transfer)
        suspension = self._suspensions.of(transfer.message, claim.recipient.address, transfer.next_hop, lane)
        return suspension is None and self._spool.wanted(claim)


def _pause_asked_for(reply: Reply) -> float | None:
    """Return the seconds of rest that a host which wants less from us names, 0 when it names none; None: it doesn't."""
    meaning = meaning_of(reply)
    return meaning.retry_in or 0.0 if meaning.is_about_us or reply.code == CLOSING else None


def _outcome_of(way: Discard | Refuse | Deferred | None) -> Delivered | Deferred | Failed:
    if way is None or isinstance(way, Deferred):
        return way or BROKEN
    return DISCARDED if isinstance(way, Discard) else Failed(way.reply)
