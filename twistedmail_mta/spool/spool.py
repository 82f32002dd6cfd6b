"""The spool: accepts, claims and settles mail for the roles above."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Final

from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IBodyStore, IDatabase, ISpool, Transaction
from twistedmail_mta.mailbox.change import Added, Filed, filed_for_nobody
from twistedmail_mta.mailbox.deposit import deposit
from twistedmail_mta.mailbox.rows import DeliveryRows, delivery_rows
from twistedmail_mta.model import (
    Claim,
    Detention,
    FailedRecipient,
    FileBody,
    LocalMail,
    Message,
    Reply,
    Report,
    Settlement,
    Suspension,
    id_text,
)
from twistedmail_mta.spool import detentions, suspensions, tables
from twistedmail_mta.spool.ids import MessageIds
from twistedmail_mta.spool.rows import (
    Key,
    MessageRows,
    claims_of,
    failed_recipient_of,
    message_of,
    message_rows,
    released_rows,
    report_rows,
    settlement_rows,
)
from twistedmail_mta.spool.tenure import Tenure
from twistedmail_mta.tasks import TaskGroup

REPORT_PATIENCE: Final = 60.0
"""Seconds from a message's first failure after which its report waits for nobody any more."""

REPORTS: Final = 1000
"""How many messages with failures to report are named at once."""

UNBOUNDED: Final = 1 << 62
"""Octets that no disk has."""

QUARANTINE_FULL: Final = Reply(452, "4.3.1", "There is no room for such a message now, please try again later")


def _noted_by_nobody(_: Sequence[Added]) -> None:
    """Nobody looks at mailboxes here."""


def _written_for_nobody(_: Message) -> None:
    """There is no history here."""


def _done_for_nobody(_: str, __: Iterable[int]) -> None:
    """There is none here either."""


