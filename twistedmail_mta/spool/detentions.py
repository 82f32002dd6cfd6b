"""Mail that waits for an operator because plugins wanted it: the reasons, and the transactions of the quarantine.

Each is a plain function on a transaction, as those of `tables`.  A message is
in quarantine as long as its row says so, and whoever removes that row, be it
an operator or time, is the one who decides: nobody else does anything then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.model import Address
from twistedmail_mta.spool.operator_change import Moment
from twistedmail_mta.spool.operator_selection import Selection, query, walk
from twistedmail_mta.spool.rows import Row
from twistedmail_mta.spool.stretch import START
from twistedmail_mta.spool.tables import drop_empty

PAGE: Final = 1000
"""Messages in quarantine that one read looks at."""

_HAS_ROOM: Final = "SELECT octets + ?1 <= ?2 FROM quarantined"

_NEXT: Final = "SELECT message FROM detention WHERE kind = 'quarantine' AND message > ? ORDER BY message LIMIT ?"

_OLD: Final = """
SELECT message FROM detention INDEXED BY detention_quarantined
WHERE kind = 'quarantine' AND since <= ? ORDER BY since LIMIT ?
"""

_LIFT: Final = "DELETE FROM detention WHERE message = ?1 AND kind = 'quarantine' RETURNING message"

_GO_ON: Final = """
UPDATE recipient SET state = 'waiting', held_since = NULL, due = ?1, since = ?2
WHERE message = ?3 AND state = 'held'
"""

_FORGET_RECIPIENTS: Final = "DELETE FROM recipient WHERE message = ?"

_SEND_TO: Final = """
INSERT INTO recipient (message, n, local, domain, notify, due, since, epoch)
SELECT id, 0, ?2, ?3, iif(account IS NULL, 'FAILURE', 'NEVER'), ?4, ?5, 0 FROM message WHERE id = ?1
"""


def has_room(tx: Transaction, octets: int, most: int) -> bool:
    """Return whether the quarantine may take so many octets more, `most` being all that it may hold."""
    ((fits,),) = tx.execute(_HAS_ROOM, (octets, most))
    return bool(fits)


def page(tx: Transaction, selection: Selection, after: int) -> tuple[list[int], int | None]:
    """Return which of the next messages in quarantine are meant, and where to go on; None at the end.

    Args:
        tx: the transaction.
        selection: which are meant; a message is if one of its recipients is.
        after: begin behind the message of this id.
    """
    candidates, end = selection.ids, None
    if candidates is None:
        candidates = tuple(message for (message,) in tx.execute(_NEXT, (after, PAGE)))
        end = candidates[-1] if len(candidates) == PAGE else None
    wanted = query(replace(selection, ids=candidates, quarantined=True))
    rows, _ = walk(tx, wanted, START, "SELECT DISTINCT r.message FROM recipient r", "ORDER BY r.message")
    return [message for (message,) in rows], end


def old(tx: Transaction, before: float, limit: int) -> list[int]:
    """Return messages that went into quarantine then or earlier, the oldest first."""
    return [message for (message,) in tx.execute(_OLD, (before, limit))]


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was removed from the quarantine: the messages, and the files that no row names any more."""

    messages: tuple[int, ...]
    files: tuple[str, ...]


def drop(tx: Transaction, messages: Sequence[int]) -> Dropped:
    """Delete messages that are in quarantine; others are left alone."""
    lifted = _lift(tx, messages)
    _each(tx, _FORGET_RECIPIENTS, [(message,) for message in lifted])
    return Dropped(lifted, drop_empty(tx, lifted))


def release(tx: Transaction, messages: Sequence[int], to: Address | None, at: Moment) -> tuple[int, ...]:
    """Let messages out of quarantine as if they had come now; return which.

    Args:
        tx: the transaction.
        messages: which; those that aren't in quarantine are left alone.
        to: who gets them instead of their recipients; their senders never wrote to that address, so those who
            logged in hear nothing of it, and of strangers' mail a failure is told, as always, to the administrator.
        at: now.
    """
    lifted = _lift(tx, messages)
    if to is None:
        _each(tx, _GO_ON, [(at.now, at.running, message) for message in lifted])
    else:
        _each(tx, _FORGET_RECIPIENTS, [(message,) for message in lifted])
        _each(tx, _SEND_TO, [(message, to.local, to.domain, at.now, at.running) for message in lifted])
    return lifted


def _lift(tx: Transaction, messages: Iterable[int]) -> tuple[int, ...]:
    return tuple(message for (message,) in tx.executemany(_LIFT, [(message,) for message in messages]))


def _each(tx: Transaction, sql: str, rows: Sequence[Row]) -> None:
    for _ in tx.executemany(sql, rows):
        pass
