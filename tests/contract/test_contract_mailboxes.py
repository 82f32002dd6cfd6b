"""What mailboxes do on every backend, with real files; and between two processes on the same ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from backends import BACKENDS, Backend
from twisted.internet.task import Clock

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.mailbox import transfers
from twistedmail_mta.mailbox.accounts import forget_mailboxes, remove_mail
from twistedmail_mta.mailbox.appending import Incoming
from twistedmail_mta.mailbox.flags import SEEN
from twistedmail_mta.mailbox.maildrop import open_maildrop
from twistedmail_mta.mailbox.store import MailboxStore
from twistedmail_mta.mailbox.transfers import Copied
from twistedmail_mta.model import Address, Body, Delivery, Envelope, LocalMail, Message, Origin, Structure
from twistedmail_mta.spool.owners import Host
from twistedmail_mta.spool.spool import Spool
from twistedmail_mta.spool.sweep import Sweep
from twistedmail_mta.spool.tenure import begin_tenure
from twistedmail_mta.store.changes import LOOK_EVERY, Changes
from twistedmail_mta.tasks import TaskGroup

NOW = 1_800_000_000.0
STRUCTURE = Structure(b"(envelope)", b"(structure)", b"parts")
LARGE = b"large " * 1000
SMALL = b"small\r\n"


class Process:
    """Mailboxes and spool of one process."""

    def __init__(self, backend: Backend, number: int = 0) -> None:
        self.backend, self.wait = backend, backend.wait
        self.clock, self.tasks = Clock(), TaskGroup()
        self.clock.advance(NOW + number)
        self.store = MailboxStore(backend.database, backend.bodies, self.tasks, self.clock.seconds)
        beginning = begin_tenure(backend.database, self.clock, self.clock.seconds, Host("boot", number))
        self.tenure = self.wait(beginning)
        self.spool = Spool(backend.database, backend.bodies, self.tasks, self.tenure, self.store.note)

    async def body(self, octets: bytes) -> Body:
        writer = self.backend.bodies.writer()
        writer.add(octets)
        return await writer.finish()

    def accept(self, octets: bytes, *accounts: int) -> Message:
        body = self.wait(self.body(octets))
        message = Message(
            self.spool.new_id(), Envelope(Address("ann", "x.org"), ()), b"A: b\r\n\r\n", body, Origin("ESMTP"), NOW
        )
        deliveries = tuple(Delivery(account, Address(f"user{account}", "example.org")) for account in accounts)
        self.wait(self.spool.accept(message, claim=True, local=LocalMail(STRUCTURE, deliveries)))
        return message

    def incoming(self, octets: bytes) -> Incoming:
        return Incoming(self.spool.new_id(), b"C: d\r\n\r\n", self.wait(self.body(octets)), STRUCTURE, 1)

    def settled(self) -> None:
        """Wait for what goes on in the background."""
        self.wait(self.tasks.finish())


def octets_of(process: Process, account: int) -> list[bytes | None]:
    """Return all messages that POP3 would give."""

    async def fetch() -> list[bytes | None]:
        drop = await open_maildrop(process.store, account)
        uids = [message.uid for message in drop.messages]
        found: list[bytes | None] = []
        while len(found) < len(uids):
            found += await drop.fetch(uids[len(found) :], 10_000)
        drop.close()
        return found

    return process.wait(fetch())


def whole(account: int, octets: bytes) -> bytes:
    return b"Return-Path: <ann@x.org>\r\nDelivered-To: user%d@example.org\r\nA: b\r\n\r\n%s" % (account, octets)


def test_what_was_delivered_is_read_also_by_the_next_process(
    open_backend: Callable[[], Backend], backend: Backend
) -> None:
    process = Process(backend)
    process.accept(LARGE, 1, 2)
    process.accept(SMALL, 1)

    later = Process(open_backend(), 1)

    for each in (process, later):
        assert octets_of(each, 1) == [whole(1, LARGE), whole(1, SMALL)]
        assert octets_of(each, 2) == [whole(2, LARGE)]


def test_large_messages_are_read_in_pieces(backend: Backend) -> None:
    process = Process(backend)
    process.accept(LARGE, 1)
    drop = process.wait(open_maildrop(process.store, 1))

    pieces = [process.wait(drop.read(1, offset, 700)) for offset in range(0, drop.messages[0].size, 700)]

    assert b"".join(pieces) == whole(1, LARGE)


def test_files_go_with_their_last_mailbox(backend: Backend, tmp_path: Path) -> None:
    process = Process(backend)
    process.accept(LARGE, 1, 2)
    (file,) = [path for path in (tmp_path / "bodies").rglob("*") if path.is_file()]
    for account in (1, 2):
        assert file.exists()
        inbox = process.wait(process.store.make(account, "INBOX"))
        process.wait(process.store.remove(inbox.id, [1]))
        process.settled()

    assert not file.exists()
    assert backend.rows("SELECT count(*) FROM body") == [(0,)]


def test_the_sweep_spares_what_mailboxes_have(backend: Backend, tmp_path: Path) -> None:
    process = Process(backend)
    process.accept(LARGE, 1)
    orphan = process.wait(process.body(LARGE))
    sweep = Sweep(backend.database, backend.bodies, process.tenure)

    assert process.wait(backend.bodies.sweep(sweep._named, -1e12)) == 1

    assert octets_of(process, 1) == [whole(1, LARGE)]
    assert not (tmp_path / "bodies" / orphan.name).exists()  # type: ignore[union-attr]


def test_many_writes_at_once_have_uids_of_their_own(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever shares a commit, each mailbox counts on without a gap, and its view follows without reading."""
    process = Process(backend)
    view = process.wait(process.store.open(process.wait(process.store.make(1, "INBOX")).id))
    monkeypatch.setattr(process.store._views, "_read", None)
    group = TaskGroup()

    async def accept(number: int) -> None:
        body = await process.body(b"%d" % number)
        message = Message(process.spool.new_id(), Envelope(Address("a", "b"), ()), b"\r\n", body, Origin("ESMTP"), NOW)
        deliveries = tuple(Delivery(account, Address("u", "x")) for account in (1, 2))
        await process.spool.accept(message, claim=False, local=LocalMail(STRUCTURE, deliveries))

    for number in range(40):
        group.start("accept", accept(number))
    process.wait(group.finish())

    assert list(view.uids) == list(range(1, 41))
    assert list(view.modseqs) == list(range(2, 42))
    rows = backend.rows("SELECT uid, modseq, flags FROM mail WHERE mailbox = ? ORDER BY uid", view.id)
    assert list(zip(view.uids, view.modseqs, view.flags, strict=True)) == rows


