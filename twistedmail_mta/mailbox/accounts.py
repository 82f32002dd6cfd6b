"""The mail of an account, removed when the account is: in slices that hold up nobody."""

from __future__ import annotations

import json
from typing import Final

from twistedmail_mta.interfaces import IBodyStore, IDatabase, Transaction
from twistedmail_mta.mailbox import removal
from twistedmail_mta.mailbox.purging import SATELLITES
from twistedmail_mta.mailbox.release import release

REMOVED_AT_ONCE: Final = 1000
"""Messages removed in one transaction."""

_MAIL: Final = """
SELECT mailbox, uid FROM mail WHERE mailbox = (
    SELECT id FROM mailbox WHERE account = ? AND EXISTS (SELECT 1 FROM mail WHERE mailbox = mailbox.id) LIMIT 1
) LIMIT ?
"""

_FORGET: Final = """
DELETE FROM mailbox WHERE account = ? AND NOT EXISTS (SELECT 1 FROM mail WHERE mailbox = mailbox.id) RETURNING id
"""

_UNSUBSCRIBE: Final = "DELETE FROM subscription WHERE account = ?"

_LEFT: Final = "SELECT 1 FROM mailbox WHERE account = ? LIMIT 1"


async def remove_mail(database: IDatabase, bodies: IBodyStore, account: int) -> None:
    """Remove all mail of an account, its mailboxes and its subscriptions.

    The account should be disabled before, so that nothing new comes; then its
    row can be deleted.  A running server needn't be told: it sees that the
    mailboxes are gone.

    Raises:
        TemporaryError: some of it is left; to be called again.
    """
    while not await database.write(lambda tx: forget_mailboxes(tx, account), urgent=True):
        await database.write(lambda tx: _remove_slice(tx, account), urgent=True)
    await release(database, bodies)


def _remove_slice(tx: Transaction, account: int) -> None:
    mails = list(tx.execute(_MAIL, (account, REMOVED_AT_ONCE)))
    if mails:
        removal.remove(tx, mails[0][0], json.dumps([uid for _, uid in mails]))


def forget_mailboxes(tx: Transaction, account: int) -> bool:
    """Delete the empty mailboxes of an account; return whether it has none any more.

    To be called in the transaction that deletes the account's row, too: a
    message may have come meanwhile.
    """
    gone = [mailbox for (mailbox,) in tx.execute(_FORGET, (account,))]
    for table, _ in SATELLITES if gone else ():
        list(tx.executemany(f"DELETE FROM {table} WHERE mailbox = ?", [(mailbox,) for mailbox in gone]))  # noqa: S608 - our names
    if list(tx.execute(_LEFT, (account,))):
        return False
    tx.execute(_UNSUBSCRIBE, (account,))
    return True
