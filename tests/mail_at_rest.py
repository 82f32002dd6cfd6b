"""Mailboxes on a database in memory, and messages to put into them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import apsw
from twisted.internet.task import Clock

from twistedmail_mta.mailbox.appending import Incoming
from twistedmail_mta.mailbox.mailboxes import Mailbox
from twistedmail_mta.mailbox.store import MailboxStore
from twistedmail_mta.mailbox.view import MailboxView
from twistedmail_mta.model import (
    Address,
    Body,
    Delivery,
    Envelope,
    FileBody,
    InlineBody,
    LocalMail,
    Message,
    Origin,
    Recipient,
    Structure,
)
from twistedmail_mta.spool.owners import Host
from twistedmail_mta.spool.spool import Spool
from twistedmail_mta.spool.tenure import begin_tenure
from twistedmail_mta.store.schema import shipped_migrations
from twistedmail_mta.tasks import TaskGroup

T = TypeVar("T")

START = 1_800_000_000.0
ANN = Address("ann", "example.org")
STRUCTURE = Structure(b"(envelope)", b"(structure)", b"parts")
ACCOUNT = """
INSERT INTO accounts (id, address, enabled, protocols, credential_version, password_hash, scram_salt,
                      scram_iterations, scram_stored_key, scram_server_key, created_at)
VALUES (?, ?, 1, 'smtp pop3 imap', 1, 'hash', x'00', 4096, x'00', x'00', 0.0)
"""


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
    """`IDatabase` without threads: a transaction at once, in memory, tried once before it counts."""

    connection: apsw.Connection
    sizes: list[int] = field(default_factory=list)
    urgent: list[bool] = field(default_factory=list)
    refuse: Exception | None = None

    async def write(self, function: Callable[[Any], T], urgent: bool = False, size: int = 0) -> T:
        if self.refuse is not None:
            raise self.refuse
        self.urgent.append(urgent)
        self.sizes.append(size)
        self.connection.execute("BEGIN")
        try:
            function(self.connection)
        finally:
            self.connection.execute("ROLLBACK")
        with self.connection:
            return function(self.connection)

    async def read(self, function: Callable[[Any], T]) -> T:
        if self.refuse is not None:
            raise self.refuse
        return function(self.connection)


@dataclass
class Files:
    """The part of `IBodyStore` that mailboxes use."""

    octets: dict[str, bytes] = field(default_factory=dict)

    async def read(self, body: Body, offset: int, size: int) -> bytes:
        octets = body.data if isinstance(body, InlineBody) else self.octets[body.name]
        return octets[offset : offset + size]

    async def remove(self, names: Iterable[str]) -> None:
        for name in names:
            del self.octets[name]


class Rest:
    """A host with mailboxes; `restart` makes its process anew."""

    def __init__(self, accounts: int = 3) -> None:
        connection = apsw.Connection(":memory:")
        connection.pragma("foreign_keys", 1)
        for migration in shipped_migrations():
            connection.execute(migration.statements)
        for account in range(1, accounts + 1):
            connection.execute(ACCOUNT, (account, f"user{account}@example.org"))
        self.database = MemoryDatabase(connection)
        self.files = Files()
        self.clock = Clock()
        self.clock.advance(START)
        self.restart()

    def restart(self) -> None:
        self.tasks = TaskGroup()
        self.store = MailboxStore(self.database, self.files, self.tasks, self.clock.seconds)
        tenure = run(begin_tenure(self.database, self.clock, self.clock.seconds, Host("boot", 0)))
        self.spool = Spool(self.database, self.files, self.tasks, tenure, self.store.note)

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return list(self.database.connection.execute(sql, parameters))

    def body(self, octets: bytes = b"Hello\r\n", *, file: bool = False) -> Body:
        if not file:
            return InlineBody(octets)
        name = f"file-{self.spool.new_id()}"
        self.files.octets[name] = octets
        return FileBody(name, len(octets))

    def message(
        self,
        *recipients: str,
        body: Body | None = None,
        header: bytes = b"Subject: test\r\n\r\n",
        sender: Address = ANN,
    ) -> Message:
        return Message(
            id=self.spool.new_id(),
            envelope=Envelope(sender, tuple(Recipient(Address(*name.split("@"))) for name in recipients)),
            header=header,
            body=body or self.body(),
            origin=Origin("ESMTP", "192.0.2.1", "client.example"),
            received_at=self.clock.seconds(),
        )

    def accept(self, *deliveries: Delivery, **options: Any) -> Message:
        message = self.message(**options)
        run(self.spool.accept(message, claim=False, local=LocalMail(STRUCTURE, deliveries)))
        return message

    def incoming(self, **options: Any) -> Incoming:
        values = {"header": b"Subject: old\r\n\r\n", "body": self.body(), "internal_date": 1_500_000_000, **options}
        return Incoming(id=self.spool.new_id(), structure=STRUCTURE, **values)

    def inbox(self, account: int = 1) -> Mailbox:
        return run(self.store.make(account, "INBOX"))

    def view(self, account: int = 1) -> MailboxView:
        return run(self.store.open(self.inbox(account).id))

    def assert_sound(self) -> None:
        """References, counters and halves of rows fit together."""
        references = "SELECT content, count(*) FROM mail GROUP BY content"
        released = dict(self.rows("SELECT content, refs FROM released"))
        expected = dict(self.rows(references))
        for content, refs in released.items():
            expected[content] = expected.get(content, 0) + refs
        assert expected == dict(self.rows("SELECT id, refs FROM content"))
        bodies: dict[int, int] = {}
        for (body,) in self.rows("SELECT body FROM content UNION ALL SELECT body FROM message"):
            bodies[body] = bodies.get(body, 0) + 1
        assert bodies == dict(self.rows("SELECT id, refs FROM body"))
        assert self.rows("SELECT mailbox, uid FROM mail") == self.rows("SELECT mailbox, uid FROM arrival")
        assert not self.rows("SELECT * FROM uidl WHERE (mailbox, uid) NOT IN (SELECT mailbox, uid FROM mail)")
        counted = self.rows("SELECT mailbox, count(*), sum(size) FROM arrival GROUP BY mailbox ORDER BY mailbox")
        assert counted == self.rows("SELECT id, messages, octets FROM mailbox WHERE messages OR octets ORDER BY id")
        named = {file for (file,) in self.rows("SELECT file FROM body WHERE file IS NOT NULL")}
        assert named == set(self.files.octets)

    def assert_view(self, view: MailboxView) -> None:
        """A view is what the tables say."""
        sql = (
            "SELECT uid, modseq, flags, size FROM mail JOIN arrival USING (mailbox, uid) WHERE mailbox = ? ORDER BY uid"
        )
        assert list(zip(view.uids, view.modseqs, view.flags, view.sizes, strict=True)) == self.rows(sql, view.id)
        state = self.rows("SELECT modseq, uid_next FROM mailbox WHERE id = ?", view.id)
        assert [(view.modseq, view.uid_next)] == state


def to(account: int, mailbox: str = "INBOX", name: str | None = None) -> Delivery:
    return Delivery(account, Address(name or f"user{account}", "example.org"), mailbox)
