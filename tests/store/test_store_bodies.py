"""Bodies: inline or a file, written in blocks, durable before their row, gone when abandoned."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from faultfs import FaultDisk
from hand_reactor import PATIENCE, HandReactor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from power_cut import Journal
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IBodyStore, IBodyWriter
from twistedmail_mta.model import Body, FileBody, InlineBody
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.body_writer import BLOCK_SIZE
from twistedmail_mta.store.replies import DISK_FULL, STORE_FAILED
from twistedmail_mta.tasks import Cancelled, WorkerPool

LIMIT = 1000
NOON = 1_800_000_000.0


@pytest.fixture
def pool(hand: HandReactor) -> Iterator[WorkerPool]:
    """Return the I/O threads."""
    pool = WorkerPool(hand, "io", 2, 100)
    yield pool
    pool.stop()


@pytest.fixture
def disk(tmp_path: Path) -> FaultDisk:
    """Return the disk, recorded."""
    return FaultDisk(Journal(tmp_path))


@pytest.fixture
def bodies(pool: WorkerPool, tmp_path: Path, disk: FaultDisk) -> BodyStore:
    """Return a store whose bodies are files from 1001 octets on."""
    return BodyStore(pool, tmp_path / "bodies", inline_limit=LIMIT, disk=disk, now=lambda: NOON)


async def write(bodies: BodyStore, *blocks: bytes) -> Body:
    """Write a body as a session does."""
    writer = bodies.writer()
    for block in blocks:
        if writer.add(block):
            await writer.flush()
    return await writer.finish()


def files(tmp_path: Path) -> list[Path]:
    """Return all body files."""
    return sorted(path for path in (tmp_path / "bodies").rglob("*") if path.is_file())


def test_provides_the_seams(bodies: BodyStore) -> None:
    """What roles are given is what the interfaces promise."""
    assert verifyObject(IBodyStore, bodies)
    assert verifyObject(IBodyWriter, bodies.writer())


@pytest.mark.parametrize("size", [0, 1, LIMIT])
def test_small_bodies_stay_in_memory(hand: HandReactor, bodies: BodyStore, tmp_path: Path, size: int) -> None:
    """Up to the limit there is no file, not even for a moment."""
    assert hand.wait(write(bodies, b"x" * size)) == InlineBody(b"x" * size)
    assert files(tmp_path) == []


@pytest.mark.parametrize("size", [LIMIT + 1, BLOCK_SIZE, 3 * BLOCK_SIZE + 7])
def test_large_bodies_are_files(hand: HandReactor, bodies: BodyStore, tmp_path: Path, size: int) -> None:
    """The file holds the octets, its owner alone may read it, and reads of parts agree."""
    content = bytes(range(256)) * (size // 256 + 1)
    content = content[:size]
    body = hand.wait(write(bodies, *(content[at : at + 9999] for at in range(0, size, 9999))))

    assert isinstance(body, FileBody)
    assert body.size == size
    (path,) = files(tmp_path)
    assert path == tmp_path / "bodies" / body.name
    assert path.read_bytes() == content
    assert [p.stat().st_mode & 0o777 for p in (path, path.parent, tmp_path / "bodies")] == [0o600, 0o700, 0o700]
    assert hand.wait(bodies.read(body, 10, 500)) == content[10:510]
    assert hand.wait(bodies.read(body, size - 5, 500)) == content[-5:]
    assert hand.wait(bodies.read(body, size, 500)) == b""


def test_inline_bodies_are_read_the_same_way(hand: HandReactor, bodies: BodyStore) -> None:
    """Whoever sends a body on needn't know where it is."""
    assert hand.wait(bodies.read(InlineBody(b"0123456789"), 3, 4)) == b"3456"
    assert hand.wait(bodies.read(InlineBody(b"0123456789"), 8, 4)) == b"89"


def test_the_file_is_durable_before_it_is_named(hand: HandReactor, bodies: BodyStore, disk: FaultDisk) -> None:
    """Content, then the directory, and a new directory's parent before it has files."""
    hand.wait(write(bodies, b"x" * (LIMIT + 1)))
    assert disk.faults.asked == [
        *("make_directory", "sync_directory"),  # the root, when the store was opened
        *("make_directory", "sync_directory", "open", "write", "sync", "close", "sync_directory"),
    ]


