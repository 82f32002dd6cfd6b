"""Full disks and broken ones: the answer is 452 or 451, nothing is half kept, and settles go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from crash_site import MIB, NOW, OK, CrashSite, content, state_of, take_all_but
from faultfs import FaultDisk, Faults, FaultVFS

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.model import Claim, Delivered, FileBody, InlineBody, Settlement

RECIPIENT = "b@example.net"


def accept(site: CrashSite, octets: bytes) -> list[Claim]:
    message = site.message(InlineBody(octets), RECIPIENT)
    return list(site.hand.wait(site.spool.accept(message, claim=True)))


def settle(site: CrashSite, claims: list[Claim]) -> None:
    site.hand.wait(site.spool.settle([Settlement(claim, Delivered(OK), NOW) for claim in claims], None))


def fill(site: CrashSite) -> tuple[list[Claim], TemporaryError]:
    """Accept until there is no more room."""
    claims: list[Claim] = []
    try:
        while len(claims) < 1000:
            claims += accept(site, content(len(claims), 40_000))
    except TemporaryError as error:
        return claims, error
    raise AssertionError("the disk is never full")


def ids_in(path: Path) -> set[int]:
    return {row[0] for row in state_of(path)["message"]}


def test_a_full_disk(small_disk: Path) -> None:
    """452 4.3.1 for new mail, small and large; what was accepted stays and is settled; then mail comes again."""
    site = CrashSite(small_disk, ballast=5 * MIB)
    others = take_all_but(small_disk, 2 * MIB)
    claims, error = fill(site)
    assert (error.reply.code, error.reply.status) == (452, "4.3.1")
    refusal = site.database.refusal()
    assert refusal is not None
    assert refusal.code == 452
    with pytest.raises(TemporaryError) as large:
        site.hand.wait(site.write_body(bytes(8 * MIB)))
    assert (large.value.reply.code, large.value.reply.status) == (452, "4.3.1")
    assert len(claims) > 20
    assert ids_in(small_disk) == {claim.message_id for claim in claims}

    for claim in claims:
        settle(site, [claim])
    site.hand.wait(site.spool.renew())
    assert ids_in(small_disk) == set()

    others.unlink()
    site.database._space.look()  # as its thread does once a second
    assert site.database.refusal() is None
    (again,) = accept(site, content(1, 40_000))
    site.close()
    assert ids_in(small_disk) == {again.message_id}


def shrink_room(tx: Transaction) -> None:
    """Let the database grow by thirty pages and no more."""
    ((count,),) = tx.execute("PRAGMA page_count")
    list(tx.execute(f"PRAGMA max_page_count = {count + 30}"))


def test_no_room_in_the_middle_of_a_group(tmp_path: Path) -> None:
    """Of many that are committed together, those that don't fit get 452; each of the others is whole."""
    site = CrashSite(tmp_path)
    site.hand.wait(site.database.write(shrink_room))
    messages = [
        site.message(InlineBody(content(number, 60_000 if number % 3 == 0 else 1000)), RECIPIENT)
        for number in range(24)
    ]
    started = [site.tasks.shield("accept", site.spool.accept(message, claim=False)) for message in messages]
    results = site.hand.wait_all(*started)

    refused = [result for result in results if isinstance(result, TemporaryError)]
    kept = {message.id for message, result in zip(messages, results, strict=True) if result == ()}
    site.close()
    assert {error.reply.code for error in refused} == {452}
    assert len(refused) + len(kept) == len(messages)
    assert refused
    assert kept
    assert ids_in(tmp_path) == kept


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def failing(tmp_path: Path, faults: Faults) -> Iterator[CrashSite]:
    """Return a site on a file system that fails on demand."""
    with FaultVFS(faults=faults) as vfs:
        site = CrashSite(tmp_path, vfs=vfs.name, disk=FaultDisk(faults=faults))
        yield site
        faults.heal()
        site.close()


@pytest.mark.parametrize("after", range(6))
@pytest.mark.parametrize(
    ("operation", "code"), [("write", apsw.SQLITE_IOERR_WRITE), ("write", apsw.SQLITE_FULL), ("sync", 0)]
)
def test_an_error_in_mid_acceptance(failing: CrashSite, faults: Faults, operation: str, code: int, after: int) -> None:
    """Whichever write or sync of the WAL fails: a 4xx and nothing kept, or all of it; then everything goes on."""
    site = failing
    (first,) = accept(site, content(1, 12_000))
    message = site.message(InlineBody(content(2, 12_000)), RECIPIENT)
    faults.fail(operation, "-wal", after=after, times=1, code=code)

    (result,) = site.hand.wait_all(site.spool.accept(message, claim=False))
    faults.heal()

    kept = {message.id} if result == () else set()
    assert kept or (isinstance(result, TemporaryError) and result.reply.code in {451, 452})
    assert ids_in(site.path) == {first.message_id} | kept
    site.database._space.look()
    (last,) = accept(site, content(3, 12_000))
    settle(site, [first])
    assert ids_in(site.path) == {last.message_id} | kept


@pytest.mark.parametrize("operation", ["write", "sync"])
def test_an_error_in_a_settle_keeps_the_claim(failing: CrashSite, faults: Faults, operation: str) -> None:
    """The runner hears of it and can settle again; nobody else gets the recipient meanwhile."""
    site = failing
    claims = accept(site, content(1, 1000))
    faults.fail(operation, "-wal", times=1)

    with pytest.raises(TemporaryError):
        settle(site, claims)
    assert site.hand.wait(site.spool.claim(10, frozenset())) == ()
    settle(site, claims)

    assert ids_in(site.path) == set()


@pytest.mark.parametrize("operation", ["open", "write", "sync", "sync_directory"])
def test_an_error_in_a_large_body(failing: CrashSite, faults: Faults, operation: str) -> None:
    """The body is refused with 451 and leaves no file; the next one is taken."""
    site = failing
    faults.fail(operation, times=1)

    with pytest.raises(TemporaryError) as error:
        site.hand.wait(site.write_body(bytes(300_000)))
    faults.heal()
    body = site.hand.wait(site.write_body(content(5, 300_000)))
    site.hand.wait(site.spool.accept(site.message(body, RECIPIENT), claim=False))
    site.hand.wait(site.bodies.close())

    assert error.value.reply.code == 451
    assert isinstance(body, FileBody)
    assert [path.name for path in (site.path / "bodies").glob("*/*")] == [Path(body.name).name]
    assert len(ids_in(site.path)) == 1
