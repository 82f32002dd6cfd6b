"""What operators do with the queue: list, show, retry, hold, release, delete.

Plain functions on a transaction, for the running server and for the command
that works while none runs.  A look at the queue reads it in stretches, a
change is made in slices: neither holds up the mail.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.model import Address, Reply, id_text
from twistedmail_mta.spool.rows import Key, Row
from twistedmail_mta.spool.stretch import END, STRETCH, stretch_end
from twistedmail_mta.spool.tables import drop_empty

Action = Literal["retry", "hold", "release", "delete"]
State = Literal["waiting", "active", "held", "failed"]

_MATCH: Final = """
    (?4 IS NULL OR rtrim(r.local || '@' || r.domain, '@') LIKE ?4 ESCAPE '\\')
    AND (?5 IS NULL OR r.domain = ?5)
    AND (?6 IS NULL OR EXISTS (
        SELECT 1 FROM message m
        WHERE m.id = r.message AND rtrim(m.sender_local || '@' || m.sender_domain, '@') LIKE ?6 ESCAPE '\\'))
"""

_FIND: Final = f"""
SELECT r.message, r.n FROM recipient r
WHERE (r.message, r.n) > (?1, ?2) AND (r.message, r.n) <= (?7, ?8) AND {_MATCH}
ORDER BY r.message, r.n LIMIT ?3
"""  # noqa: S608 - a constant

_FIND_IDS: Final = f"""
SELECT r.message, r.n FROM recipient r
WHERE r.message IN (SELECT value FROM json_each(?7)) AND (r.message, r.n) > (?1, ?2) AND {_MATCH}
ORDER BY r.message, r.n LIMIT ?3
"""  # noqa: S608 - a constant

_MESSAGES: Final = """
SELECT id, sender_local, sender_domain, size, received_at, account, peer FROM message
WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id
"""

_RECIPIENTS: Final = """
SELECT message, local, domain, iif(owner IS NULL, state, 'active'), attempts, due, attempted_at,
       code, status, reply, remote, wish, warnings
FROM recipient WHERE message IN (SELECT value FROM json_each(?)) ORDER BY message, n
"""

_COUNT: Final = """
SELECT count(*) FILTER (WHERE n = (SELECT min(n) FROM recipient f WHERE f.message = r.message)), count(*),
       count(*) FILTER (WHERE owner IS NOT NULL),
       count(*) FILTER (WHERE owner IS NULL AND state = 'waiting'),
       count(*) FILTER (WHERE owner IS NULL AND state = 'held'),
       count(*) FILTER (WHERE state = 'failed')
FROM recipient r WHERE (message, n) > (?, ?) AND (message, n) <= (?, ?)
"""

_RETRY: Final = """
UPDATE recipient SET due = min(due, ?1) WHERE message = ?2 AND n = ?3 AND state = 'waiting' AND owner IS NULL
RETURNING message, n, NULL
"""

_HOLD: Final = """
UPDATE recipient SET
    state = iif(owner IS NULL, 'held', state), held_since = iif(owner IS NULL, ?1, NULL),
    wish = iif(owner IS NULL, NULL, 'hold')
WHERE message = ?2 AND n = ?3 AND state = 'waiting'
RETURNING message, n, owner
"""

_RELEASE: Final = """
UPDATE recipient SET
    since = since + iif(state = 'held', max(0.0, ?1 - held_since), 0.0),
    state = 'waiting', held_since = NULL, wish = NULL
WHERE message = ?2 AND n = ?3 AND (state = 'held' OR wish = 'hold')
RETURNING message, n, NULL
"""

_DELETE: Final = "DELETE FROM recipient WHERE message = ? AND n = ? AND owner IS NULL RETURNING message, n, NULL"

_WISH_DELETE: Final = """
UPDATE recipient SET wish = 'delete' WHERE message = ? AND n = ? AND owner IS NOT NULL RETURNING message, n, owner
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which recipients are meant: those to whom all that is given applies.

    Attributes:
        ids: of these messages; None for all.
        to: a pattern of recipient addresses; `*` and `?` as in a shell, in any case.
        sender: a pattern of senders; "<>" is the null sender.
        domain: recipients of exactly this domain, in lower case.
    """

    ids: tuple[int, ...] | None = None
    to: str | None = None
    sender: str | None = None
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A selection, ready for SQL."""

    sql: str
    match: Row
    ids: str | None


def query(selection: Selection) -> Query:
    """Prepare a selection."""
    match = (_like(selection.to), selection.domain, _like(selection.sender))
    if selection.ids is None:
        return Query(_FIND, match, None)
    return Query(_FIND_IDS, match, json.dumps(selection.ids))


def _like(pattern: str | None) -> str | None:
    """Return the pattern as SQL's LIKE has it."""
    if pattern is None:
        return None
    literal = pattern.removeprefix("<").removesuffix(">")
    for special in "\\%_":
        literal = literal.replace(special, "\\" + special)
    return literal.replace("*", "%").replace("?", "_")