def test_an_account_goes_with_its_mail(backend: Backend) -> None:
    process = Process(backend)
    process.accept(LARGE, 1, 2)

    process.wait(remove_mail(backend.database, backend.bodies, 1))
    gone = process.wait(
        backend.database.write(
            lambda tx: forget_mailboxes(tx, 1) and [*tx.execute("DELETE FROM accounts WHERE id = 1")]
        )
    )

    assert gone == []
    with pytest.raises(TemporaryError):
        process.accept(SMALL, 1)
    assert octets_of(process, 2) == [whole(2, LARGE)]


@pytest.mark.parametrize("kind", BACKENDS)
def test_what_another_process_does_is_noticed(
    open_backend: Callable[..., Backend], backend: Backend, kind: str
) -> None:
    """Deliveries, flags and removals of a server or a command show within a second, UIDs never meet."""
    here, there = Process(backend), Process(open_backend(kind), 1)
    here.accept(SMALL, 1)
    view = here.wait(here.store.open(here.wait(here.store.make(1, "INBOX")).id))
    heard: list[int] = []
    view.subscribe(lambda: heard.append(view.modseq))
    changes = Changes(backend.database, here.clock)
    changes.subscribe(here.store.look_at_all)
    changes.start()

    there.accept(SMALL, 1)
    uids = there.wait(there.store.append(view.id, [there.incoming(LARGE) for _ in range(2)]))
    there.wait(there.store.set_flags(view.id, [2, 3], add=SEEN))
    there.wait(there.store.remove(view.id, [1]))
    there.settled()
    look_until(here, lambda: bool(heard))
    changes.stop()

    assert list(uids) == [3, 4]
    assert list(zip(view.uids, view.flags, strict=True)) == [(2, SEEN), (3, SEEN), (4, 0)]
    here.accept(SMALL, 1)
    assert list(view.uids) == [2, 3, 4, 5]


def test_messages_are_copied_moved_and_renamed_with_their_files(backend: Backend, tmp_path: Path) -> None:
    """Rows only: a file is written once, and goes with the last message that has it."""
    process = Process(backend)
    process.accept(LARGE, 1)
    store, wait = process.store, process.wait
    inbox, other = (wait(store.make(1, name)) for name in ("INBOX", "Other"))
    view, there = wait(store.open(inbox.id)), wait(store.open(other.id))

    copied = wait(store.copy(inbox.id, [1], other.id))
    moved = wait(store.move(other.id, [1], inbox.id))
    assert wait(store.tree.rename(1, "Other", "a/b")) is None
    assert wait(store.tree.rename(1, "INBOX", "a/c")) is None
    assert octets_of(process, 1) == []
    assert (list(view.uids), list(there.uids)) == ([], [])
    target = wait(store.mailbox(1, "a/c"))
    assert target is not None
    assert isinstance(copied, Copied)
    assert isinstance(moved, Copied)
    assert wait(store.move(target.id, [1], inbox.id)) == Copied(inbox.uid_validity, [1], [3])
    assert octets_of(process, 1) == [whole(1, LARGE)]
    assert len(files(tmp_path)) == 1

    assert wait(store.tree.delete(1, "a/c")) is None
    wait(store.remove(inbox.id, [3]))
    process.settled()

    assert files(tmp_path) == []
    for table in ("body", "content", "released", "mail", "arrival"):
        assert backend.rows(f"SELECT count(*) FROM {table}") == [(0,)]


