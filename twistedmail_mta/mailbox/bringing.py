"""Messages brought from another server, each once, with their UIDs where these can be kept: the transactions."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Final

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mailbox.appending import UIDL, IncomingRows
from twistedmail_mta.mailbox.deposit import ARRIVAL, CONTENT, MAIL, SUBSCRIBE
from twistedmail_mta.mailbox.replies import MAILBOX_GONE
from twistedmail_mta.spool.tables import BODY

MOST: Final = 0xF0000000
"""UIDVALIDITY and UIDs up to which those of another server are kept: some are left then to go on with."""

_KNOWN: Final = """
SELECT source FROM imported WHERE mailbox = ? AND source IN (SELECT value FROM json_each(?))
"""

_REMEMBER: Final = "INSERT INTO imported (mailbox, source) VALUES (?, ?)"

_ADOPT: Final = """
UPDATE mailbox SET uid_validity = ?2 WHERE id = ?1 AND uid_next = 1 AND messages = 0 AND uid_validity <> ?2
"""

_RAISE_VALIDITY: Final = "UPDATE uid_validity SET last = max(last, ?)"

_VALIDITY: Final = "SELECT uid_validity FROM mailbox WHERE id = ?"

_NEXT: Final = "SELECT uid_next FROM mailbox WHERE id = ?"

_RAISE_NEXT: Final = "UPDATE mailbox SET uid_next = max(uid_next, ?2) WHERE id = ?1"

_GROW: Final = """
UPDATE mailbox SET uid_next = ?2, modseq = modseq + 1, messages = messages + ?3, octets = octets + ?4
WHERE id = ?1 AND name >= ' ' RETURNING modseq
"""


def known(tx: Transaction, mailbox: int, sources: Collection[str]) -> set[str]:
    """Return which messages were brought into a mailbox before, by what their source calls them."""
    return {source for (source,) in tx.execute(_KNOWN, (mailbox, json.dumps(list(sources))))}


def adopt(tx: Transaction, mailbox: int, uid_validity: int) -> bool:
    """Take over another server's UIDVALIDITY if nothing was ever in the mailbox; whether it has that now.

    Only then do UIDs mean to clients what they meant there (RFC 9051 section 2.3.1.1).
    """
    if uid_validity > MOST:
        return False
    tx.execute(_ADOPT, (mailbox, uid_validity))
    tx.execute(_RAISE_VALIDITY, (uid_validity,))
    return list(tx.execute(_VALIDITY, (mailbox,))) == [(uid_validity,)]


def skip_uids(tx: Transaction, mailbox: int, uid_next: int) -> None:
    """Give no UID below `uid_next` any more: another server may have given it."""
    tx.execute(_RAISE_NEXT, (mailbox, min(uid_next, MOST)))


def bring(
    tx: Transaction, mailbox: int, rows: IncomingRows, wanted: Sequence[int | None], sources: Sequence[str]
) -> None:
    """Put messages into a mailbox, and remember what their source calls them.

    Args:
        tx: the transaction.
        mailbox: where.
        rows: the messages.
        wanted: their UIDs, ascending; one that is None, or not above those given before, is replaced.
        sources: what each is called by its source.

    Raises:
        TemporaryError: there is no such mailbox.
    """
    uids, uid_next = _uids(tx, mailbox, wanted)
    grown = list(tx.execute(_GROW, (mailbox, uid_next, len(uids), rows.octets)))
    if not grown:
        raise TemporaryError(MAILBOX_GONE)
    ((modseq,),) = grown
    for _ in tx.executemany(BODY, rows.bodies):
        pass
    tx.executemany(CONTENT, rows.contents)
    contents = [row[0] for row in rows.contents]
    tx.executemany(
        MAIL,
        [
            (mailbox, uid, modseq, flags, content)
            for uid, flags, content in zip(uids, rows.flags, contents, strict=True)
        ],
    )
    tx.executemany(ARRIVAL, [(mailbox, uid, *row) for uid, row in zip(uids, rows.arrivals, strict=True)])
    tx.executemany(UIDL, [(mailbox, uid, uidl) for uid, uidl in zip(uids, rows.uidls, strict=True) if uidl is not None])
    tx.executemany(_REMEMBER, [(mailbox, source) for source in sources])


def _uids(tx: Transaction, mailbox: int, wanted: Sequence[int | None]) -> tuple[list[int], int]:
    """Return the UIDs to give, and the next one."""
    uid_next = next((uid for (uid,) in list(tx.execute(_NEXT, (mailbox,)))), 1)
    uids = []
    for uid in wanted:
        uids.append(uid if uid is not None and uid_next <= uid <= MOST else uid_next)
        uid_next = uids[-1] + 1
    return uids, uid_next


def subscribe(tx: Transaction, account: int, names: Collection[str]) -> None:
    """Subscribe an account to mailboxes (RFC 9051 section 6.3.7)."""
    tx.executemany(SUBSCRIBE, [(account, name) for name in names])
