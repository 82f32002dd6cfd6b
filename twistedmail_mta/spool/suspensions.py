"""What operators suspended, and the recipients that wait for the end of that.

A suspended recipient is parked: out of the way of claims, and its age stands
still, as on hold.  What waits when a domain, an account or everything is
suspended is parked at once; what comes later, or belongs to a lane, when its
turn would have come.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Final

from twistedmail_mta.interfaces import IDatabase, Transaction
from twistedmail_mta.model import Suspended, Suspension
from twistedmail_mta.spool.operator_change import Change, Changed, Moment
from twistedmail_mta.spool.rows import Key, Row
from twistedmail_mta.spool.stretch import SLICE

_ADD: Final = """
INSERT INTO suspension (kind, name, since) VALUES (?, ?, ?)
ON CONFLICT (kind, name) WHERE NOT ended DO UPDATE SET name = excluded.name RETURNING id, kind, name, since
"""

_CURRENT: Final = "SELECT id, kind, name, since FROM suspension WHERE NOT ended ORDER BY id"

_END: Final = "UPDATE suspension SET ended = 1 WHERE kind = ? AND name = ? AND NOT ended RETURNING id"

_ENDED: Final = "SELECT id FROM suspension WHERE ended"

_HOW_MANY: Final = """
SELECT count(*) FROM recipient INDEXED BY recipient_suspended WHERE state = 'suspended' AND suspension = ?
"""

_PARKED: Final = """
SELECT message, n FROM recipient INDEXED BY recipient_suspended WHERE state = 'suspended' AND suspension = ? LIMIT ?
"""

_IS_CURRENT: Final = "EXISTS (SELECT 1 FROM suspension WHERE id = ?2 AND NOT ended)"

_PARK: Final = f"""
UPDATE recipient SET state = 'suspended', held_since = ?1, suspension = ?2
WHERE message = ?3 AND n = ?4 AND state = 'waiting' AND owner IS NULL AND {_IS_CURRENT}
RETURNING message, n, NULL
"""  # noqa: S608 - a constant

_PARK_CLAIMED: Final = f"""
UPDATE recipient SET state = 'suspended', held_since = ?1, suspension = ?2, owner = NULL, epoch = epoch + 1
WHERE message = ?3 AND n = ?4 AND epoch = ?5 AND wish IS NULL AND {_IS_CURRENT}
"""  # noqa: S608 - a constant

_UNPARK: Final = """
UPDATE recipient SET
    state = 'waiting', since = since + max(0.0, ?1 - held_since), held_since = NULL, suspension = NULL
WHERE message = ?2 AND n = ?3 AND state = 'suspended' AND suspension = ?4
RETURNING message
"""

_FORGET: Final = """
DELETE FROM suspension WHERE id = ?1 AND ended
    AND NOT EXISTS (SELECT 1 FROM recipient WHERE state = 'suspended' AND suspension = ?1)
"""


def add(tx: Transaction, what: Suspended, now: float) -> Suspension:
    """Suspend something; what is suspended already stays as it is."""
    ((id_, kind, name, since),) = tx.execute(_ADD, (what.kind, what.name, now))
    return Suspension(id_, Suspended(kind, name), since)


def current(tx: Transaction) -> list[Suspension]:
    """Return what is suspended, the oldest first."""
    return [Suspension(id_, Suspended(kind, name), since) for id_, kind, name, since in tx.execute(_CURRENT)]


def end(tx: Transaction, what: Suspended) -> bool:
    """End a suspension; `let_go` does the rest.  Return whether there was one."""
    return bool(list(tx.execute(_END, (what.kind, what.name))))


def how_many(tx: Transaction, suspension: int) -> int:
    """Return how many recipients are parked by a suspension."""
    ((number,),) = tx.execute(_HOW_MANY, (suspension,))
    return int(number)


def park(suspension: int) -> Change:
    """Return the change that parks waiting recipients."""

    def change(tx: Transaction, keys: Sequence[Key], at: Moment) -> Changed:
        rows = [(at.running, suspension, *key) for key in keys]
        return Changed(tuple((message, n, None) for message, n, _ in tx.executemany(_PARK, rows)))

    return change


def park_claimed(tx: Transaction, rows: Sequence[Row]) -> None:
    """Park claimed recipients; those of whom something else is wished are left.

    Args:
        tx: the transaction.
        rows: running time, suspension, message, place and epoch of each.
    """
    for _ in tx.executemany(_PARK_CLAIMED, rows):
        pass


async def let_go(
    database: IDatabase,
    running_time: Callable[[], Awaitable[float]],
    record: Callable[[str, Iterable[int]], None],
    advance: Callable[[int], None] = lambda _: None,
) -> int:
    """Let go on whatever waits for the end of suspensions that ended, whoever ended them.

    The time they waited doesn't count as age.

    Args:
        database: where they are.
        running_time: as for `owners.running_time`.
        record: told of it, as for `QueueControl`.
        advance: told of each slice that is done: how many recipients were looked at.

    Returns:
        How many recipients go on.

    Raises:
        TemporaryError: the rest waits for the next time.
    """
    resumed = 0
    for (suspension,) in await database.read(lambda tx: list(tx.execute(_ENDED))):
        while keys := await database.read(partial(_parked, suspension=suspension)):
            unpark = partial(_unpark, suspension=suspension, keys=keys, running=await running_time())
            going_on = await database.write(unpark, urgent=True)
            resumed += len(going_on)
            record("resume", going_on)
            advance(len(keys))
        await database.write(partial(_forget, suspension=suspension), urgent=True)
    return resumed


def _parked(tx: Transaction, suspension: int) -> list[Key]:
    return [(message, n) for message, n in tx.execute(_PARKED, (suspension, SLICE))]


def _unpark(tx: Transaction, suspension: int, keys: Sequence[Key], running: float) -> list[int]:
    """Let recipients go on; return the message of each."""
    return [message for (message, *_) in tx.executemany(_UNPARK, [(running, *key, suspension) for key in keys])]


def _forget(tx: Transaction, suspension: int) -> None:
    tx.execute(_FORGET, (suspension,))