def files(directory: Path) -> list[Path]:
    return [path for path in (directory / "bodies").rglob("*") if path.is_file()]


def test_deliveries_and_moves_at_once_lose_nothing(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mail comes while all is moved, and the mailbox it is moved to is renamed, again and again."""
    monkeypatch.setattr(transfers, "MOVED_AT_ONCE", 3)
    process = Process(backend)
    store, wait = process.store, process.wait
    inbox, other = (wait(store.make(1, name)) for name in ("INBOX", "n0"))
    view, there = wait(store.open(inbox.id)), wait(store.open(other.id))
    group = TaskGroup()

    async def deliver(number: int) -> None:
        await store.append(inbox.id, [process.incoming(b"%d" % number)])

    async def move() -> None:
        for number in range(10):
            moved = await store.move(inbox.id, view.uids, other.id)
            assert isinstance(moved, Copied)
            assert await store.tree.rename(1, f"n{number}", f"n{number + 1}") is None

    for number in range(40):
        group.start("deliver", deliver(number))
        if number == 10:
            group.start("move", move())
    wait(group.finish())

    assert len(view) + len(there) == 40
    assert list(there.uids) == list(range(1, len(there) + 1))
    for each in (view, there):
        rows = backend.rows("SELECT uid, modseq, flags FROM mail WHERE mailbox = ? ORDER BY uid", each.id)
        assert list(zip(each.uids, each.modseqs, each.flags, strict=True)) == rows
    assert wait(store.mailbox(1, "n10")) is not None


def test_a_deleted_mailbox_takes_no_more_mail_and_loses_none(backend: Backend) -> None:
    """What is delivered while its mailbox is deleted is there, in a new one; what is appended to the old one fails."""
    process = Process(backend)
    store, wait = process.store, process.wait
    old = wait(store.make(1, "Lists"))
    view = wait(store.open(old.id))
    group, kept = TaskGroup(), []

    async def deliver(number: int) -> None:
        body = await process.body(b"%d" % number)
        message = Message(process.spool.new_id(), Envelope(Address("a", "b"), ()), b"\r\n", body, Origin("ESMTP"), NOW)
        await process.spool.accept(
            message, claim=False, local=LocalMail(STRUCTURE, (Delivery(1, Address("u", "x"), "Lists"),))
        )
        if view.gone:
            kept.append(message.id)

    for number in range(30):
        group.start("deliver", deliver(number))
        if number == 10:
            group.start("delete", store.tree.delete(1, "Lists"))
    wait(group.finish())
    process.settled()

    assert view.gone
    with pytest.raises(TemporaryError):
        wait(store.append(old.id, [process.incoming(SMALL)]))
    new = wait(store.mailbox(1, "Lists"))
    contents = [content for (content,) in backend.rows("SELECT content FROM mail")]
    assert set(kept) <= set(contents)
    assert new is None or new.uid_validity > old.uid_validity
    assert backend.rows("SELECT count(*) FROM body") == [(len(contents),)]


@pytest.mark.parametrize("kind", BACKENDS)
def test_what_another_process_deletes_is_noticed(
    open_backend: Callable[..., Backend], backend: Backend, kind: str
) -> None:
    here, there = Process(backend), Process(open_backend(kind), 1)
    lists = here.wait(here.store.make(1, "Lists"))
    view = here.wait(here.store.open(lists.id))
    changes = Changes(backend.database, here.clock)
    changes.subscribe(here.store.look_at_all)
    changes.start()

    assert there.wait(there.store.tree.delete(1, "Lists")) is None
    there.settled()
    look_until(here, lambda: view.gone)
    changes.stop()

    assert view.gone


def look_until(process: Process, true: Callable[[], bool]) -> None:
    """Let second after second pass until something is so."""
    for _ in itertools.takewhile(lambda _: not true(), range(1000)):
        process.clock.advance(LOOK_EVERY)
        process.wait(process.backend.database.read(lambda tx: None))
