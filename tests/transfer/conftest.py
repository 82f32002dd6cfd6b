"""A host in a directory of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from transfer_host import Host

from twistedmail_mta.cli.offline import ImmediatePool
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.tasks import WorkerPool


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Return a host that keeps bodies over 2,000 octets in files."""
    state = tmp_path / "state"
    state.mkdir()
    with SyncDatabase(state / "mta.db") as database:
        yield Host(database, BodyStore(cast(WorkerPool, ImmediatePool()), state / "bodies", inline_limit=2000))
