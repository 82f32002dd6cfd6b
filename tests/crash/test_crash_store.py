"""A power cut at every step of the store: what was told to be kept is there, whole, and nothing is half there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest
from faultfs import FaultDisk, FaultVFS
from hand_reactor import HandReactor
from power_cut import Journal, crash_images

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.model import Body, FileBody
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.database import Database
from twistedmail_mta.store.files import DatabaseFiles
from twistedmail_mta.store.schema import Migration
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.tasks import TaskGroup, WorkerPool

SCHEMA = (
    Migration(1, "0001.sql", "CREATE TABLE mail (id INTEGER PRIMARY KEY, body BLOB, file TEXT) STRICT"),
    Migration(2, "0002.sql", "CREATE TABLE recipient (mail INTEGER NOT NULL, address TEXT NOT NULL) STRICT"),
)
MAILS = 24
RECIPIENTS = 3


def content(number: int) -> bytes:
    """Return the octets of a body; every fourth becomes a file, some of several pages."""
    return bytes([number]) * (9000 if number % 4 == 0 else 40 + 150 * number)


class Acceptance:
    """Takes mails as a server does: the body first, then its rows; tells the journal what it has acknowledged."""

    def __init__(self, site: Path, hand: HandReactor, vfs: FaultVFS) -> None:
        self._journal = vfs.journal
        self._pool = WorkerPool(hand, "io", 2, 100)
        self._hand = hand
        self.database = Database(hand, DatabaseFiles(site / "mta.db", 0, 4096, SCHEMA, vfs.name))
        self._bodies = BodyStore(self._pool, site / "bodies", inline_limit=8000, disk=FaultDisk(self._journal))

    async def accept(self, number: int) -> None:
        writer = self._bodies.writer()
        writer.add(content(number))
        body = await writer.finish()
        await self.database.write(lambda transaction: self._insert(transaction, number, body))
        assert self._journal is not None
        self._journal.mark(number)

    def _insert(self, transaction: Transaction, number: int, body: Body) -> None:
        row = (number, None, body.name) if isinstance(body, FileBody) else (number, body.data, None)
        transaction.execute("INSERT INTO mail VALUES (?, ?, ?)", row)
        addresses = [(number, f"{n}@example.org") for n in range(RECIPIENTS)]
        transaction.executemany("INSERT INTO recipient VALUES (?, ?)", addresses)

    def close(self) -> None:
        self._hand.wait(self.database.close())
        self._pool.stop()


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    """Return the record of a site that took mails, one by one and many at once, until it was closed."""
    site = tmp_path_factory.mktemp("site")
    hand = HandReactor()
    with FaultVFS(Journal(site)) as vfs:
        site_acceptance = Acceptance(site, hand, vfs)
        for number in range(4):
            hand.wait(site_acceptance.accept(number))
        tasks = TaskGroup()
        for number in range(4, MAILS):
            tasks.start("accept", site_acceptance.accept(number))
        hand.wait(tasks.finish())
        site_acceptance.close()
        assert vfs.journal is not None
        yield vfs.journal


def check(acknowledged: list[int], image: Path) -> None:
    """Open what a cut has left, and compare it with what was acknowledged before."""
    with SyncDatabase(image / "mta.db", migrations=SCHEMA) as database:
        mails: dict[int, Any] = database.read(lambda t: {n: rest for n, *rest in t.execute("SELECT * FROM mail")})
        counts = database.read(lambda t: dict(t.execute("SELECT mail, count(*) FROM recipient GROUP BY mail")))
        assert database.read(lambda t: list(t.execute("PRAGMA integrity_check"))) == [("ok",)]
    assert set(acknowledged) <= mails.keys(), "an acknowledged mail is lost"
    assert counts == dict.fromkeys(mails, RECIPIENTS), "a mail is half there"
    for number, (data, file) in mails.items():
        assert (data or (image / "bodies" / file).read_bytes()) == content(number), "a body isn't whole"


def test_what_was_acknowledged_survives_every_cut(journal: Journal, tmp_path: Path) -> None:
    """At each step the disk keeps exactly what was synced: that must be enough."""
    cuts = 0
    for _, acknowledged, image in crash_images(journal, tmp_path):
        check(acknowledged, image)
        cuts += 1
    assert cuts > 50
    assert sorted(acknowledged) == list(range(MAILS))


@pytest.mark.parametrize("seed", range(3))
def test_what_happened_to_reach_the_disk_does_no_harm(journal: Journal, tmp_path: Path, seed: int) -> None:
    """Besides what was synced, any of the other writes may be there, whole, torn, and in any order."""
    for _, acknowledged, image in crash_images(journal, tmp_path, Random(seed)):
        check(acknowledged, image)


def test_a_missing_sync_would_be_seen(tmp_path: Path) -> None:
    """The proof has teeth: with the sync of the WAL left out, the same cuts lose an acknowledged row."""
    site, cuts = tmp_path / "site", tmp_path / "cuts"
    site.mkdir()
    cuts.mkdir()
    with FaultVFS(Journal(site)) as vfs:
        assert vfs.journal is not None
        connection = apsw.Connection(str(site / "mta.db"), vfs=vfs.name)
        connection.pragma("journal_mode", "wal")
        connection.execute("CREATE TABLE mail (id INTEGER PRIMARY KEY)")
        connection.pragma("synchronous", 1)
        connection.execute("INSERT INTO mail VALUES (1)")
        vfs.journal.mark(1)
        connection.execute("INSERT INTO mail VALUES (2)")
        lost = []
        for number, acknowledged, image in crash_images(vfs.journal, cuts):
            if acknowledged and not apsw.Connection(str(image / "mta.db")).execute("SELECT id FROM mail").get:
                lost.append(number)
        connection.close()
    assert lost


def test_a_missing_sync_of_a_directory_would_be_seen(tmp_path: Path) -> None:
    """A file whose name was never synced isn't there after the cut, however well its content was."""
    site, cuts = tmp_path / "site", tmp_path / "cuts"
    site.mkdir()
    cuts.mkdir()
    disk = FaultDisk(Journal(site))
    assert disk._journal is not None
    for name, sync_name in (("named", True), ("nameless", False)):
        descriptor = disk.create(site / name)
        disk.write(descriptor, bytearray(b"content"))
        disk.sync(descriptor)
        disk.close(descriptor)
        if sync_name:
            disk.sync_directory(site)
    disk._journal.record("sync", site / "named")
    found = [sorted(path.name for path in image.iterdir()) for _, _, image in crash_images(disk._journal, cuts)]
    assert found[-1] == ["named"]
