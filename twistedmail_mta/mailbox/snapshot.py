"""Views written back, so that opening needn't read a row for each message."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mailbox.reading import packed
from twistedmail_mta.mailbox.rows import Row
from twistedmail_mta.mailbox.view import MailboxView

VANISHED_KEPT: Final = 1000
"""Ranges of vanished UIDs that a mailbox remembers; clients away for longer are told of all that are gone."""

_KEEP: Final = """
INSERT INTO snapshot (mailbox, modseq, uid_next, uids, modseqs, flags, sizes)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 FROM mailbox WHERE id = ?1 AND forgotten <= ?2
ON CONFLICT (mailbox) DO UPDATE SET modseq = excluded.modseq, uid_next = excluded.uid_next, uids = excluded.uids,
    modseqs = excluded.modseqs, flags = excluded.flags, sizes = excluded.sizes
WHERE excluded.modseq > snapshot.modseq
RETURNING mailbox
"""

_OLDEST_KEPT: Final = (
    "SELECT modseq FROM vanished WHERE mailbox = ? AND modseq <= ? ORDER BY modseq DESC LIMIT 1 OFFSET ?"
)

_FORGET: Final = "DELETE FROM vanished WHERE mailbox = ? AND modseq <= ?"

_FORGOTTEN: Final = "UPDATE mailbox SET forgotten = ?2 WHERE id = ?1"


def snapshot_row(view: MailboxView) -> Row:
    """Return the parameters of `keep_snapshot`: the view as it is now."""
    arrays = (view.uids, view.modseqs, view.flags, view.sizes)
    return view.id, view.modseq, view.uid_next, *map(packed, arrays)


def keep_snapshot(tx: Transaction, row: Row) -> None:
    """Keep a snapshot unless there is a newer one, and forget what vanished long before it."""
    mailbox, modseq = row[:2]
    if not list(tx.execute(_KEEP, row)):
        return
    for (oldest,) in list(tx.execute(_OLDEST_KEPT, (mailbox, modseq, VANISHED_KEPT))):
        tx.execute(_FORGET, (mailbox, oldest))
        tx.execute(_FORGOTTEN, (mailbox, oldest))
