"""A spool, a router and an agent in memory, and a world that holds them around a runner."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from twisted.internet.defer import Deferred as TwistedDeferred
from twisted.internet.task import Clock
from zope.interface import implementer

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDeliveryAgent, ILanePlan, IRouter, ISpool
from twistedmail_mta.model import (
    NULL_PATH,
    Address,
    Claim,
    Deferred,
    Delivered,
    Detention,
    Discard,
    Envelope,
    Failed,
    FailedRecipient,
    InlineBody,
    LocalMail,
    Message,
    NextHop,
    Origin,
    Outcome,
    Recipient,
    Refuse,
    Reply,
    Report,
    Route,
    Settlement,
    Suspension,
    Tags,
    Via,
    Withdrawn,
)
from twistedmail_mta.pipeline import Pipeline
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.queue.asking import Lasting
from twistedmail_mta.queue.bounce import Reports
from twistedmail_mta.queue.runner import QueueLimits, QueueRunner
from twistedmail_mta.queue.schedule import RetrySchedule
from twistedmail_mta.routes import chosen_hop

DISK_FULL = TemporaryError(Reply(452, "4.3.1", "disk full"))
OK = Delivered(Reply(250, "2.0.0", "queued"), "mx.example [192.0.2.1]")
BUSY = Deferred(Reply(450, "4.2.0", "busy"), "mx.example [192.0.2.1]")
NO_USER = Failed(Reply(550, "5.1.1", "no such user"), "mx.example [192.0.2.1]")
ALICE = Address("alice", "home.example")
ADMIN = Address("postmaster", "home.example")
START = 1_000_000_000.0


def address(text: str) -> Address:
    local, _, domain = text.rpartition("@")
    return Address(local, domain)


@dataclass
class Row:
    recipient: Recipient
    due: float
    since: float
    owned: bool = False
    epoch: int = 0
    attempts: int = 0
    warnings: int = 0
    failed: tuple[Failed, float] | None = None
    held: bool = False


@implementer(ISpool)
class FakeSpool:
    """Keeps what a real spool keeps, with the same rules for epochs and reports.

    `down` makes every write and read fail; `pauses` are awaited by each call.
    """

    lease = 300.0

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.rows: dict[tuple[int, int], Row] = {}
        self.messages: dict[int, Message] = {}
        self.local: dict[int, LocalMail] = {}
        self.ids = 0
        self.down = False
        self.unreadable: set[int] = set()
        self.withdrawn: set[tuple[int, int]] = set()
        self.settled: list[tuple[list[Settlement], Report | None]] = []
        self.claims: list[tuple[int, frozenset[str]]] = []
        self.released: list[Claim] = []
        self.renewed = 0
        self.suspended: list[Suspension] = []
        self.parked: list[tuple[int, int, int]] = []
        self.vias: dict[tuple[int, int], Via] = {}
        self.loads = 0
        self.pause: Callable[[], Awaitable[None] | None] = lambda: None

    async def _enter(self) -> None:
        waiting = self.pause()
        if waiting is not None:
            await waiting
        if self.down:
            raise DISK_FULL

    def new_id(self) -> int:
        self.ids += 1
        return self.ids

    async def accept(
        self, message: Message, claim: bool, local: LocalMail | None = None, detention: Detention | None = None
    ) -> Sequence[Claim]:
        await self._enter()
        assert detention is None or not claim
        if local is not None:
            self.local[message.id] = local
        return self.insert(message, claim=claim) if message.envelope.recipients else []

    def insert(self, message: Message, *, claim: bool = False) -> list[Claim]:
        self.messages[message.id] = message
        now = self.clock.seconds()
        for n, recipient in enumerate(message.envelope.recipients):
            self.rows[message.id, n] = Row(recipient, now, now)
        return [self._lease(message.id, n) for n in range(len(message.envelope.recipients))] if claim else []

    def _lease(self, message_id: int, n: int) -> Claim:
        row = self.rows[message_id, n]
        assert not row.owned
        row.owned, row.epoch = True, row.epoch + 1
        age = self.clock.seconds() - row.since
        recipient = replace(row.recipient, via=self.vias.get((message_id, n), row.recipient.via))
        return Claim(message_id, n, row.epoch, recipient, row.attempts, age, row.warnings)

    async def claim(self, limit: int, exclude: frozenset[str]) -> Sequence[Claim]:
        await self._enter()
        self.claims.append((limit, exclude))
        due = [key for key in self._waiting(exclude) if self.rows[key].due <= self.clock.seconds()]
        return [self._lease(*key) for key in due[:limit]]

    def _waiting(self, exclude: frozenset[str]) -> list[tuple[int, int]]:
        keys = [
            key
            for key, row in self.rows.items()
            if not row.owned and not row.failed and not row.held and row.recipient.address.domain not in exclude
        ]
        return sorted(keys, key=lambda key: self.rows[key].due)

    async def message(self, message_id: int) -> Message | None:
        await self._enter()
        self.loads += 1
        if message_id in self.unreadable:
            raise ValueError("damaged row")
        message = self.messages.get(message_id)
        if message is None:
            return None
        left = tuple(self.rows[key].recipient for key in sorted(self.rows) if key[0] == message_id)
        return replace(message, envelope=replace(message.envelope, recipients=left))

    async def unreported(self, message_id: int) -> Sequence[FailedRecipient]:
        await self._enter()
        return [
            FailedRecipient(n, row.recipient, *row.failed)
            for (about, n), row in sorted(self.rows.items())
            if about == message_id and row.failed
        ]

    async def settle(self, settlements: Sequence[Settlement], report: Report | None) -> bool:
        await self._enter()
        self.settled.append((list(settlements), report))
        known = set(self.rows)
        warned = [self._settle_one(settlement) for settlement in settlements]
        gone = {n for about, n in known - set(self.rows) if report is not None and about == report.about}
        kept = report is None or self._keep(report, any(warned), gone)
        self._drop_empty()
        return kept

    def _settle_one(self, settlement: Settlement) -> bool:
        claim, outcome = settlement.claim, settlement.outcome
        row = self.rows.get((claim.message_id, claim.index))
        if row is None or row.epoch != claim.epoch or not row.owned:
            return False
        self.withdrawn.discard((claim.message_id, claim.index))
        row.owned = False
        if isinstance(outcome, Delivered):
            del self.rows[claim.message_id, claim.index]
            return False
        if isinstance(outcome, Withdrawn):
            row.held = True
            return False
        row.attempts += 1
        row.warnings += settlement.warned
        if isinstance(outcome, Failed):
            row.failed = (outcome, settlement.attempted_at)
        else:
            assert settlement.due is not None
            row.due = settlement.due
        return settlement.warned

    def _keep(self, report: Report, warned: bool, gone: set[int]) -> bool:
        if report.failed:
            keys = [key for key in self.rows if key[0] == report.about]
            failed = {key: row.failed[1] for key, row in self.rows.items() if key in keys and row.failed}
            if {n for _, n in failed} != report.failed:
                return False
            if min(failed.values()) > self.clock.seconds() - 60 and any(self.rows[key].owned for key in keys):
                return False
            for key in failed:
                del self.rows[key]
        elif not (report.delivered <= gone if report.delivered else warned):
            return False
        if report.message is not None:
            self.insert(report.message)
        return True

    def _drop_empty(self) -> None:
        left = {message_id for message_id, _ in self.rows}
        self.messages = {message_id: message for message_id, message in self.messages.items() if message_id in left}

    async def release_claims(self, claims: Sequence[Claim]) -> None:
        await self._enter()
        self.released.extend(claims)
        for claim in claims:
            row = self.rows.get((claim.message_id, claim.index))
            if row is not None and row.epoch == claim.epoch:
                row.owned = False

    async def renew(self) -> None:
        await self._enter()
        self.renewed += 1

    async def next_due(self, exclude: frozenset[str] = frozenset()) -> float | None:
        await self._enter()
        waiting = self._waiting(exclude)
        return self.rows[waiting[0]].due if waiting else None

    async def reports_due(self, before: float) -> Sequence[int]:
        await self._enter()
        failed = {key[0]: row.failed[1] for key, row in self.rows.items() if row.failed}
        owned = {key[0] for key, row in self.rows.items() if row.owned}
        return [message_id for message_id, at in failed.items() if at < before or message_id not in owned]

    async def suspensions(self) -> Sequence[Suspension]:
        await self._enter()
        return list(self.suspended)

    async def park(self, claims: Sequence[Claim], suspension: int) -> None:
        await self._enter()
        for claim in claims:
            row = self.rows[claim.message_id, claim.index]
            if row.epoch == claim.epoch:
                row.owned, row.held = False, True
                self.parked.append((claim.message_id, claim.index, suspension))

    def wanted(self, claim: Claim) -> bool:
        return (claim.message_id, claim.index) not in self.withdrawn

    def owned(self) -> list[tuple[int, int]]:
        return [key for key, row in self.rows.items() if row.owned]


@implementer(IRouter)
class FakeRouter:
    """By MX of the recipient's domain, except for what `ways` names; to `spare`, if any, after the first attempt."""

    def __init__(self) -> None:
        self.spare: NextHop | None = None
        self.ways: dict[str, Route | Exception] = {
            "void.example": Discard(),
            "refused.example": Refuse(Reply(550, "5.1.2", "not here")),
            "broken.example": KeyError("broken router"),
        }

    def route(self, sender: Address | None, recipient: Address, attempts: int = 0, account: str | None = None) -> Route:
        way = self.ways.get(recipient.domain) or NextHop(recipient.domain, 25, mx=True)
        if isinstance(way, Exception):
            raise way
        return self.spare if attempts and self.spare else way

    def chosen(self, via: Via, recipient: Address) -> Route:
        return chosen_hop(via)