def test_memory_holds_one_block(hand: HandReactor, bodies: BodyStore) -> None:
    """`add` asks for a flush as soon as a block is full, and then starts anew."""
    writer = bodies.writer()
    assert [writer.add(b"x" * (BLOCK_SIZE // 4)) for _ in range(4)] == [False, False, False, True]
    hand.wait(writer.flush())
    assert not writer._waiting
    writer.abandon()
    hand.wait(bodies.close())


def test_an_abandoned_body_leaves_nothing(hand: HandReactor, bodies: BodyStore, tmp_path: Path) -> None:
    """A client that goes away in the middle takes its file with it."""
    writer = bodies.writer()
    writer.add(b"x" * BLOCK_SIZE)
    hand.wait(writer.flush())
    assert len(files(tmp_path)) == 1

    writer.abandon()
    hand.wait(bodies.close())
    assert files(tmp_path) == []
    with pytest.raises(TemporaryError):
        hand.wait(writer.finish())


def test_abandon_after_finish_keeps_the_body(hand: HandReactor, bodies: BodyStore, tmp_path: Path) -> None:
    """From `finish` on the file belongs to the row that may name it."""
    writer = bodies.writer()
    writer.add(b"x" * BLOCK_SIZE)
    hand.wait(writer.finish())
    writer.abandon()
    hand.wait(bodies.close())
    assert len(files(tmp_path)) == 1


class SlowDisk(FaultDisk):
    """A disk on which writes last until the test lets them go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go = Event(), Event()

    def write(self, descriptor: int, octets: bytearray) -> None:
        super().write(descriptor, octets)
        self.reached.set()
        assert self.go.wait(PATIENCE)


@pytest.mark.parametrize("step", ["flush", "finish"])
def test_cancelled_in_mid_write(hand: HandReactor, pool: WorkerPool, tmp_path: Path, step: str) -> None:
    """The client goes away while a block is being written: the file is unlinked after that, not before."""
    disk = SlowDisk()
    bodies = BodyStore(pool, tmp_path / "bodies", inline_limit=LIMIT, disk=disk)
    writer = bodies.writer()
    writer.add(b"x" * BLOCK_SIZE)
    waiting: Deferred[Any] = Deferred.fromCoroutine(getattr(writer, step)())
    waiting.addErrback(lambda failure: failure.trap(Cancelled))
    assert disk.reached.wait(PATIENCE)

    waiting.cancel()
    writer.abandon()
    disk.go.set()
    hand.wait(bodies.close())
    assert files(tmp_path) == []


@pytest.mark.parametrize("operation", ["make_directory", "open", "write", "sync", "close", "sync_directory"])
@pytest.mark.parametrize(("code", "reply"), [(errno.ENOSPC, DISK_FULL), (errno.EIO, STORE_FAILED)])
def test_a_disk_that_fails(  # noqa: PLR0917 - fixtures
    hand: HandReactor, bodies: BodyStore, disk: FaultDisk, tmp_path: Path, operation: str, code: int, reply: Any
) -> None:
    """Wherever it fails: 452 or 451, and nothing half is left."""
    disk.faults.fail(operation, code=code, times=1)
    with pytest.raises(TemporaryError) as refused:
        hand.wait(write(bodies, b"x" * 3 * BLOCK_SIZE))
    assert refused.value.reply == reply
    hand.wait(bodies.close())
    assert files(tmp_path) == []
    assert isinstance(hand.wait(write(bodies, b"x" * 3 * BLOCK_SIZE)), FileBody)


def test_names_are_in_the_order_of_time(hand: HandReactor, pool: WorkerPool, tmp_path: Path) -> None:
    """An operator sees by the name when a body came; two of one instant differ."""
    times = iter([NOON, NOON, NOON + 0.5, NOON + 3600])
    bodies = BodyStore(pool, tmp_path / "bodies", inline_limit=0, now=lambda: next(times))
    names = [hand.wait(write(bodies, b"x")).name for _ in range(4)]
    assert len(set(names)) == 4
    assert names[:2] < names[2:] == sorted(names[2:])
    assert [name.split("/")[0] for name in names] == ["2027011508"] * 3 + ["2027011509"]


def test_removed_bodies_are_gone(hand: HandReactor, bodies: BodyStore, tmp_path: Path) -> None:
    """Removing twice does no harm; reading what is gone is a temporary error."""
    body = hand.wait(write(bodies, b"x" * (LIMIT + 1)))
    assert isinstance(body, FileBody)
    hand.wait(bodies.remove([body.name]))
    hand.wait(bodies.remove([body.name]))
    assert files(tmp_path) == []
    with pytest.raises(TemporaryError):
        hand.wait(bodies.read(body, 0, 1))


@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(0, 700), max_size=12))
def test_any_cuts_give_the_same_body(hand: HandReactor, bodies: BodyStore, sizes: list[int]) -> None:
    """However the octets come, inline or as a file, they are those that were added."""
    blocks = [bytes([number]) * size for number, size in enumerate(sizes)]
    body = hand.wait(write(bodies, *blocks))
    assert isinstance(body, InlineBody) == (sum(sizes) <= LIMIT)
    assert body.size == sum(sizes)
    assert hand.wait(bodies.read(body, 0, 10_000)) == b"".join(blocks)
