"""What policies that remember are tried with: time, a database in memory, a queue and notices that take note."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import apsw
from twisted.internet.task import Clock
from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.cli.offline import finished as run
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IAccountMail, IDatabase, INotices
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Address, Envelope, Recipient, Reply
from twistedmail_mta.plugins import Kit, table_prefix
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.stages import Arriving, Attempted, Client, MailFrom
from twistedmail_mta.tasks import Promise, TaskGroup

T = TypeVar("T")

START = 1_800_000_000.0
DISK_FULL = Reply(452, "4.3.1", "full")


@implementer(IDatabase)
class MemoryDatabase:
    """A database whose answers are there at once; what writes runs twice, as it may."""

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        self.reads = self.writes = 0
        self.refuses = False
        self.gate: Promise[None] | None = None

    async def write(self, function: Callable[[Any], T], urgent: bool = False, size: int = 0) -> T:
        if self.refuses:
            raise TemporaryError(DISK_FULL)
        if self.gate is not None:
            await self.gate
        self.writes += 1
        self.connection.execute("BEGIN")
        function(self.connection)
        self.connection.execute("ROLLBACK")
        with self.connection:
            return function(self.connection)

    async def read(self, function: Callable[[Any], T]) -> T:
        self.reads += 1
        if self.gate is not None:
            await self.gate
        return function(self.connection)

    def refusal(self) -> Reply | None:
        return None


@implementer(IAccountMail)
@dataclass
class Queue:
    """Notes what is done to the mail of accounts."""

    done: list[tuple[str, str]] = field(default_factory=list)
    waiting: int = 3
    broken: bool = False

    async def suspend(self, account: str) -> int:
        return self._note("suspend", account)

    async def resume(self, account: str) -> int:
        return self._note("resume", account)

    async def discard(self, account: str) -> int:
        return self._note("discard", account)

    def _note(self, what: str, account: str) -> int:
        if self.broken:
            raise TemporaryError(DISK_FULL)
        self.done.append((what, account))
        return self.waiting


@implementer(INotices)
@dataclass
class Notices:
    """Keeps what would be mailed."""

    told: list[tuple[str, str, tuple[Address, ...]]] = field(default_factory=list)
    broken: bool = False

    async def tell(self, subject: str, text: str, also: Iterable[Address] = ()) -> None:
        if self.broken:
            raise TemporaryError(DISK_FULL)
        self.told.append((subject, text, tuple(also)))


class Bench:
    """One plugin, and all it is given; made anew on the same database it is the server after a restart."""

    def __init__(self, make: Any, options: Mapping[str, Any] | None = None, before: Bench | None = None) -> None:
        self.clock = before.clock if before else Clock()
        self.database = before.database if before else MemoryDatabase()
        self.queue, self.notices, self.tasks = Queue(), Notices(), TaskGroup()
        self._ids = 0
        self.plugin = make(make.Options.model_validate(dict(options or {})), self.kit)
        if before is None:
            for migration in make.migrations:
                self.database.connection.execute(migration.replace("{plugin}", self.kit.prefix))
        run(self.plugin.start())

    def fork(self, make: Any, options: Mapping[str, Any] | None = None) -> Bench:
        """Return another one that begins where this one is; this one goes on no further."""
        run(self.plugin.stop())
        other = Bench.__new__(Bench)
        other.clock, other.database = Clock(), MemoryDatabase()
        other.clock.advance(self.clock.seconds())
        with other.database.connection.backup("main", self.database.connection, "main") as copy:
            copy.step()
        return Bench(make, options, before=other)

    @property
    def kit(self) -> Kit:
        given: dict[str, Any] = {
            "name": "test",
            "hostname": "mail.example.org",
            "clock": self.clock,
            "now": self.now,
            "resolver": None,
            "http": None,
            "database": self.database,
            "tasks": self.tasks,
            "log": Logger("test"),
            "prefix": table_prefix("test"),
            "_threads": None,
            "account_mail": self.queue,
            "notices": self.notices,
        }
        return Kit(**given)

    def now(self) -> float:
        return START + float(self.clock.seconds())

    def begin(self, client: Client, sender: str = "ann@example.org", size: int | None = None) -> Sending:
        """Begin a transaction."""
        self._ids += 1
        return Sending(self, client, MailFrom(f"id{self._ids}", parse_address(sender), size))

    def send(self, client: Client, *to: str, sender: str = "ann@example.org", size: int = 1000) -> Reply | None:
        """Send a message; return the first refusal."""
        sending = self.begin(client, sender)
        reply = sending.mail()
        for address in to if reply is None else ():
            reply = reply or sending.to(address)
        return sending.end(size) if reply is None else sending.give_up(reply)

    def tell(self, method: str, account: str | None, recipient: str, reply: Reply) -> None:
        """Tell what became of a recipient."""
        sender, to = parse_address("ann@example.org"), parse_address(recipient)
        run(getattr(self.plugin, method)(Attempted("id", sender, to, account, reply, "mx.test", 1)))


class Sending:
    """A transaction."""

    def __init__(self, bench: Bench, client: Client, mail: MailFrom) -> None:
        self._plugin, self._client, self._mail = bench.plugin, client, mail
        self._begun = False
        self.taken: list[Recipient] = []

    def mail(self) -> Reply | None:
        reply: Reply | None = run(self._plugin.sender(self._client, self._mail))
        self._begun = reply is None
        return reply

    def to(self, address: str, then: Reply | None = None) -> Reply | None:
        """Name a recipient, whom others may refuse."""
        recipient = Recipient(parse_address(address))
        reply: Reply | None = run(self._plugin.recipient(self._client, self._mail, recipient))
        if reply is None and then is None:
            self.taken.append(recipient)
        return reply or then

    def end(self, size: int = 1000, then: Reply | None = None) -> Reply | None:
        """Send the text, which others may refuse."""
        header = Header(b"Subject: x\r\n\r\n")
        envelope = Envelope(self._mail.sender, tuple(self.taken))
        arriving = Arriving(self._mail.id, envelope, header, None, size)  # type: ignore[arg-type]
        reply: Reply | None = run(self._plugin.message(self._client, arriving))
        return self.give_up(reply or then)

    def give_up(self, reply: Reply | None = Reply(421, "", "gone")) -> Reply | None:  # noqa: B008
        if self._begun:
            run(self._plugin.ended(self._client, self._mail, reply is None))
        return reply


def client(host: str = "192.0.2.1", account: str | None = "ann@example.org") -> Client:
    return Client("s1", "submission", "submission", host, "me", account=account)
