"""Mailboxes on a disk that is full or breaks: nothing is half kept, views stay true, and mail can be deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from crash_site import MIB, CrashSite, content, local, state_of, take_all_but
from faultfs import FaultDisk, Faults, FaultVFS

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.mailbox.view import MailboxView
from twistedmail_mta.model import InlineBody


def accept(site: CrashSite, octets: bytes) -> None:
    message = site.message(InlineBody(octets))
    site.hand.wait(site.spool.accept(message, claim=True, local=local((1, "INBOX"), (2, "INBOX"))))


def inbox(site: CrashSite, account: int) -> MailboxView:
    return site.hand.wait(site.mailboxes.open(site.hand.wait(site.mailboxes.make(account, "INBOX")).id))


def check_view(view: MailboxView, path: Path) -> None:
    """Compare a view with the rows, which fit together."""
    state = state_of(path)
    rows = [row[1:4] for row in state["mail"] if row[0] == view.id]
    assert list(zip(view.uids, view.modseqs, view.flags, strict=True)) == rows


@pytest.mark.parametrize("after", range(8))
@pytest.mark.parametrize(
    ("operation", "code"), [("write", apsw.SQLITE_IOERR_WRITE), ("write", apsw.SQLITE_FULL), ("sync", 0)]
)
def test_an_error_in_mid_delivery(tmp_path: Path, operation: str, code: int, after: int) -> None:
    """Whichever write or sync fails, of a delivery or of a removal: the views are what the rows are, then and later."""
    faults = Faults()
    with FaultVFS(faults=faults) as vfs:
        site = CrashSite(tmp_path, vfs=vfs.name, disk=FaultDisk(faults=faults))
        first, second = inbox(site, 1), inbox(site, 2)
        accept(site, content(1, 12_000))
        faults.fail(operation, "-wal", after=after, times=1, code=code)

        message = site.message(InlineBody(content(2, 12_000)))
        delivery = site.spool.accept(message, claim=True, local=local((1, "INBOX"), (2, "INBOX")))
        results = site.hand.wait_all(delivery, site.mailboxes.remove(second.id, [1]))
        faults.heal()
        site.database._space.look()

        assert all(not isinstance(result, Exception) or isinstance(result, TemporaryError) for result in results)
        accept(site, content(3, 12_000))
        site.hand.wait(site.tasks.finish())
        for view in (first, second):
            check_view(view, tmp_path)
        assert len(first) == 2 + (results[0] == [])
        site.close()


def fill(site: CrashSite) -> None:
    for number in range(1000):
        accept(site, content(number, 40_000))


@pytest.fixture
def full(small_disk: Path) -> Iterator[CrashSite]:
    """A site whose disk mail has filled."""
    site = CrashSite(small_disk, ballast=5 * MIB)
    take_all_but(small_disk, 2 * MIB)
    with pytest.raises(TemporaryError):
        fill(site)
    yield site
    site.close()


def test_mail_can_be_deleted_from_a_full_disk(full: CrashSite) -> None:
    """What was taken is there; removing it works, and makes room for more."""
    first, second = inbox(full, 1), inbox(full, 2)
    assert len(first) == len(second) > 20
    check_view(first, full.path)

    for view in (first, second):
        assert full.hand.wait(full.mailboxes.remove(view.id, list(view.uids))) == list(range(1, view.uid_next))
        full.hand.wait(full.tasks.finish())

    assert state_of(full.path)["body"] == []
    assert full.hand.wait(full.database.read(lambda tx: list(tx.execute("SELECT count(*) FROM body")))) == [(0,)]
