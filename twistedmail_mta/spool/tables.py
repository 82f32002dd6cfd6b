"""The transactions of the way in and out, one function each.

They run SQL and return what changed, nothing else: the group commit of
`IDatabase` may run them twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.spool.rows import Key, MessageRows, ReportRows, Row, SettlementRows

BODY: Final = "INSERT INTO body (id, refs, size, file, data) VALUES (?, ?, ?, ?, ?)"

MESSAGE: Final = """
INSERT INTO message (id, body, size, received_at, sender_local, sender_domain, eight_bit, smtputf8, ret, envid, auth,
                     protocol, peer, helo, account, listener, header, tags)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

RECIPIENT_COLUMNS: Final = "local, domain, notify, orcpt, via, via_tls, mailbox, forwarded_by"
"""What `rows.recipient_of` reads."""

RECIPIENT: Final = f"""
INSERT INTO recipient (message, n, {RECIPIENT_COLUMNS}, due, since, owner, epoch)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""  # noqa: S608 - constants

HOLD: Final = "UPDATE recipient SET state = 'held', held_since = ?2 WHERE message = ?1"

DETAIN: Final = "INSERT INTO detention (message, kind, reason, plugin, since, octets) VALUES (?, ?, ?, ?, ?, ?)"

FORWARD: Final = """
INSERT INTO recipient (message, n, local, domain, notify, orcpt, forwarded_by, due, since, epoch)
SELECT ?1, coalesce(max(n), -1) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM recipient WHERE message = ?1
"""

_DUE: Final = """
SELECT message, n FROM recipient INDEXED BY {index}
WHERE state = 'waiting' AND owner IS NULL AND due <= ? AND domain NOT IN (SELECT value FROM json_each(?)) {condition}
ORDER BY due LIMIT ?
"""

DUE: Final = _DUE.format(index="recipient_due", condition="")

DUE_FRESH: Final = _DUE.format(index="recipient_fresh", condition="AND attempts = 0")

CLAIM: Final = f"""
UPDATE recipient SET owner = ?1, epoch = epoch + 1
WHERE (message, n) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?2))
  AND state = 'waiting' AND owner IS NULL AND due <= ?3
RETURNING due, message, n, epoch, {RECIPIENT_COLUMNS}, attempts, since, warnings
"""  # noqa: S608 - constants

NEXT_DUE: Final = """
SELECT due FROM recipient INDEXED BY recipient_due
WHERE state = 'waiting' AND owner IS NULL AND domain NOT IN (SELECT value FROM json_each(?))
ORDER BY due LIMIT 1
"""

READ_MESSAGE: Final = """
SELECT m.id, m.received_at, m.sender_local, m.sender_domain, m.eight_bit, m.smtputf8, m.ret, m.envid, m.auth,
       m.protocol, m.peer, m.helo, m.account, m.listener, m.header, m.tags, b.size, b.file, b.data
FROM message m JOIN body b ON b.id = m.body WHERE m.id = ?
"""

READ_RECIPIENTS: Final = f"SELECT {RECIPIENT_COLUMNS} FROM recipient WHERE message = ? ORDER BY n"  # noqa: S608

UNREPORTED: Final = f"""
SELECT n, {RECIPIENT_COLUMNS}, code, status, reply, remote, attempted_at FROM recipient
WHERE message = ? AND state = 'failed' ORDER BY n
"""  # noqa: S608 - constants

REPORTS_DUE: Final = """
SELECT message FROM (
    SELECT message, min(attempted_at) AS first FROM recipient INDEXED BY recipient_failed
    WHERE state = 'failed' GROUP BY message
) AS f
WHERE first < ?1
   OR NOT EXISTS (SELECT 1 FROM recipient r WHERE r.message = f.message AND r.owner IS NOT NULL)
