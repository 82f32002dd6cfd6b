"""Mailboxes that were deleted, purged with all that is in them: in slices that hold up nobody."""

from __future__ import annotations

import json
from typing import Final

from twistedmail_mta.interfaces import IDatabase, Transaction
from twistedmail_mta.mailbox import removal

PURGED_AT_ONCE: Final = 1000
"""Rows removed in one transaction."""

DELETED: Final = "SELECT id FROM mailbox INDEXED BY mailbox_deleted WHERE name < ' ' LIMIT 1"

UIDS: Final = "SELECT uid FROM mail WHERE mailbox = ? LIMIT ?"

SATELLITES: Final = (
    ("vanished", "modseq, first_uid"),
    ("keyword", "bit"),
    ("snapshot", "mailbox"),
    ("imported", "source"),
    ("unfinished", "first_uid"),
)
"""Tables whose rows go with their mailbox, and what tells these rows apart."""

PURGE: Final = "DELETE FROM mailbox WHERE id = ?"


async def purge(database: IDatabase) -> None:
    """Remove all mailboxes that were deleted.

    Safe to run twice at once, and in several processes.

    Raises:
        TemporaryError: the rest is left for the next time.
    """
    while await database.read(is_any_deleted):
        await database.write(purge_slice, urgent=True)


def is_any_deleted(tx: Transaction) -> bool:
    """Return whether there is something to purge."""
    return bool(list(tx.execute(DELETED)))


def purge_slice(tx: Transaction) -> None:
    """Remove a piece of one mailbox that was deleted; at last its row."""
    for (mailbox,) in list(tx.execute(DELETED)):
        uids = [uid for (uid,) in tx.execute(UIDS, (mailbox, PURGED_AT_ONCE))]
        if uids:
            removal.remove(tx, mailbox, json.dumps(uids))
        elif not any(_purge_table(tx, table, key, mailbox) for table, key in SATELLITES):
            tx.execute(PURGE, (mailbox,))


def _purge_table(tx: Transaction, table: str, key: str, mailbox: int) -> bool:
    """Remove some rows; return whether there were any."""
    some = f"SELECT {key} FROM {table} WHERE mailbox = ?1 LIMIT ?2"  # noqa: S608 - our names
    sql = f"DELETE FROM {table} WHERE mailbox = ?1 AND ({key}) IN ({some}) RETURNING 1"  # noqa: S608 - our names
    return bool(list(tx.execute(sql, (mailbox, PURGED_AT_ONCE))))