def find(tx: Transaction, wanted: Query, after: Key, limit: int) -> tuple[list[Key], Key]:
    """Return the first keys after `after` that are meant, at most `limit`, and where to go on.

    It may find nothing and yet not be at the end, which is `END`.
    """
    if wanted.ids is not None:
        found = _keys(tx, wanted, after, limit, (wanted.ids,))
        end = END
    else:
        end = stretch_end(tx, after, STRETCH)
        found = _keys(tx, wanted, after, limit, end)
    return found, found[-1] if len(found) == limit else end


def _keys(tx: Transaction, wanted: Query, after: Key, limit: int, rest: Row) -> list[Key]:
    rows = tx.execute(wanted.sql, (*after, limit, *wanted.match, *rest))
    return [(message, n) for message, n in rows]


@dataclass(frozen=True, slots=True)
class QueuedRecipient:
    """A recipient, as operators see it.

    Attributes:
        state: "active" while an attempt is made.
        due: when it is tried next; of a held one, when it would have been.
        attempted_at: when it was tried last; None when it never was.
        reply: what the last attempt met.
        remote: who said it.
        wish: "hold" or "delete", when that waits for the end of an attempt.
        warnings: delay warnings sent.
    """

    address: str
    state: State
    attempts: int
    due: float
    attempted_at: float | None
    reply: str
    remote: str
    wish: Literal["hold", "delete"] | None
    warnings: int


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message, as operators see it; `dataclasses.asdict` of it can be written as JSON.

    Attributes:
        id: as people write it.
        sender: empty for the null sender.
        size: octets.
        received_at: seconds since the epoch.
        account: the login that submitted it.
        peer: the client's address.
        recipients: all that are still here.
    """

    id: str
    sender: str
    size: int
    received_at: float
    account: str | None
    peer: str
    recipients: tuple[QueuedRecipient, ...]


def queued(tx: Transaction, ids: Sequence[int]) -> tuple[list[Row], list[Row]]:
    """Read messages and their recipients; `queued_messages` makes values of the rows."""
    names = json.dumps(list(ids))
    return list(tx.execute(_MESSAGES, (names,))), list(tx.execute(_RECIPIENTS, (names,)))


def queued_messages(messages: Sequence[Row], recipients: Sequence[Row]) -> list[QueuedMessage]:
    """Return the values of what `queued` read."""
    of: dict[int, list[QueuedRecipient]] = {row[0]: [] for row in messages}
    for message, *columns in recipients:
        of[message].append(_queued_recipient(*columns))
    return [
        QueuedMessage(
            id_text(message), str(Address(local, domain)), size, received_at, account, peer, tuple(of[message])
        )
        for message, local, domain, size, received_at, account, peer in messages
    ]


def _queued_recipient(  # noqa: PLR0913, PLR0917 - the columns of a row
    local: str,
    domain: str,
    state: State,
    attempts: int,
    due: float,
    attempted_at: float | None,
    code: int | None,
    status: str,
    text: str,
    remote: str | None,
    wish: Literal["hold", "delete"] | None,
    warnings: int,
) -> QueuedRecipient:
    reply = "" if code is None else str(Reply(code, status, text))
    address = str(Address(local, domain))
    return QueuedRecipient(address, state, attempts, due, attempted_at, reply, remote or "", wish, warnings)


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How much is queued."""

    messages: int = 0
    recipients: int = 0
    active: int = 0
    waiting: int = 0
    held: int = 0
    failed: int = 0


def count(tx: Transaction, after: Key) -> tuple[Row, Key]:
    """Count a stretch of the table; return the numbers of `QueueCounts` and where to go on."""
    end = stretch_end(tx, after, STRETCH)
    (row,) = tx.execute(_COUNT, (*after, *end))
    return row, end


@dataclass(frozen=True, slots=True)
class Changed:
    """What an operator's action did.

    Attributes:
        keys: the recipients it was done to, with who leases each: for those
            it is a wish until the attempt ends.
        files: what no row names any more.
    """

    keys: tuple[tuple[int, int, int | None], ...]
    files: tuple[str, ...] = ()


def change(tx: Transaction, action: Action, keys: Sequence[Key], now: float, running: float) -> Changed:
    """Do something to recipients; those it can't be done to are left out.

    Retry makes waiting ones due; hold and release act on waiting and held
    ones, delete on all, failures not yet reported included.

    Args:
        tx: the transaction.
        action: what to do.
        keys: to whom, at most `SLICE`.
        now: seconds since the epoch.
        running: the running time.
    """
    if action == "retry":
        return Changed(_each(tx, _RETRY, [(now, *key) for key in keys]))
    if action == "hold":
        return Changed(_each(tx, _HOLD, [(running, *key) for key in keys]))
    if action == "release":
        return Changed(_each(tx, _RELEASE, [(running, *key) for key in keys]))
    wishes = _each(tx, _WISH_DELETE, keys)
    deleted = _each(tx, _DELETE, keys)
    return Changed(deleted + wishes, drop_empty(tx, {message: None for message, _, _ in deleted}))


def _each(tx: Transaction, sql: str, rows: Sequence[Row] | Sequence[Key]) -> tuple[tuple[int, int, int | None], ...]:
    return tuple((message, n, owner) for message, n, owner in tx.executemany(sql, rows))
