"""Bodies that are held: nobody removes one meanwhile, and a dead holder holds nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest
from hand_reactor import HandReactor

from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.holding import HeldError, holding, leave_to_remove
from twistedmail_mta.tasks import WorkerPool

HOLDER = """
import sys
from pathlib import Path
from twistedmail_mta.store.holding import holding
with holding(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def bodies(hand: HandReactor, tmp_path: Path) -> Iterator[BodyStore]:
    """Return a store with an old file that no row names."""
    pool = WorkerPool(hand, "io", 2, 100)
    store = BodyStore(pool, tmp_path / "bodies")
    (store.root / "a").mkdir()
    (store.root / "a" / "old").write_bytes(b"x")
    os.utime(store.root / "a" / "old", (time.time() - 9000, time.time() - 9000))
    yield store
    pool.stop()


async def nothing_named(_: Sequence[str]) -> Collection[str]:
    return ()


def test_what_is_held_stays(hand: HandReactor, bodies: BodyStore) -> None:
    """Neither the removal of a body nor the sweep takes a file; the next sweep does."""
    with holding(bodies.root):
        hand.wait(bodies.remove(["a/old"]))
        assert hand.wait(bodies.sweep(nothing_named, 3600.0)) == 0
        assert (bodies.root / "a" / "old").exists()

    assert hand.wait(bodies.sweep(nothing_named, 3600.0)) == 1
    assert not (bodies.root / "a" / "old").exists()


def test_removals_wait_for_nobody(hand: HandReactor, bodies: BodyStore) -> None:
    """Two that remove at the same time don't keep each other from it."""
    with leave_to_remove(bodies.root) as may:
        hand.wait(bodies.remove(["a/old"]))

    assert may
    assert not (bodies.root / "a" / "old").exists()


def test_a_holder_that_is_killed_holds_nothing(bodies: BodyStore) -> None:
    """Its lock ends with it, whatever way it ended."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(bodies.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with leave_to_remove(bodies.root) as may:
        assert not may

    holder.send_signal(signal.SIGKILL)
    holder.communicate()

    with leave_to_remove(bodies.root) as may:
        assert may


def test_one_holds_at_a_time(bodies: BodyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is told so, instead of waiting for ever."""
    monkeypatch.setattr("twistedmail_mta.store.holding.PATIENCE", 0.0)
    with holding(bodies.root), pytest.raises(HeldError), holding(bodies.root):
        raise AssertionError("both hold")