@implementer(ISpool)
class Spool:
    """Mail this host has accepted and not yet settled, and this process's claims on it.

    Attributes:
        lease: seconds a claim holds without `renew`.
    """

    log: ClassVar[Logger] = Logger()

    def __init__(  # noqa: PLR0913, PLR0917 - a composition
        self,
        database: IDatabase,
        bodies: IBodyStore,
        tasks: TaskGroup,
        tenure: Tenure,
        note: Callable[[Sequence[Added]], None] = _noted_by_nobody,
        quarantine_size: int = UNBOUNDED,
        filed: Filed = filed_for_nobody,
        own: Callable[[Message], None] = _written_for_nobody,
        acted: Callable[[str, Iterable[int]], None] = _done_for_nobody,
    ) -> None:
        """Make the spool of this process.

        Args:
            database: where the rows are.
            bodies: where large bodies are.
            tasks: what is left to do after a commit runs here.
            tenure: what entitles this process to claims.
            note: told, in the order of the commits, what came into mailboxes: `MailboxStore.note`.
            quarantine_size: octets that the quarantine may hold.
            filed: told which mailboxes have got a message, and its UID in each.
            own: told of messages of this host that are kept in a transaction of others.
            acted: told of what goes on after a suspension, as `QueueControl` tells it.
        """
        self._filed = filed
        self._own = own
        self._acted = acted
        self._quarantine_size = quarantine_size
        self._note = note
        self.lease = tenure.lease
        self._database = database
        self._bodies = bodies
        self._tasks = tasks
        self._tenure = tenure
        self._ids = MessageIds(tenure.now, tenure.host.process, tenure.greatest_id)
        self._unwanted: set[Key] = set()

    def new_id(self) -> int:
        """See `ISpool.new_id`."""
        return self._ids.new()

    async def accept(
        self, message: Message, claim: bool, local: LocalMail | None = None, detention: Detention | None = None
    ) -> Sequence[Claim]:
        """See `ISpool.accept`."""
        claim = claim and detention is None
        owner = self._tenure.owner if claim else None
        deliveries = delivery_rows(message, local) if local is not None and local.deliveries else None
        rows = message_rows(
            message, self._tenure.running_time(), owner, kept=deliveries is not None, detention=detention
        )
        if detention is not None and detention.kind == "quarantine":
            await self._quarantine(message, rows)
        elif deliveries is None or local is None:
            await self._database.write(lambda tx: tables.insert(tx, rows), size=message.octets_in_memory)
        else:
            added = await self._keep(message, rows, deliveries)
            self._filed(message, local.deliveries, [each.uids[0] for each in added])
        if not claim:
            return ()
        return [
            Claim(message.id, n, 1, recipient, attempts=0, age=0.0, warnings=0)
            for n, recipient in enumerate(message.envelope.recipients)
        ]

    def insertion(self, message: Message) -> Callable[[Transaction], None]:
        """Return what keeps a message of this host in a transaction of others; the queue finds it due then."""
        rows = message_rows(message, self._tenure.running_time(), None)
        self._own(message)
        return lambda tx: tables.insert(tx, rows)

    async def _keep(self, message: Message, rows: MessageRows, deliveries: DeliveryRows) -> Sequence[Added]:
        def keep(tx: Transaction) -> list[Added]:
            tables.insert(tx, rows)
            return deposit(tx, deliveries)

        added = await self._database.write(keep, size=message.octets_in_memory)
        self._note(added)
        return added

    async def _quarantine(self, message: Message, rows: MessageRows) -> None:
        most = self._quarantine_size

        def keep(tx: Transaction) -> bool:
            fits = detentions.has_room(tx, message.size, most)
            if fits:
                tables.insert(tx, rows)
            return fits

        if await self._database.write(keep, size=message.octets_in_memory):
            return
        self.log.warn(
            "{queue_id} is refused, for the quarantine is full", event="quarantine.full", queue_id=id_text(message.id)
        )
        if isinstance(message.body, FileBody):
            self._unlink([message.body.name])
        raise TemporaryError(QUARANTINE_FULL)

    async def claim(self, limit: int, exclude: frozenset[str]) -> Sequence[Claim]:
        """See `ISpool.claim`."""
        now, domains = self._tenure.now(), json.dumps(list(exclude))
        due = await self._database.read(lambda tx: tables.due(tx, now, domains, limit))
        if not due:
            return ()
        owner, keys = self._tenure.owner, json.dumps(due)
        rows = await self._database.write(lambda tx: tables.claim(tx, owner, keys, now), urgent=True)
        return claims_of(rows, self._tenure.running_time())

    async def message(self, message_id: int) -> Message | None:
        """See `ISpool.message`."""
        rows = await self._database.read(lambda tx: tables.message(tx, message_id))
        return None if rows is None else message_of(*rows)

    async def unreported(self, message_id: int) -> Sequence[FailedRecipient]:
        """See `ISpool.unreported`."""
        rows = await self._database.read(lambda tx: tables.unreported(tx, message_id))
        return [failed_recipient_of(row) for row in rows]

    async def settle(self, settlements: Sequence[Settlement], report: Report | None) -> bool:
        """See `ISpool.settle`."""
        running = self._tenure.running_time()
        rows = settlement_rows(settlements, running)
        patience = self._tenure.now() - REPORT_PATIENCE
        kept = None if report is None else report_rows(report, running, patience)
        settled = await self._database.write(lambda tx: tables.settle(tx, rows, kept), urgent=True)
        self._forget(settlement.claim for settlement in settlements)
        self._unlink(settled.files)
        return settled.reported

    async def release_claims(self, claims: Sequence[Claim]) -> None:
        """See `ISpool.release_claims`."""
        rows = released_rows(claims, self._tenure.running_time())
        settled = await self._database.write(lambda tx: tables.settle(tx, rows, None), urgent=True)
        self._forget(claims)
        self._unlink(settled.files)

    async def renew(self) -> None:
        """See `ISpool.renew`."""
        await self._tenure.renew()

    async def next_due(self, exclude: frozenset[str] = frozenset()) -> float | None:
        """See `ISpool.next_due`."""
        domains = json.dumps(list(exclude))
        return await self._database.read(lambda tx: tables.next_due(tx, domains))

    async def reports_due(self, before: float) -> Sequence[int]:
        """See `ISpool.reports_due`."""
        return await self._database.read(lambda tx: tables.reports_due(tx, before, REPORTS))

    async def suspensions(self) -> Sequence[Suspension]:
        """See `ISpool.suspensions`."""
        await suspensions.let_go(self._database, self._running_time, self._acted)
        return await self._database.read(suspensions.current)

    async def _running_time(self) -> float:
        return self._tenure.running_time()

    async def park(self, claims: Sequence[Claim], suspension: int) -> None:
        """See `ISpool.park`."""
        running = self._tenure.running_time()
        parked = [(running, suspension, claim.message_id, claim.index, claim.epoch) for claim in claims]
        rest = released_rows(claims, running)

        def park(tx: Transaction) -> tables.Settled:
            suspensions.park_claimed(tx, parked)
            return tables.settle(tx, rest, None)

        settled = await self._database.write(park, urgent=True)
        self._forget(claims)
        self._unlink(settled.files)

    def wanted(self, claim: Claim) -> bool:
        """See `ISpool.wanted`."""
        return (claim.message_id, claim.index) not in self._unwanted

    def note_wishes(self, recipients: Iterable[tuple[int, int, int | None]], wanted: bool) -> None:
        """Hear what operators did to recipients.

        Args:
            recipients: message, place, and who leases it.
            wanted: they are to be tried; else those of them that we lease are not.
        """
        if wanted:
            self._unwanted.difference_update((message, n) for message, n, _ in recipients)
        else:
            ours = self._tenure.owner
            self._unwanted.update((message, n) for message, n, owner in recipients if owner == ours)

    def _forget(self, claims: Iterable[Claim]) -> None:
        if self._unwanted:
            self._unwanted.difference_update((claim.message_id, claim.index) for claim in claims)

    def _unlink(self, files: Sequence[str]) -> None:
        if files:
            self._tasks.start("spool.unlink", self._remove(files))

    async def _remove(self, files: Sequence[str]) -> None:
        await self._bodies.remove(files)