LIMIT ?2
"""

GONE: Final = "DELETE FROM recipient WHERE message = ? AND n = ? AND epoch = ?"

GONE_NAMED: Final = f"{GONE} RETURNING message, n"

UNWANTED: Final = "DELETE FROM recipient WHERE message = ? AND n = ? AND epoch = ? AND wish = 'delete'"

FAILED_BY_OPERATOR: Final = """
    state = 'failed', held_since = NULL, suspension = NULL, wish = NULL, code = 550, status = '5.7.1',
    reply = 'Rejected by the administrator of this mail system', remote = '', reason = NULL
"""

REFUSED: Final = f"""
UPDATE recipient SET {FAILED_BY_OPERATOR}, owner = NULL, epoch = epoch + 1
WHERE message = ? AND n = ? AND epoch = ? AND wish = 'bounce'
"""  # noqa: S608 - a constant

ATTEMPTED: Final = """
UPDATE recipient SET
    owner = NULL, epoch = epoch + 1, wish = NULL, attempts = attempts + 1,
    state = iif(wish = 'hold' OR state = 'held', 'held', ?1),
    held_since = iif(wish = 'hold', ?2, held_since),
    due = coalesce(?3, due), attempted_at = ?4, code = ?5, status = ?6, reply = ?7, remote = ?8,
    reason = ?9, warnings = warnings + ?10
WHERE message = ?11 AND n = ?12 AND epoch = ?13
RETURNING n
"""

BACK: Final = """
UPDATE recipient SET
    owner = NULL, epoch = epoch + 1, wish = NULL,
    state = iif(wish = 'hold', 'held', state),
    held_since = iif(wish = 'hold', ?1, held_since)
WHERE message = ?2 AND n = ?3 AND epoch = ?4
"""

FAILURES: Final = "SELECT n, attempted_at FROM recipient WHERE message = ? AND state = 'failed'"

LEASED: Final = "SELECT 1 FROM recipient WHERE message = ? AND owner IS NOT NULL LIMIT 1"

REPORTED: Final = "DELETE FROM recipient WHERE message = ? AND state = 'failed'"

LAST_GONE: Final = """
DELETE FROM message WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM recipient WHERE message = ?1) RETURNING body
"""

LAST_REFERENCE: Final = "DELETE FROM body WHERE id = ? AND refs = 1 RETURNING file"

REFERENCE: Final = "UPDATE body SET refs = refs - 1 WHERE id = ?"


def insert(tx: Transaction, rows: MessageRows) -> None:
    """Keep a message; only its body where no recipient waits for it."""
    tx.execute(BODY, rows.body)
    if rows.recipients:
        tx.execute(MESSAGE, rows.message)
        _each(tx, RECIPIENT, rows.recipients)
    if rows.held:
        tx.execute(HOLD, rows.held)
        tx.execute(DETAIN, rows.detention)


def due(tx: Transaction, now: float, exclude: str, limit: int) -> list[Key]:
    """Read which recipients can be claimed, oldest due first, but up to half of them those never tried.

    So new mail that found no room at its birth doesn't wait for all that is
    tried again, nor that for a flood of new mail.

    Done apart from `claim`, since it has to pass over whatever waits for the
    excluded domains: that may be long, and would hold up all who write.

    Args:
        tx: the transaction.
        now: what is due by then.
        exclude: recipient domains left alone, as a JSON array.
        limit: how many rows.
    """
    fresh = tx.execute(DUE_FRESH, (now, exclude, (limit + 1) // 2))
    found = dict.fromkeys((message, n) for message, n in fresh)
    found |= dict.fromkeys((message, n) for message, n in tx.execute(DUE, (now, exclude, limit)))
    return list(found)[:limit]


def claim(tx: Transaction, owner: int, keys: str, now: float) -> list[Row]:
    """Lease to `owner` those of `keys` (a JSON array) that are still due; the rows come in no order."""
    return list(tx.execute(CLAIM, (owner, keys, now)))


def next_due(tx: Transaction, exclude: str) -> float | None:
    """Return the due time of the next recipient that can be claimed."""
    for (due,) in tx.execute(NEXT_DUE, (exclude,)):
        return float(due)
    return None


def message(tx: Transaction, message_id: int) -> tuple[Row, list[Row]] | None:
    """Read a message with its body's row and its recipients."""
    for row in list(tx.execute(READ_MESSAGE, (message_id,))):
        return row, list(tx.execute(READ_RECIPIENTS, (message_id,)))
    return None


