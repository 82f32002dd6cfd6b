"""The queue counted for whoever watches it: by state and reason, in stretches that cut no message in two."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from twistedmail_mta.cli.offline import ImmediateDatabase, finished
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.spool import census
from twistedmail_mta.spool.census import Census, take_census
from twistedmail_mta.spool.ids import MessageIds, made_at
from twistedmail_mta.store.sync import SyncDatabase

NOW = 1_700_000_000.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SyncDatabase]:
    """A database with the real schema."""
    with SyncDatabase(tmp_path / "mta.db") as database:
        yield database


def queue(database: SyncDatabase, at: float, *recipients: dict[str, Any], kind: str = "") -> None:
    """Put a message with some recipients into the queue, received then."""
    message = MessageIds(lambda: at, 0).new()

    def put(tx: Transaction) -> None:
        tx.execute("INSERT INTO body (id, refs, size, data) VALUES (?, 1, 1, x'00')", (message,))
        tx.execute(
            "INSERT INTO message (id, body, size, received_at, sender_local, sender_domain, eight_bit, smtputf8, ret, "
            "envid, auth, protocol, peer, helo, account, listener, header, tags) "
            "VALUES (?1, ?1, 1, ?2, '', '', 0, 0, NULL, NULL, NULL, 'ESMTP', '', '', NULL, 'mx', x'', NULL)",
            (message, at),
        )
        for n, each in enumerate(recipients):
            columns = {
                "message": message,
                "n": n,
                "local": "a",
                "domain": "b.test",
                "due": at,
                "since": at,
                "epoch": 0,
            } | each
            names, marks = ", ".join(columns), ", ".join("?" * len(columns))
            tx.execute(f"INSERT INTO recipient ({names}) VALUES ({marks})", tuple(columns.values()))
        if kind:
            tx.execute(
                "INSERT INTO detention (message, kind, reason, plugin, since, octets) VALUES (?, ?, '', 'p', 0, 1)",
                (message, kind),
            )

    database.write(put)


def counted(database: SyncDatabase) -> Census:
    return finished(take_census(ImmediateDatabase(database).read))


def test_an_empty_queue(database: SyncDatabase) -> None:
    """Nothing is 0, and has no age."""
    assert counted(database) == Census()


def test_states_and_reasons(database: SyncDatabase) -> None:
    """As `mta queue` has them; codes that mean nothing in particular, which strangers choose, make no groups."""
    queue(database, NOW - 100, {}, {"reason": "greylisted", "code": 450}, {"code": 451, "status": "4.9.9"})
    queue(database, NOW - 50, {"code": 452, "status": "4.8.8"}, {"state": "failed", "code": 550})
    queue(database, NOW - 20, {"state": "held", "held_since": NOW})
    queue(database, NOW - 10, {"state": "held", "held_since": NOW}, kind="quarantine")

    found = counted(database)

    assert found.messages == 4
    assert found.recipients == {
        ("waiting", "untried"): 1,
        ("waiting", "greylisted"): 1,
        ("waiting", "unclassified"): 2,
        ("failed", "unclassified"): 1,
        ("held", "untried"): 1,
        ("quarantined", "untried"): 1,
    }
    assert found.oldest == {
        "waiting": NOW - 100,
        "failed": NOW - 50,
        "held": NOW - 20,
        "quarantined": NOW - 10,
    }


@pytest.mark.parametrize("stretch", [1, 2, 3, 4, 100])
def test_stretches(database: SyncDatabase, monkeypatch: pytest.MonkeyPatch, stretch: int) -> None:
    """Wherever they end, each message and recipient counts once, and the oldest is the oldest."""
    monkeypatch.setattr(census, "STRETCH", stretch)
    for n in range(5):
        queue(database, NOW + n, *[{}] * (n + 1))

    found = counted(database)

    assert found.messages == 5
    assert found.recipients == {("waiting", "untried"): 15}
    assert found.oldest == {"waiting": NOW}


def test_ids_tell_their_time() -> None:
    """To the millisecond."""
    assert made_at(MessageIds(lambda: NOW + 0.125, 7).new()) == NOW + 0.125