@dataclass
class Attempted:
    """One call of the agent."""

    message: Message
    recipients: Sequence[Recipient]
    next_hop: NextHop
    waiting: TwistedDeferred[None] | None = None

    def finish(self) -> None:
        assert self.waiting is not None
        self.waiting.callback(None)


@implementer(IDeliveryAgent)
class FakeAgent:
    """Gives the outcomes it is told, by address; slow for the hosts in `slow`."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Any] = {}
        self.default: Outcome = OK
        self.slow: set[str] = set()
        self.calls: list[Attempted] = []
        self.cancelled = 0

    async def deliver(
        self,
        message: Message,
        recipients: Sequence[Recipient],
        next_hop: NextHop,
        wanted: Callable[[Recipient], bool],
    ) -> Sequence[Outcome]:
        call = Attempted(message, recipients, next_hop)
        self.calls.append(call)
        if next_hop.host in self.slow:
            call.waiting = TwistedDeferred()
            try:
                await call.waiting
            except BaseException:
                self.cancelled += 1
                raise
        return [self._outcome(each) if wanted(each) else Withdrawn() for each in recipients]

    def _outcome(self, recipient: Recipient) -> Outcome:
        outcome = self.outcomes.get(str(recipient.address), self.default)
        if isinstance(outcome, list):
            outcome = outcome.pop(0) if len(outcome) > 1 else outcome[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome  # type: ignore[no-any-return]

    def hosts(self) -> list[str]:
        return [call.next_hop.host for call in self.calls]


@dataclass
class World:
    """A runner with everything around it, in a time of its own."""

    clock: Clock = field(default_factory=Clock)
    agent: FakeAgent = field(default_factory=FakeAgent)
    router: FakeRouter = field(default_factory=FakeRouter)
    limits: QueueLimits = field(default_factory=QueueLimits)
    schedule: RetrySchedule = field(default_factory=RetrySchedule)
    admin: Address | None = ADMIN
    plan: ILanePlan | None = None
    burden: Callable[[], float] = lambda: 0.0
    plugins: Sequence[Plugin] = ()
    started: bool = True

    def __post_init__(self) -> None:
        self.clock.advance(START)
        self.spool = FakeSpool(self.clock)
        self.pipeline = Pipeline(self.plugins, self.clock)
        self.runner = self.new_runner()
        if self.started:
            self.runner.start()

    def new_runner(self) -> QueueRunner:
        reports = Reports("mx.home.example", self.admin, self.spool.new_id, lambda _: 0, self.schedule)
        return QueueRunner(
            self.spool,
            self.router,
            self.agent,
            reports,
            self.clock,
            now=self.clock.seconds,
            spread=lambda: 0.5,
            limits=self.limits,
            plan=self.plan,
            burden=self.burden,
            plugins=Lasting(self.pipeline),
        )

    def message(
        self,
        *to: str | Recipient,
        sender: Address = ALICE,
        account: str | None = "alice@home.example",
        size: int = 10,
        protocol: str = "ESMTPSA",
        tags: Tags = (),
    ) -> Message:
        recipients = tuple(each if isinstance(each, Recipient) else Recipient(address(each)) for each in to)
        header = b"From: <alice@home.example>\r\nMessage-ID: <1@home.example>\r\nSubject: Hello\r\n\r\n"
        return Message(
            self.spool.new_id(),
            Envelope(sender, recipients),
            header,
            InlineBody(b"x" * size),
            Origin(protocol, account=account),
            self.clock.seconds(),
            tags,
        )

    def send(self, *to: str | Recipient, **options: Any) -> Message:
        """Accept a message and let what follows at once follow."""
        message = self.message(*to, **options)
        self.result(self.runner.accept(message))
        self.clock.advance(0)
        return message

    def pass_time(self, seconds: float, steps: int = 100) -> None:
        self.clock.pump([seconds / steps] * steps)

    def result(self, coroutine: Any) -> Any:
        """Run a coroutine that needs no time to pass; return its result or raise its error."""
        deferred = TwistedDeferred.fromCoroutine(coroutine)
        results: list[Any] = []
        deferred.addBoth(results.append)
        assert results, "it waits for something"
        if isinstance(results[0], BaseException) or hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]

    def reports(self) -> list[Message]:
        """Every report that was sent out or waits, in order."""
        seen = {call.message.id: call.message for call in self.agent.calls} | self.spool.messages
        reports = [message for _, message in sorted(seen.items()) if message.origin.protocol == "local"]
        assert all(report.envelope.sender == NULL_PATH for report in reports)
        return reports
