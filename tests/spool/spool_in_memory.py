"""A spool on a database in memory, and messages to put into it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import apsw
from twisted.internet.task import Clock

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import (
    Address,
    Body,
    Claim,
    Deferred,
    Delivered,
    Envelope,
    Failed,
    InlineBody,
    Message,
    Origin,
    Recipient,
    Reply,
    Settlement,
)
from twistedmail_mta.spool.control import QueueControl
from twistedmail_mta.spool.owners import Host
from twistedmail_mta.spool.quarantine import Quarantine
from twistedmail_mta.spool.spool import Spool
from twistedmail_mta.spool.sweep import Sweep
from twistedmail_mta.spool.tenure import begin_tenure
from twistedmail_mta.store.schema import shipped_migrations
from twistedmail_mta.tasks import TaskGroup

T = TypeVar("T")

DISK_FULL = Reply(452, "4.3.1", "Insufficient system storage")
OK = Reply(250, "2.0.0", "Ok")
LATER = Reply(451, "4.3.0", "Try again later")
NEVER = Reply(550, "5.1.1", "No such user")
START = 1_800_000_000.0
ANN = Address("ann", "example.org")
HELLO = InlineBody(b"Hello\r\n")


def run(coroutine: Awaitable[T]) -> T:
    """Return the result of a coroutine that never has to wait."""
    steps = coroutine.__await__()
    try:
        next(steps)
    except StopIteration as end:
        return end.value
    raise AssertionError("the coroutine waits")


@dataclass
class MemoryDatabase:
    """`IDatabase` without threads: a transaction at once, in memory."""

    connection: apsw.Connection
    refuse: bool = False
    twice: bool = False
    urgent: list[bool] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    async def write(self, function: Callable[[Any], T], urgent: bool = False, size: int = 0) -> T:
        if self.refuse:
            raise TemporaryError(DISK_FULL)
        self.urgent.append(urgent)
        self.sizes.append(size)
        if self.twice:
            self.connection.execute("BEGIN")
            function(self.connection)
            self.connection.execute("ROLLBACK")
        with self.connection:
            return function(self.connection)

    async def read(self, function: Callable[[Any], T]) -> T:
        return function(self.connection)


@dataclass
class Files:
    """The part of `IBodyStore` that the spool uses."""

    present: set[str] = field(default_factory=set)
    removed: list[str] = field(default_factory=list)

    async def remove(self, names: Iterable[str]) -> None:
        self.removed.extend(names)

    async def sweep(self, named: Callable[[Sequence[str]], Awaitable[Collection[str]]], older_than: float) -> int:
        orphans = self.present - set(await named(sorted(self.present)))
        self.present -= orphans
        return len(orphans)


@dataclass
class Site:
    """A spool and everything it was made of."""

    database: MemoryDatabase
    clock: Clock
    files: Files = field(default_factory=Files)
    boot: str = "first-boot"

    def start(self, process: int = 0, **options: Any) -> Spool:
        """Start a process as after a crash of the one before."""
        self.tenure = run(begin_tenure(self.database, self.clock, self.clock.seconds, Host(self.boot, process)))
        spool = Spool(self.database, self.files, TaskGroup(), self.tenure, **options)
        self.sweep = Sweep(self.database, self.files, self.tenure)
        self.control = QueueControl(
            self.database, self.files, self.clock, self.clock.seconds, self.boot, spool.note_wishes
        )
        self.looks: list[None] = []
        self.quarantine = Quarantine(
            self.database, self.files, self.clock, self.clock.seconds, self.boot, lambda: self.looks.append(None)
        )
        return spool

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return list(self.database.connection.execute(sql, parameters))

    def count(self, table: str) -> int:
        return self.rows(f"SELECT count(*) FROM {table}")[0][0]

    def assert_sound(self) -> None:
        """Every message has a recipient and a body, every body its references."""
        assert not self.rows("SELECT id FROM message WHERE id NOT IN (SELECT message FROM recipient)")
        assert not self.rows("SELECT n FROM recipient WHERE message NOT IN (SELECT id FROM message)")
        assert not self.rows(
            "SELECT n FROM recipient WHERE state = 'held' AND (held_since IS NULL OR owner IS NOT NULL)"
        )
        assert not self.rows("SELECT n FROM recipient WHERE owner IS NULL AND wish IS NOT NULL")
        assert not self.rows("SELECT message FROM detention WHERE message NOT IN (SELECT id FROM message)")
        total = "SELECT count(*), coalesce(sum(octets), 0) FROM detention WHERE kind = 'quarantine'"
        assert self.rows("SELECT messages, octets FROM quarantined") == self.rows(total)
        references = self.rows("SELECT body, count(*) FROM message GROUP BY body ORDER BY body")
        assert references == self.rows("SELECT id, refs FROM body ORDER BY id")


def new_site() -> Site:
    connection = apsw.Connection(":memory:")
    for migration in shipped_migrations():
        connection.execute(migration.statements)
    clock = Clock()
    clock.advance(START)
    return Site(MemoryDatabase(connection), clock)


def message(
    spool: Spool,
    *recipients: str | Recipient,
    sender: Address = ANN,
    body: Body = HELLO,
    **envelope: Any,
) -> Message:
    """Return a message that was not accepted yet."""
    wanted = tuple(
        recipient if isinstance(recipient, Recipient) else Recipient(Address(*recipient.split("@")))
        for recipient in recipients or ("bob@example.net",)
    )
    return Message(
        id=spool.new_id(),
        envelope=Envelope(sender, wanted, **envelope),
        header=b"Subject: test\r\n\r\n",
        body=body,
        origin=Origin("ESMTPSA", "192.0.2.1", "client.example", "ann@example.org", "submission"),
        received_at=spool._tenure.now(),
    )


def delivered(claim: Claim) -> Settlement:
    return Settlement(claim, Delivered(OK, "mx.example.net [192.0.2.9]"), START)


def deferred(claim: Claim, due: float = START + 300, warned: bool = False) -> Settlement:
    return Settlement(claim, Deferred(LATER, "mx.example.net [192.0.2.9]"), START, due, warned)


def failed(claim: Claim, at: float = START) -> Settlement:
    return Settlement(claim, Failed(NEVER, "mx.example.net [192.0.2.9]"), at)
