"""What a mailbox remembers for clients: which UIDs vanished, and what no session was told of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twistedmail_mta.interfaces import Transaction

MOST_RANGES: Final = 10_000
"""Ranges of vanished UIDs that are told; who missed more is told of all UIDs that are gone."""

FORGOTTEN: Final = "SELECT forgotten FROM mailbox WHERE id = ? AND name >= ' '"

VANISHED: Final = """
SELECT first_uid, last_uid FROM vanished WHERE mailbox = ? AND modseq > ? AND modseq <= ? ORDER BY first_uid LIMIT ?
"""

RECENT: Final = "SELECT recent_from FROM mailbox WHERE id = ?"

TELL: Final = "UPDATE mailbox SET recent_from = ?2 WHERE id = ?1 AND recent_from < ?2"


def vanished(tx: Transaction, mailbox: int, since: int, until: int) -> Sequence[tuple[int, int]] | None:
    """Return which UIDs vanished after one MODSEQ up to another: first and last of ranges, ascending.

    None when not all is remembered, or there is no such mailbox any more.
    """
    if not any(forgotten <= since for (forgotten,) in list(tx.execute(FORGOTTEN, (mailbox,)))):
        return None
    rows = list(tx.execute(VANISHED, (mailbox, since, until, MOST_RANGES + 1)))
    return None if len(rows) > MOST_RANGES else _united(rows)


def _united(ranges: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    united: list[tuple[int, int]] = []
    for first, last in ranges:
        if united and united[-1][1] + 1 == first:
            united[-1] = (united[-1][0], last)
        else:
            united.append((first, last))
    return united


def recent_from(tx: Transaction, mailbox: int) -> int | None:
    """Return the first UID that no session was told of; None when there is no such mailbox any more."""
    for (first,) in list(tx.execute(RECENT, (mailbox,))):
        return int(first)
    return None


def tell(tx: Transaction, mailbox: int, uid_next: int) -> int | None:
    """Return the same, and note that a session is told of all before `uid_next`."""
    before = recent_from(tx, mailbox)
    tx.execute(TELL, (mailbox, uid_next))
    return before
