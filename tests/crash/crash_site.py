"""A whole store and spool to be killed, and what must be found afterwards.

`STEPS` is a life in which everything happens once; each step is acknowledged
when it is over.  The clock stands still, so that two sites which took the same
steps hold the same rows.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import apsw
from hand_reactor import HandReactor
from twisted.internet.task import Clock

from twistedmail_mta.model import (
    NULL_PATH,
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
    Report,
    Settlement,
    Withdrawn,
)
from twistedmail_mta.spool.control import QueueControl
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.spool.owners import Host
from twistedmail_mta.spool.spool import Spool
from twistedmail_mta.spool.sweep import Sweep
from twistedmail_mta.spool.tenure import begin_tenure
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.database import Database
from twistedmail_mta.store.disk import Disk
from twistedmail_mta.store.files import DatabaseFiles
from twistedmail_mta.tasks import TaskGroup, WorkerPool

NOW = 1_800_000_000.0
OK = Reply(250, "2.0.0", "Ok")
LATER = Reply(451, "4.3.0", "Try again later")
NEVER = Reply(550, "5.1.1", "No such user")

State = dict[str, Any]


def content(number: int, size: int) -> bytes:
    """Return octets that nobody else has."""
    return (hashlib.sha256(str(number).encode()).digest() * (size // 32 + 1))[:size]


class CrashSite:
    """Database, bodies and spool of one process, on threads of its own."""

    def __init__(
        self,
        site: Path,
        *,
        vfs: str | None = None,
        disk: Disk | None = None,
        ballast: int = 4096,
        clock: Any = None,
    ) -> None:
        self.path = site
        self.hand = HandReactor()
        self.tasks = TaskGroup()
        self.clock = clock or _still_clock()
        self._pool = WorkerPool(self.hand, "io", 2, 1000)
        self.database = Database(self.hand, DatabaseFiles(site / "mta.db", 0, ballast, vfs=vfs))
        self.bodies = BodyStore(self._pool, site / "bodies", disk=disk, now=self.clock.seconds)
        self.start()

    def start(self) -> None:
        """Begin as a process begins."""
        seconds = self.clock.seconds
        self.tenure = self.hand.wait(begin_tenure(self.database, self.clock, seconds, Host("boot", 0)))
        self.spool = Spool(self.database, self.bodies, self.tasks, self.tenure)
        self.sweep = Sweep(self.database, self.bodies, self.tenure)
        self.control = QueueControl(self.database, self.bodies, self.clock, seconds, "boot", self.spool.note_wishes)
        self.hand.wait(self.sweep.give_back_claims())

    def close(self) -> None:
        self.hand.wait(self.tasks.finish())
        self.hand.wait(self.bodies.close())
        self.hand.wait(self.database.close())
        self._pool.stop()

    def message(self, body: Body, *recipients: str, sender: Address = Address("ann", "example.org")) -> Message:  # noqa: B008
        return Message(
            id=self.spool.new_id(),
            envelope=Envelope(sender, tuple(Recipient(Address(*name.split("@"))) for name in recipients)),
            header=b"Subject: crash\r\n\r\n",
            body=body,
            origin=Origin("ESMTP", "192.0.2.1", "client.example"),
            received_at=self.clock.seconds(),
        )

    async def write_body(self, octets: bytes) -> Body:
        """Write a body as the receiving role does, in blocks."""
        writer = self.bodies.writer()
        for start in range(0, len(octets), 65_536):
            if writer.add(octets[start : start + 65_536]):
                await writer.flush()
        return await writer.finish()


def _still_clock() -> Clock:
    clock = Clock()
    clock.advance(NOW)
    return clock


class Life:
    """The steps, one method each, in the order of `STEPS`."""

    def __init__(self, site: CrashSite) -> None:
        self._site = site
        self._spool = site.spool
        self._claims: list[Claim] = []
        self._first = 0

    async def accept_small(self) -> None:
        """One row for the body, four recipients, claimed at birth."""
        names = [f"{name}@example.net" for name in "abcde"]
        message = self._site.message(InlineBody(content(1, 4096)), *names)
        self._claims = list(await self._spool.accept(message, claim=True))
        self._first = message.id

    async def hold(self) -> None:
        """A wish about a claimed recipient."""
        await self._site.control.change("hold", Selection(to="d@*"))

    async def settle_each_way(self) -> None:
        """Delivered, deferred, failed, held: in one transaction."""
        outcomes = (Delivered(OK), Deferred(LATER), Failed(NEVER), Withdrawn())
        await self._spool.settle(
            [
                Settlement(claim, outcome, NOW, NOW + 60 if isinstance(outcome, Deferred) else None)
                for claim, outcome in zip(self._claims, outcomes, strict=False)
            ],
            None,
        )

    async def settle_with_bounce(self) -> None:
        """The last claim fails, and the bounce for both that failed is spooled."""
        bounce = self._site.message(InlineBody(content(2, 9000)), "ann@example.org", sender=NULL_PATH)
        settlement = Settlement(self._claims[4], Failed(NEVER), NOW)
        assert await self._spool.settle([settlement], Report(self._first, frozenset({2, 4}), bounce))

    async def accept_large(self) -> None:
        """A file and its row."""
        body = await self._site.write_body(content(3, 300_000))
        await self._spool.accept(self._site.message(body, "x@example.com"), claim=False)

    async def accept_inline_at_the_limit(self) -> None:
        """A row of many pages."""
        body = await self._site.write_body(content(4, 65_536))
        await self._spool.accept(self._site.message(body, "y@example.com"), claim=False)

    async def claim(self) -> None:
        """Whatever is due."""
        self._claims = list(await self._spool.claim(10, frozenset()))
        assert len(self._claims) == 3

    async def settle_large(self) -> None:
        """Rows and file go."""
        await self._spool.settle([Settlement(self._claims[1], Delivered(OK), NOW)], None)
        await self._site.tasks.finish()

    async def release_claims(self) -> None:
        """The rest goes back."""
        await self._spool.release_claims([self._claims[0], self._claims[2]])

    async def delete(self) -> None:
        """The operator wants none of it."""
        assert await self._site.control.change("delete", Selection()) == 4


STEPS: tuple[Callable[[Life], Awaitable[None]], ...] = (
    Life.accept_small,
    Life.hold,
    Life.settle_each_way,
    Life.settle_with_bounce,
    Life.accept_large,
    Life.accept_inline_at_the_limit,
    Life.claim,
    Life.settle_large,
    Life.release_claims,
    Life.delete,
)


def live(site: CrashSite, acknowledge: Callable[[int], None]) -> None:
    """Take every step, acknowledging its number when it is over; 0 is the start."""
    life = Life(site)
    acknowledge(0)
    for number, step in enumerate(STEPS, 1):
        site.hand.wait(step(life))
        acknowledge(number)


def state_of(site: Path) -> State:
    """Read everything that a site holds, bodies as their digests; checks that all of it fits together."""
    connection = apsw.Connection(str(site / "mta.db"))
    try:
        assert connection.pragma("integrity_check") == "ok"
        rows = {
            "message": list(connection.execute("SELECT * FROM message ORDER BY id")),
            "recipient": list(connection.execute("SELECT * FROM recipient ORDER BY message, n")),
            "downtime": list(connection.execute("SELECT * FROM downtime")),
        }
        bodies = list(connection.execute("SELECT id, refs, size, file, data FROM body ORDER BY id"))
        references = list(connection.execute("SELECT body, count(*) FROM message GROUP BY body ORDER BY body"))
        lonely = "SELECT id FROM message WHERE id NOT IN (SELECT message FROM recipient)"
        assert not list(connection.execute(lonely))
    finally:
        connection.close()
    assert [(body, refs) for body, refs, *_ in bodies] == references
    return {**rows, "body": [_digest(site, body) for body in bodies]}


def _digest(site: Path, row: tuple[Any, ...]) -> tuple[Any, ...]:
    number, refs, size, file, octets = row
    found = (site / "bodies" / file).read_bytes() if file is not None else octets or b""
    assert len(found) == size
    return number, refs, file is None, hashlib.sha256(found).hexdigest()


def states_of_a_life(site: Path, **options: Any) -> list[State]:
    """Return what a site holds after each step when nothing goes wrong."""
    states: list[State] = []
    crash_site = CrashSite(site, **options)
    live(crash_site, lambda _: states.append(state_of(site)))
    crash_site.close()
    return states


def child(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """Return the command and the environment of a process to be killed (`crash_child.py`)."""
    here = Path(__file__).parent
    search = os.pathsep.join(str(path) for path in (here, here.parent, here.parent.parent))
    return [sys.executable, str(here / "crash_child.py"), *arguments], {**os.environ, "PYTHONPATH": search}


def body_files(site: Path) -> set[str]:
    """Return the names of all body files, whether rows name them or not."""
    return {str(path.relative_to(site / "bodies")) for path in (site / "bodies").glob("*/*")}