def unreported(tx: Transaction, message_id: int) -> list[Row]:
    """Read the failed recipients of a message."""
    return list(tx.execute(UNREPORTED, (message_id,)))


def reports_due(tx: Transaction, before: float, limit: int) -> list[int]:
    """Read which messages have failures to report."""
    return [message_id for (message_id,) in tx.execute(REPORTS_DUE, (before, limit))]


@dataclass(frozen=True, slots=True)
class Settled:
    """What a settlement changed.

    Attributes:
        reported: the report was kept, or there was none.
        files: what no row names any more.
    """

    reported: bool
    files: tuple[str, ...]


def settle(tx: Transaction, rows: SettlementRows, report: ReportRows | None) -> Settled:
    """End claims, keep the report if it is right, and drop messages whose last recipient went."""
    gone: set[int] = set()
    if rows.forwards or (report is not None and report.delivered):
        ended = set(tx.executemany(GONE_NAMED, rows.gone))
        gone.update(n for _, n in ended)
        _each(tx, FORWARD, [row for key, row in rows.forwards if key in ended])
    elif rows.gone:
        _each(tx, GONE, rows.gone)
    if rows.back:
        _wishes(tx, [row[-3:] for row in rows.back])
        _each(tx, BACK, rows.back)
    stayed: set[int] = set()
    if rows.attempted:
        _wishes(tx, [row[-3:] for row in rows.attempted])
        stayed.update(n for (n,) in tx.executemany(ATTEMPTED, rows.attempted))
    reported = report is None or _keep_report(tx, report, stayed & rows.warned, gone)
    messages = rows.messages if report is None else {*rows.messages, report.about}
    return Settled(reported, drop_empty(tx, messages))


def _wishes(tx: Transaction, keys: Sequence[Row]) -> None:
    """Do what operators wished of claims that ended without delivery."""
    _each(tx, UNWANTED, keys)
    _each(tx, REFUSED, keys)


def _keep_report(tx: Transaction, report: ReportRows, warned: set[int], gone: set[int]) -> bool:
    if report.delivered:
        fits = report.delivered <= gone
    else:
        fits = _failures_fit(tx, report) if report.failed else bool(warned)
    if not fits:
        return False
    if report.failed:
        tx.execute(REPORTED, (report.about,))
    if report.message is not None:
        insert(tx, report.message)
    return True


def _failures_fit(tx: Transaction, report: ReportRows) -> bool:
    failures = dict(tx.execute(FAILURES, (report.about,)))
    if failures.keys() != report.failed:
        return False
    return min(failures.values()) <= report.patience or not list(tx.execute(LEASED, (report.about,)))


def drop_empty(tx: Transaction, messages: Iterable[int]) -> tuple[str, ...]:
    """Drop those of `messages` that have no recipient left; return the files to unlink."""
    files = []
    for message_id in messages:
        for (body,) in list(tx.execute(LAST_GONE, (message_id,))):
            file = release_body(tx, body)
            if file is not None:
                files.append(file)
    return tuple(files)


def release_body(tx: Transaction, body: int) -> str | None:
    """Give up one reference to a body; return its file when that was the last."""
    for (file,) in list(tx.execute(LAST_REFERENCE, (body,))):
        return file  # type: ignore[no-any-return]
    tx.execute(REFERENCE, (body,))
    return None


def _each(tx: Transaction, sql: str, rows: Sequence[Row] | Sequence[Key]) -> None:
    for _ in tx.executemany(sql, rows):
        pass
