"""A whole store with spool and mailboxes to be killed, and what must be found afterwards.

The clock stands still, so that two sites which took the same steps hold the
same rows.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import apsw
from hand_reactor import HandReactor
from twisted.internet.task import Clock

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mailbox.store import MailboxStore
from twistedmail_mta.model import (
    Address,
    Body,
    Delivery,
    Envelope,
    LocalMail,
    Message,
    Origin,
    Recipient,
    Reply,
    Structure,
    Via,
)
from twistedmail_mta.spool.control import QueueControl
from twistedmail_mta.spool.owners import Host
from twistedmail_mta.spool.quarantine import Quarantine
from twistedmail_mta.spool.spool import Spool
from twistedmail_mta.spool.sweep import Sweep
from twistedmail_mta.spool.tenure import begin_tenure
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.database import Database
from twistedmail_mta.store.disk import Disk
from twistedmail_mta.store.files import DatabaseFiles
from twistedmail_mta.tasks import TaskGroup, WorkerPool

NOW = 1_800_000_000.0
MIB = 1024 * 1024
OK = Reply(250, "2.0.0", "Ok")
LATER = Reply(451, "4.3.0", "Try again later")
NEVER = Reply(550, "5.1.1", "No such user")

State = dict[str, Any]

ACCOUNTS = 50
ACCOUNT = """
INSERT INTO accounts (id, address, enabled, protocols, credential_version, created_at) VALUES (?, ?, 1, 'pop3', 1, 0.0)
ON CONFLICT DO NOTHING
"""


FILTER = Via("smtp://127.0.0.1:10024", "none")


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
        """Begin as a process begins; the accounts are there."""
        seconds = self.clock.seconds
        self.hand.wait(self.database.write(_add_accounts))
        self.tenure = self.hand.wait(begin_tenure(self.database, self.clock, seconds, Host("boot", 0)))
        self.mailboxes = MailboxStore(self.database, self.bodies, self.tasks, seconds)
        self.spool = Spool(self.database, self.bodies, self.tasks, self.tenure, self.mailboxes.note)
        self.sweep = Sweep(self.database, self.bodies, self.tenure)
        self.quarantine = Quarantine(self.database, self.bodies, self.clock, seconds, "boot")
        self.control = QueueControl(self.database, self.bodies, self.clock, seconds, "boot", self.spool.note_wishes)
        self.hand.wait(self.sweep.give_back_claims())
        self.hand.wait(self.mailboxes.undo_unfinished())
        self.hand.wait(self.mailboxes.release())

    def close(self) -> None:
        self.hand.wait(self.tasks.finish())
        self.hand.wait(self.bodies.close())
        self.hand.wait(self.database.close())
        self._pool.stop()

    def message(self, body: Body, *recipients: str, sender: Address = Address("ann", "example.org")) -> Message:  # noqa: B008
        """Return a message about which plugins have decided whatever they can."""
        to = [Recipient(Address(*name.split("@")), via=FILTER, mailbox="Junk") for name in recipients]
        return Message(
            id=self.spool.new_id(),
            envelope=Envelope(sender, tuple(to)),
            header=b"Subject: crash\r\n\r\n",
            body=body,
            origin=Origin("ESMTP", "192.0.2.1", "client.example"),
            received_at=self.clock.seconds(),
            tags=(("score", "7"), ("list", "the news")),
        )

    async def write_body(self, octets: bytes) -> Body:
        """Write a body as the receiving role does, in blocks."""
        writer = self.bodies.writer()
        for start in range(0, len(octets), 65_536):
            if writer.add(octets[start : start + 65_536]):
                await writer.flush()
        return await writer.finish()


def _add_accounts(tx: Transaction) -> None:
    list(tx.executemany(ACCOUNT, [(number, f"user{number}@example.org") for number in range(1, ACCOUNTS + 1)]))


def local(*places: tuple[int, str]) -> LocalMail:
    """Return a delivery into mailboxes, given as accounts and names."""
    return LocalMail(
        Structure(b"(envelope)", b"(structure)", b"parts"),
        tuple(Delivery(account, Address(f"user{account}", "example.org"), name) for account, name in places),
    )


def _still_clock() -> Clock:
    clock = Clock()
    clock.advance(NOW)
    return clock


def state_of(site: Path) -> State:
    """Read everything that a site holds, bodies as their digests; checks that all of it fits together.

    What only waits to be given up, deleted mailboxes among it, and mailboxes that nothing ever was in, are left out.
    """
    connection = apsw.Connection(str(site / "mta.db"))
    try:
        assert connection.pragma("integrity_check") == "ok"
        rows = {name: list(connection.execute(sql)) for name, sql in STATE.items()}
        bodies = list(connection.execute("SELECT id, refs, size, file, data FROM body ORDER BY id"))
        for misfits in MISFITS:
            assert not list(connection.execute(misfits)), misfits
        assert not list(connection.pragma("foreign_key_check") or ())
        used = {body for (body,) in connection.execute(USED)}
    finally:
        connection.close()
    digests = {row[0]: _digest(site, row) for row in bodies}
    return {**rows, "body": [digests[body] for body in sorted(used)]}


KEPT = "SELECT id FROM mailbox WHERE name >= ' '"

STATE = {
    "message": "SELECT * FROM message ORDER BY id",
    "recipient": "SELECT * FROM recipient ORDER BY message, n",
    "detention": "SELECT * FROM detention ORDER BY message",
    "quarantined": "SELECT * FROM quarantined",
    "downtime": "SELECT * FROM downtime",
    "mailbox": "SELECT * FROM mailbox WHERE uid_next > 1 AND name >= ' ' ORDER BY id",
    "mail": "SELECT m.*, a.*, c.body, c.header, c.envelope, c.structure, c.parts FROM mail m"
    f" JOIN arrival a USING (mailbox, uid) JOIN content c ON c.id = m.content WHERE mailbox IN ({KEPT})"
    " ORDER BY m.mailbox, m.uid",
    "uidl": f"SELECT * FROM uidl WHERE mailbox IN ({KEPT}) ORDER BY mailbox, uid",
    "vanished": f"SELECT * FROM vanished WHERE mailbox IN ({KEPT}) ORDER BY mailbox, modseq",
    "keyword": f"SELECT * FROM keyword WHERE mailbox IN ({KEPT}) ORDER BY mailbox, bit",
    "subscription": "SELECT * FROM subscription WHERE name LIKE 'x%'",
    "delivered": "SELECT * FROM delivered ORDER BY message, n, account, mailbox",
}
"""What a site holds, but for bodies and contents."""

MISFITS = (
    "SELECT id FROM message WHERE id NOT IN (SELECT message FROM recipient)",
    (
        "SELECT id FROM body b WHERE refs <> (SELECT count(*) FROM message WHERE body = b.id)"
        " + (SELECT count(*) FROM content WHERE body = b.id)"
    ),
    (
        "SELECT id FROM content c WHERE refs <> (SELECT count(*) FROM mail WHERE content = c.id)"
        " + coalesce((SELECT refs FROM released WHERE content = c.id), 0)"
    ),
    (
        "SELECT id FROM mailbox b WHERE (messages, octets) <>"
        " (SELECT count(*), coalesce(sum(size), 0) FROM arrival WHERE mailbox = b.id)"
    ),
    "SELECT mailbox, uid FROM mail EXCEPT SELECT mailbox, uid FROM arrival",
    "SELECT mailbox, uid FROM arrival EXCEPT SELECT mailbox, uid FROM mail",
    "SELECT mailbox, uid FROM uidl EXCEPT SELECT mailbox, uid FROM mail",
    "SELECT message FROM delivered EXCEPT SELECT id FROM message",
    "SELECT message FROM detention EXCEPT SELECT message FROM recipient WHERE state = 'held'",
    (
        "SELECT messages FROM quarantined WHERE (messages, octets) <>"
        " (SELECT count(*), coalesce(sum(octets), 0) FROM detention WHERE kind = 'quarantine')"
    ),
    "SELECT content FROM mail EXCEPT SELECT id FROM content",
    "SELECT body FROM content EXCEPT SELECT id FROM body",
    "SELECT body FROM message EXCEPT SELECT id FROM body",
)
"""Queries that find nothing where everything fits together."""

USED = (
    "SELECT body FROM message UNION SELECT c.body FROM mail m JOIN content c ON c.id = m.content"
    f" WHERE m.mailbox IN ({KEPT})"
)


def _digest(site: Path, row: tuple[Any, ...]) -> tuple[Any, ...]:
    number, _, size, file, octets = row
    found = (site / "bodies" / file).read_bytes() if file is not None else octets or b""
    assert len(found) == size
    return number, file is None, hashlib.sha256(found).hexdigest()


def child(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """Return the command and the environment of a process to be killed (`crash_child.py`)."""
    here = Path(__file__).parent
    search = os.pathsep.join(str(path) for path in (here, here.parent, here.parent.parent))
    return [sys.executable, str(here / "crash_child.py"), *arguments], {**os.environ, "PYTHONPATH": search}


def body_files(site: Path) -> set[str]:
    """Return the names of all body files, whether rows name them or not."""
    return {str(path.relative_to(site / "bodies")) for path in (site / "bodies").glob("*/*")}


def take_all_but(path: Path, left: int) -> Path:
    """Fill the disk with somebody else's file."""
    disk = os.statvfs(path)
    with (path / "others").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - left)
    return path / "others"
