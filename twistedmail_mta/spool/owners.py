"""Who may hold claims: one row for each running process, kept alive by a lease.

A claim counts while its owner's row is there.  Whoever finds that an owner is
dead (another boot, a lease that ran out, its process number taken over)
removes that row first, and then gives its claims back in pieces, so that a
crash in between loses nothing: claims without an owner are found by the next.

Wishes and epochs of claims given back stay as they are: a process that was
only stalled may still settle what it did, unless another claimed it since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.spool.rows import Key
from twistedmail_mta.spool.stretch import stretch_end
from twistedmail_mta.spool.tables import FAILED_BY_OPERATOR, drop_empty

_ALIVE: Final = "boot = ?1 AND process <> ?2 AND lease_until >= ?3"

_ADD_DOWNTIME: Final = f"""
UPDATE downtime SET seconds = seconds + max(0.0, ?4 - coalesce((SELECT max(heartbeat) FROM owner), ?4))
WHERE NOT EXISTS (SELECT 1 FROM owner WHERE {_ALIVE})
"""  # noqa: S608 - a constant

_BURY: Final = f"DELETE FROM owner WHERE NOT ({_ALIVE}) RETURNING id"  # noqa: S608 - a constant

_REGISTER: Final = "INSERT INTO owner (boot, process, heartbeat, lease_until) VALUES (?, ?, ?, ?) RETURNING id"

_RENEW: Final = """
INSERT INTO owner (id, boot, process, heartbeat, lease_until) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET heartbeat = excluded.heartbeat, lease_until = excluded.lease_until
"""

_END_ALL: Final = "UPDATE owner SET lease_until = -1.0"

_GREATEST_ID: Final = "SELECT max(coalesce((SELECT max(id) FROM message), 0), coalesce((SELECT max(id) FROM body), 0))"

_RUNNING_TIME: Final = """
SELECT iif(EXISTS (SELECT 1 FROM owner WHERE boot = ?1 AND lease_until >= ?2),
           ?3, min(?3, coalesce((SELECT max(heartbeat) FROM owner), ?3))) - (SELECT seconds FROM downtime)
"""

_ORPHANS: Final = """
SELECT message, n FROM recipient
WHERE (message, n) > (?, ?) AND (message, n) <= (?, ?)
  AND owner IS NOT NULL AND owner NOT IN (SELECT id FROM owner)
"""

_DELETE_UNWANTED: Final = """
DELETE FROM recipient
WHERE message = ? AND n = ? AND wish = 'delete' AND owner NOT IN (SELECT id FROM owner)
"""

_REFUSE_UNWANTED: Final = f"""
UPDATE recipient SET {FAILED_BY_OPERATOR}, owner = NULL
WHERE message = ? AND n = ? AND wish = 'bounce' AND owner NOT IN (SELECT id FROM owner)
"""  # noqa: S608 - a constant

_GIVE_BACK: Final = """
UPDATE recipient SET
    owner = NULL, wish = NULL, state = iif(wish = 'hold', 'held', state), held_since = iif(wish = 'hold', ?, held_since)
WHERE message = ? AND n = ? AND owner NOT IN (SELECT id FROM owner)
"""


@dataclass(frozen=True, slots=True)
class Host:
    """The process that may hold claims.

    Attributes:
        boot: names this run of the machine.
        process: this process's number; unique among those that run.
    """

    boot: str
    process: int


@dataclass(frozen=True, slots=True)
class Registration:
    """What a process learns when it starts.

    Attributes:
        owner: the id that its claims carry.
        downtime: seconds no server ran so far, in all.
        greatest_id: the greatest id of a message or body.
    """

    owner: int
    downtime: float
    greatest_id: int


def register(tx: Transaction, host: Host, now: float, uptime: float, lease: float) -> Registration:
    """Begin to be an owner, and bury those that are dead.

    Time since the last heartbeat counts as time down when nobody else is alive.

    Args:
        tx: the transaction.
        host: who starts.
        now: seconds since the epoch.
        uptime: seconds on a clock that nobody sets; the same for every process.
        lease: seconds until it must be renewed.
    """
    alive = (host.boot, host.process, uptime)
    tx.execute(_ADD_DOWNTIME, (*alive, now))
    list(tx.execute(_BURY, alive))
    ((owner,),) = tx.execute(_REGISTER, (host.boot, host.process, now, uptime + lease))
    ((downtime,),) = tx.execute("SELECT seconds FROM downtime")
    ((greatest_id,),) = tx.execute(_GREATEST_ID)
    return Registration(owner, downtime, greatest_id)


def renew(tx: Transaction, owner: int, host: Host, now: float, lease_until: float) -> None:
    """Prolong the lease of every claim of `owner`."""
    tx.execute(_RENEW, (owner, host.boot, host.process, now, lease_until))


def end_all(tx: Transaction) -> None:
    """End every lease: the database is a copy, and whoever had claims has them elsewhere."""
    tx.execute(_END_ALL)


def bury(tx: Transaction, host: Host, uptime: float) -> int:
    """Remove the rows of dead owners, ours too if it wasn't renewed; return how many there were."""
    return len(list(tx.execute(_BURY, (host.boot, -1, uptime))))


def running_time(tx: Transaction, boot: str, now: float, uptime: float) -> float:
    """Return the running time; while no server runs that is when the last one ended."""
    ((running,),) = tx.execute(_RUNNING_TIME, (boot, uptime, now))
    return float(running)


def orphaned(tx: Transaction, after: Key, rows: int) -> tuple[list[Key], Key]:
    """Read a stretch of the table: the claims that no owner holds any more, and its end."""
    end = stretch_end(tx, after, rows)
    found = [(message, n) for message, n in tx.execute(_ORPHANS, (*after, *end))]
    return found, end


def give_back(tx: Transaction, keys: Sequence[Key], running: float) -> tuple[str, ...]:
    """End claims of dead owners; return the files to unlink (an operator wished for that)."""
    for wish in (_DELETE_UNWANTED, _REFUSE_UNWANTED):
        for _ in tx.executemany(wish, keys):
            pass
    for _ in tx.executemany(_GIVE_BACK, [(running, *key) for key in keys]):
        pass
    return drop_empty(tx, {message: None for message, _ in keys})
