"""What operators do to recipients: retry, postpone, hold, release, delete, bounce, reroute.

A change is made in slices, so that it holds up no mail.  What can't be done
to a recipient that is being tried is left as a wish: it is done when that
attempt ends without delivery.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.model import TLSLevel
from twistedmail_mta.spool.rows import Key, Row
from twistedmail_mta.spool.tables import FAILED_BY_OPERATOR, drop_empty

Action = Literal["retry", "hold", "release", "delete", "bounce"]

_RETRY: Final = """
UPDATE recipient SET due = min(due, ?1) WHERE message = ?2 AND n = ?3 AND state = 'waiting' AND owner IS NULL
RETURNING message, n, NULL
"""

_POSTPONE: Final = """
UPDATE recipient SET due = ?1 WHERE message = ?2 AND n = ?3 AND state = 'waiting' AND owner IS NULL
RETURNING message, n, NULL
"""

_HOLD: Final = """
UPDATE recipient SET
    state = iif(owner IS NULL, 'held', state), held_since = iif(owner IS NULL, coalesce(held_since, ?1), NULL),
    suspension = NULL, wish = iif(owner IS NULL, NULL, 'hold')
WHERE message = ?2 AND n = ?3 AND state IN ('waiting', 'suspended')
RETURNING message, n, owner
"""

_RELEASE: Final = """
UPDATE recipient SET
    since = since + iif(state = 'held', max(0.0, ?1 - held_since), 0.0),
    state = 'waiting', held_since = NULL, wish = NULL
WHERE message = ?2 AND n = ?3 AND (state = 'held' OR wish = 'hold')
RETURNING message, n, NULL
"""

_HOLD_OVER: Final = """
DELETE FROM detention WHERE message = ?1 AND kind = 'hold'
    AND NOT EXISTS (SELECT 1 FROM recipient WHERE message = ?1 AND state = 'held')
"""

_DELETE: Final = "DELETE FROM recipient WHERE message = ? AND n = ? AND owner IS NULL RETURNING message, n, NULL"

_WISH_DELETE: Final = """
UPDATE recipient SET wish = 'delete' WHERE message = ? AND n = ? AND owner IS NOT NULL RETURNING message, n, owner
"""

_BOUNCE: Final = f"""
UPDATE recipient SET {FAILED_BY_OPERATOR}, attempted_at = ?1
WHERE message = ?2 AND n = ?3 AND owner IS NULL AND state <> 'failed' RETURNING message, n, NULL
"""  # noqa: S608 - a constant

_WISH_BOUNCE: Final = """
UPDATE recipient SET wish = 'bounce', attempted_at = ?1
WHERE message = ?2 AND n = ?3 AND owner IS NOT NULL RETURNING message, n, owner
"""

_REROUTE: Final = """
UPDATE recipient SET
    via = ?1, via_tls = ?2, due = iif(owner IS NULL, min(due, ?3), due),
    since = since + iif(state = 'suspended', max(0.0, ?4 - held_since), 0.0),
    held_since = iif(state = 'suspended', NULL, held_since), suspension = NULL,
    state = iif(state = 'suspended', 'waiting', state)
WHERE message = ?5 AND n = ?6 AND state <> 'failed' RETURNING message, n, owner
"""


@dataclass(frozen=True, slots=True)
class Changed:
    """What an operator's action did.

    Attributes:
        keys: the recipients it was done to, with who leases each: for those
            it is a wish until the attempt ends.
        wanted: attempts are wanted now; else those under way are not.
        files: what no row names any more.
    """

    keys: tuple[tuple[int, int, int | None], ...]
    wanted: bool = False
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """When a change is made.

    Attributes:
        now: seconds since the epoch.
        running: the running time.
    """

    now: float
    running: float


Change = Callable[[Transaction, Sequence[Key], Moment], Changed]
"""Does something to at most `SLICE` recipients; those it can't be done to are left out."""


def retry(tx: Transaction, keys: Sequence[Key], at: Moment) -> Changed:
    """Make waiting recipients due."""
    return Changed(_each(tx, _RETRY, [(at.now, *key) for key in keys]), wanted=True)


def postpone(due: float) -> Change:
    """Return the change that makes waiting recipients due at another time, sooner or later; their age goes on.

    Args:
        due: seconds since the epoch.
    """

    def change(tx: Transaction, keys: Sequence[Key], at: Moment) -> Changed:  # noqa: ARG001 - a `Change`
        return Changed(_each(tx, _POSTPONE, [(due, *key) for key in keys]), wanted=True)

    return change


def hold(tx: Transaction, keys: Sequence[Key], at: Moment) -> Changed:
    """Try waiting recipients no more until they are released."""
    return Changed(_each(tx, _HOLD, [(at.running, *key) for key in keys]))


def release(tx: Transaction, keys: Sequence[Key], at: Moment) -> Changed:
    """End holds; the time on hold doesn't count as age."""
    released = _each(tx, _RELEASE, [(at.running, *key) for key in keys])
    for _ in tx.executemany(_HOLD_OVER, [(message,) for message in {message for message, _, _ in released}]):
        pass
    return Changed(released, wanted=True)


def delete(tx: Transaction, keys: Sequence[Key], at: Moment) -> Changed:  # noqa: ARG001 - a `Change`
    """Delete recipients, failures not yet reported included."""
    wishes = _each(tx, _WISH_DELETE, keys)
    deleted = _each(tx, _DELETE, keys)
    return Changed(deleted + wishes, files=drop_empty(tx, {message: None for message, _, _ in deleted}))


def bounce(tx: Transaction, keys: Sequence[Key], at: Moment) -> Changed:
    """Fail recipients; they are reported as any failure."""
    rows = [(at.now, *key) for key in keys]
    return Changed(_each(tx, _BOUNCE, rows) + _each(tx, _WISH_BOUNCE, rows))


def reroute(via: str | None, tls: TLSLevel) -> Change:
    """Return the change that sends recipients another way from the next attempt on, which is due now.

    Args:
        via: as `parse_via` reads it; None for the way that the site file says.
        tls: what is demanded there.
    """

    def change(tx: Transaction, keys: Sequence[Key], at: Moment) -> Changed:
        way = (via, None if via is None else tls, at.now, at.running)
        return Changed(_each(tx, _REROUTE, [(*way, *key) for key in keys]))

    return change


CHANGES: Final[dict[Action, Change]] = {
    "retry": retry,
    "hold": hold,
    "release": release,
    "delete": delete,
    "bounce": bounce,
}


def _each(tx: Transaction, sql: str, rows: Sequence[Row] | Sequence[Key]) -> tuple[tuple[int, int, int | None], ...]:
    return tuple((message, n, owner) for message, n, owner in tx.executemany(sql, rows))
