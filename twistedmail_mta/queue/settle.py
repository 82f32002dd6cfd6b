"""Turns the outcomes of an attempt into what is written down, and sees that it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, TypeVar

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.history.scribe import History
from twistedmail_mta.interfaces import ISpool
from twistedmail_mta.model import (
    Claim,
    Deferred,
    Delivered,
    Failed,
    FailedRecipient,
    Message,
    NextHop,
    Outcome,
    Report,
    Settlement,
    Unconfirmed,
    Withdrawn,
    id_text,
)
from twistedmail_mta.queue.bounce import Reports
from twistedmail_mta.queue.leases import Leases
from twistedmail_mta.queue.own_mail import OwnMail
from twistedmail_mta.queue.schedule import expired
from twistedmail_mta.smtp.meaning import meaning_of
from twistedmail_mta.tags import tags_text
from twistedmail_mta.tasks import Cancelled, sleep

T = TypeVar("T")

TROUBLE: Final = "settle"
_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0


@dataclass(frozen=True, slots=True)
class Alerts:
    """Whom the settling tells what follows from it.

    Attributes:
        pause: results can't be written down: begin nothing, for the reason given.
        resume: they can again.
        room: a claim ended.
        work: there is something new to claim.
        due: something will be due then, in seconds since the epoch.
        unreported: failures remain that nobody was told of.
    """

    pause: Callable[[str], None]
    resume: Callable[[str], None]
    room: Callable[[], None]
    work: Callable[[], None]
    due: Callable[[float], None]
    unreported: Callable[[], None]


class Settler:
    """Settles claims: the result of each goes to the spool, if need be again and again.

    The result of an attempt stays in memory until it is on disk.  While the
    spool can't take results no new attempt is begun, so that a failing disk
    never means that mail is sent twice.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(  # noqa: PLR0913, PLR0917 - the runner alone makes one
        self,
        spool: ISpool,
        reports: Reports,
        leases: Leases,
        clock: IReactorTime,
        now: Callable[[], float],
        spread: Callable[[], float],
        alerts: Alerts,
        observe: Callable[[Message, Settlement], None],
        own_mail: OwnMail,
        history: History | None = None,
    ) -> None:
        self._history = history
        self._observe = observe
        self._own_mail = own_mail
        self._spool = spool
        self._reports = reports
        self._leases = leases
        self._clock = clock
        self._now = now
        self._spread = spread
        self._alerts = alerts
        self._failing = 0
        self._unreported: set[int] = set()

    async def settle(
        self, message: Message, claims: Sequence[Claim], outcomes: Sequence[Outcome], hop: NextHop | None = None
    ) -> None:
        """Write down what became of claims of one message, and tell its sender what is due to be told.

        Args:
            message: whose claims they are.
            claims: that end.
            outcomes: what became of each.
            hop: where they went; None where they went nowhere.
        """
        now = self._now()
        is_report = message.envelope.sender.is_null
        settlements = [
            self._settlement(claim, outcome, now, is_report=is_report)
            for claim, outcome in zip(claims, outcomes, strict=True)
        ]
        for settlement in settlements:
            self._log(message, settlement)
            self._observe(message, settlement)
            if self._history is not None:
                self._history.settled(message, settlement, hop)
        for group in self._apart(message, settlements):
            await self._settle(message, group, now)

    def _apart(self, message: Message, settlements: list[Settlement]) -> list[list[Settlement]]:
        """Return the settlements in groups that are written down one after another.

        A report of success is written down with the deliveries it tells of,
        and a settlement takes one report, so the others follow.
        """
        if not any(self._reports.owes(message, each) for each in settlements):
            return [settlements]
        delivered = [each for each in settlements if isinstance(each.outcome, Delivered)]
        others = [each for each in settlements if not isinstance(each.outcome, Delivered)]
        return [delivered, others] if others else [delivered]

    async def _settle(self, message: Message, settlements: list[Settlement], now: float) -> None:
        try:
            settlements, report = await self._with_report(message, settlements, now)
            report = None if report is None else await self._signed(report)
        except Cancelled:
            raise
        except TemporaryError as error:
            self.log.warn("failures can't be read: {error}", error=str(error), event="queue.report_failed")
            report = None
        except Exception:  # noqa: BLE001 - the result must be written down all the same
            self.log.failure(
                "no report of {queue_id} can be made", queue_id=id_text(message.id), event="queue.report_failed"
            )
            report = None
        stopped = any(isinstance(each.outcome, Withdrawn) or not self._spool.wanted(each.claim) for each in settlements)
        kept = await self._written(lambda: self._spool.settle(settlements, report))
        if report is not None:
            self._note_report(report, kept=kept)
        for due in (each.due for each in settlements if each.due is not None):
            self._alerts.due(due)
        if stopped:  # an operator may have failed it, or sent it another way
            self._unreported.add(message.id)
        forwarded = any(isinstance(each.outcome, Delivered) and each.outcome.forwards for each in settlements)
        await self._end(message.id, len(settlements))
        if stopped or forwarded:
            self._alerts.work()

    async def defer_unread(self, message_id: int, claims: Sequence[Claim], outcome: Deferred) -> None:
        """Put off claims whose message can't be read: nobody can be told, and nothing may be lost."""
        now, cap = self._now(), self._reports.schedule.cap
        settlements = [Settlement(claim, outcome, now, now + cap) for claim in claims]
        await self._written(lambda: self._spool.settle(settlements, None))
        await self._end(message_id, len(claims))

    async def release(self, claims: Sequence[Claim]) -> None:
        """Give claims back without an attempt."""
        await self._written(lambda: self._spool.release_claims(claims))
        for claim in claims:
            self._leases.end(claim.message_id, 1)
        self._alerts.room()

    async def park(self, claims: Sequence[Claim], suspension: int) -> None:
        """Let claims wait for the end of a suspension."""
        await self._written(lambda: self._spool.park(claims, suspension))
        if self._history is not None:
            self._history.parked(claims)
        for claim in claims:
            self._leases.end(claim.message_id, 1)
        self._alerts.room()

    async def report_late(self, message_id: int) -> None:
        """Report failures of a message that were settled without telling anybody.

        Raises:
            TemporaryError: the spool can't be read or written now.
        """
        failed = await self._spool.unreported(message_id)
        if not failed:
            return
        message = await self._spool.message(message_id)
        if message is None:
            report = Report(message_id, frozenset(each.index for each in failed), None)
        else:
            report = await self._signed(self._reports.failure(message, failed, self._now()))
        self._note_report(report, kept=await self._spool.settle([], report))

    def _settlement(self, claim: Claim, outcome: Outcome, now: float, *, is_report: bool) -> Settlement:
        if not isinstance(outcome, Deferred | Unconfirmed):
            return Settlement(claim, outcome, now)
        meaning = meaning_of(outcome.reply)
        attempts, spread = claim.attempts + 1, self._spread()
        wait = self._reports.schedule.after(attempts, claim.age, spread, is_report=is_report, meaning=meaning)
        if wait is None:
            return Settlement(claim, Failed(expired(outcome.reply), outcome.remote), now)
        reason = None if meaning.kind == "other" else meaning.kind
        return Settlement(claim, outcome, now, now + wait, reason=reason)

    async def _with_report(
        self, message: Message, settlements: list[Settlement], now: float
    ) -> tuple[list[Settlement], Report | None]:
        """Return the settlements with what they owe to a report, and the report if one is due.

        A report of success or a delay warning goes first; failures beside it
        are reported right after.
        """
        success = self._reports.success(message, settlements, now)
        if success is not None:
            return settlements, success
        if any(isinstance(each.outcome, Failed) for each in settlements):
            self._unreported.add(message.id)
        warning = self._reports.delay(message, settlements, now)
        if warning is not None:
            return [replace(each, warned=self._reports.warns(message, each)) for each in settlements], warning
        if message.id in self._unreported and self._leases.count(message.id) == len(settlements):
            return settlements, await self._bounce(message, settlements, now)
        return settlements, None

    async def _bounce(self, message: Message, settlements: Sequence[Settlement], now: float) -> Report | None:
        """Compose the report of all that failed, now or before."""
        failed = [
            FailedRecipient(each.claim.index, each.claim.recipient, each.outcome, now)
            for each in settlements
            if isinstance(each.outcome, Failed)
        ]
        failed += await self._spool.unreported(message.id)
        failed.sort(key=lambda each: each.index)
        return self._reports.failure(message, failed, now) if failed else None

    async def _signed(self, report: Report) -> Report:
        if report.message is None:
            return report
        return replace(report, message=await self._own_mail.signed(report.message))

    async def _written(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write something down, however often it must be tried, and return what came of it."""
        wait = 0.0
        try:
            while True:
                try:
                    return await write()
                except Cancelled:
                    raise
                except TemporaryError as error:
                    self.log.warn("results can't be written: {error}", error=str(error), event="queue.settle_failed")
                except Exception:  # noqa: BLE001 - a result is never dropped
                    self.log.failure("results can't be written", event="queue.settle_failed")
                self._begin_trouble(first=not wait)
                wait = min(max(_FIRST_WAIT, wait * 2), _LONGEST_WAIT)
                await sleep(self._clock, wait)
        finally:
            self._end_trouble(had=wait > 0)

    def _begin_trouble(self, *, first: bool) -> None:
        if first:
            self._failing += 1
            self._alerts.pause(TROUBLE)

    def _end_trouble(self, *, had: bool) -> None:
        if had:
            self._failing -= 1
            if not self._failing:
                self._alerts.resume(TROUBLE)

    def _note_report(self, report: Report, *, kept: bool) -> None:
        if not kept:
            if report.failed:
                self._unreported.add(report.about)
                self._alerts.unreported()
            return
        self._unreported.discard(report.about)
        if self._history is not None:
            self._history.reported(report)
        if report.message is None:
            self.log.warn(
                "nobody is told of failures of {queue_id}", queue_id=id_text(report.about), event="queue.untold"
            )
            return
        self.log.info(
            "{recipient} is told about {queue_id} by {report}",
            recipient=str(report.message.envelope.recipients[0].address),
            queue_id=id_text(report.about),
            report=id_text(report.message.id),
            kind=_kind(report),
            event="queue.reported",
        )
        self._alerts.work()

    async def _end(self, message_id: int, claims: int) -> None:
        """End leases; when the last of a message ends, its failures can be reported at once."""
        last = self._leases.end(message_id, claims)
        self._alerts.room()
        if message_id not in self._unreported:
            return
        if last:
            self._unreported.discard(message_id)
            try:
                await self.report_late(message_id)
                return
            except TemporaryError as error:
                self.log.warn("failures can't be reported now: {error}", error=str(error), event="queue.report_failed")
        self._alerts.unreported()

    def _log(self, message: Message, settlement: Settlement) -> None:
        outcome = settlement.outcome
        if isinstance(outcome, Withdrawn):
            return
        name = _EVENTS[type(outcome)]
        self.log.info(
            "{queue_id} {outcome} {recipient} {place}{tagged}: {reply}",
            event=f"queue.{name}",
            outcome=name,
            queue_id=id_text(message.id),
            recipient=str(settlement.claim.recipient.address),
            remote=outcome.remote,
            place=_place(outcome),
            tagged=f", tagged {tags_text(message.tags)}" if message.tags else "",
            tags=dict(message.tags),
            tls=isinstance(outcome, Delivered) and outcome.encrypted,
            proof=outcome.proof if isinstance(outcome, Delivered) else "",
            reply=str(outcome.reply),
            code=outcome.reply.code,
            status=outcome.reply.status,
            seconds=settlement.attempted_at - message.received_at,
        )


def _kind(report: Report) -> str:
    """Return what a report tells of."""
    return "failure" if report.failed else "success" if report.delivered else "delay"


def _place(outcome: Delivered | Deferred | Unconfirmed | Failed) -> str:
    """Return where it was decided, as the log says it."""
    if not (isinstance(outcome, Delivered) and outcome.encrypted):
        return outcome.remote or "here"
    return f"{outcome.remote} over TLS{f', verified by {outcome.proof}' if outcome.proof else ''}"


_EVENTS: Final = {Delivered: "delivered", Deferred: "deferred", Unconfirmed: "unconfirmed", Failed: "failed"}
