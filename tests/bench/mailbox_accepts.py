# ruff: noqa: T201 - it prints
"""What acceptance into mailboxes costs: run it by hand, `python tests/bench/mailbox_accepts.py [DIRECTORY]`.

Each message has 4 KB and goes to one of 50 accounts; the last lines are of
messages to ten mailboxes at once, and of such that only wait in the spool.
Then one INBOX is filled, opened cold and from its snapshot, and emptied.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mailbox.appending import Incoming
from twistedmail_mta.mailbox.maildrop import open_maildrop
from twistedmail_mta.mailbox.store import MailboxStore
from twistedmail_mta.model import (
    Address,
    Delivery,
    Envelope,
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
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.database import Database, open_database
from twistedmail_mta.tasks import TaskGroup, WorkerPool

reactor: Any = global_reactor

ACCOUNTS = 50
MESSAGES = 4000
INBOX = 10_000
HEADER = (
    b"Received: from client.example by host.example;\r\n Sat, 21 Nov 2026 08:00:00 +0000\r\n" + b"Subject: x\r\n" * 20
)
BODY = InlineBody(b"x" * 70 * 56)
STRUCTURE = Structure(b"(" + b"e" * 300 + b")", b"(" + b"s" * 80 + b")", b"p" * 40)
SENDER = Address("joe", "strangers.example")
ACCOUNT = """
INSERT INTO accounts (id, address, enabled, protocols, credential_version, created_at) VALUES (?, ?, 1, 'pop3', 1, 0.0)
"""


class Bench:
    """A database with accounts, and what stands on it."""

    def __init__(self, directory: Path) -> None:
        self.database: Database = open_database(reactor, directory / "bench.db", margin=0, ballast_size=4096)
        self.pool = WorkerPool(reactor, "io", 2, 100)
        self.bodies = BodyStore(self.pool, directory / "bodies")
        self.tasks = TaskGroup()
        self.store = MailboxStore(self.database, self.bodies, self.tasks, time.time)

    async def begin(self) -> None:
        tenure = await begin_tenure(self.database, reactor, time.monotonic, Host("boot", 0))
        self.spool = Spool(self.database, self.bodies, self.tasks, tenure, self.store.note)

        def add(tx: Transaction) -> None:
            list(tx.executemany(ACCOUNT, [(n, f"user{n}@example.org") for n in range(1, ACCOUNTS + 1)]))

        await self.database.write(add)
        for account in range(1, ACCOUNTS + 1):
            await self.store.make(account, "INBOX")

    def message(self, *recipients: Recipient) -> Message:
        envelope = Envelope(SENDER, recipients)
        return Message(self.spool.new_id(), envelope, HEADER + b"\r\n", BODY, Origin("ESMTP"), time.time())

    async def accept_local(self, number: int, mailboxes: int = 1) -> None:
        """Accept one message into mailboxes."""
        accounts = [1 + (number + n) % ACCOUNTS for n in range(mailboxes)]
        deliveries = tuple(Delivery(account, Address(f"user{account}", "example.org")) for account in accounts)
        await self.spool.accept(self.message(), claim=False, local=LocalMail(STRUCTURE, deliveries))

    async def accept_ten(self, number: int) -> None:
        """Accept one message into ten mailboxes."""
        await self.accept_local(number, 10)

    async def accept_remote(self, number: int) -> None:
        """Accept one message for the spool alone."""
        await self.spool.accept(self.message(Recipient(Address(f"u{number}", "example.net"))), claim=True)

    async def measure(self, name: str, accept: Callable[[int], Awaitable[None]], sessions: int) -> None:
        """Let that many sessions accept one message after the other, and print a line."""
        total, tasks = MESSAGES if sessions > 1 else MESSAGES // 8, TaskGroup()
        numbers = iter(range(total))

        async def session() -> None:
            for number in numbers:
                await accept(number)

        commits, cpu, begun = self.database.commits, time.process_time(), time.perf_counter()
        for running in [tasks.start("session", session()) for _ in range(sessions)]:
            await running
        spent, cpu = time.perf_counter() - begun, time.process_time() - cpu
        print(
            f"{name:7} sessions {sessions:3} rate {total / spent:6.0f}/s cpu {1e6 * cpu / total:5.0f} us/message "
            f"group {total / (self.database.commits - commits):5.1f}"
        )

    def incoming(self, ids: Iterator[int]) -> Incoming:
        """Return a message to append."""
        return Incoming(next(ids), HEADER + b"\r\n", BODY, STRUCTURE, 0)

    async def maildrop(self) -> None:
        """Fill an INBOX, open and read and empty it."""
        inbox, ids = await self.store.make(1, "INBOX"), count(1 << 61)
        await timed("append, 100 at once", self._fill(inbox.id, ids))
        for name in ("cold", "cached"):
            await timed(f"open, {name}", open_maildrop(self.store, 1))
        self.store = MailboxStore(self.database, self.bodies, self.tasks, time.time)
        await timed("open, from rows or snapshot", open_maildrop(self.store, 1))
        self.store = MailboxStore(self.database, self.bodies, self.tasks, time.time)
        await timed("open, from snapshot", open_maildrop(self.store, 1))
        drop = await open_maildrop(self.store, 1)
        begun = time.perf_counter()
        uids = [message.uid for message in drop.messages]
        print(f"listing {1000 * (time.perf_counter() - begun):.1f} ms of {len(uids)}")
        await timed("fetch all", self._fetch(drop, uids))
        await timed("remove all", drop.remove(uids))
        await timed("release", self.tasks.finish())

    async def _fill(self, inbox: int, ids: Iterator[int]) -> None:
        for _ in range(INBOX // 100):
            await self.store.append(inbox, [self.incoming(ids) for _ in range(100)])

    async def _fetch(self, drop: Any, uids: list[int]) -> None:
        while uids:
            uids = uids[len(await drop.fetch(uids, 1 << 20)) :]


async def timed(name: str, work: Awaitable[Any]) -> None:
    """Print how long something took."""
    cpu, begun = time.process_time(), time.perf_counter()
    await work
    spent, cpu = time.perf_counter() - begun, time.process_time() - cpu
    print(f"{name:28} {1000 * spent:7.1f} ms, cpu {1000 * cpu:7.1f} ms")


async def run(directory: Path) -> None:
    """Measure all cases."""
    bench = Bench(directory)
    await bench.begin()
    for sessions in (1, 10, 50):
        await bench.measure("local", bench.accept_local, sessions)
    await bench.measure("ten", bench.accept_ten, 10)
    await bench.measure("remote", bench.accept_remote, 10)
    await bench.maildrop()
    await bench.tasks.finish()
    await bench.bodies.close()
    await bench.database.close()
    bench.pool.stop()
    reactor.stop()


def main() -> None:
    """Run on a temporary directory, in the folder given as an argument."""
    sys.setswitchinterval(1e-4)
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as directory:
        reactor.callWhenRunning(Deferred.fromCoroutine, run(Path(directory)))
        reactor.run()


if __name__ == "__main__":
    main()
