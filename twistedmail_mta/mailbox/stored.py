"""Messages read back from mailboxes: whole, or a piece at a time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.interfaces import IBodyStore, Transaction
from twistedmail_mta.model import Body, FileBody, InlineBody

_STORED: Final = """
SELECT m.uid, a.prefix, c.header, b.size, b.file, b.data, a.internal_date
FROM mail m JOIN arrival a USING (mailbox, uid) JOIN content c ON c.id = m.content JOIN body b ON b.id = c.body
WHERE m.mailbox = ? AND m.uid IN (SELECT value FROM json_each(?))
"""

_WHOLE: Final = """
SELECT json_group_array(m.uid), json_group_array(iif(b.file IS NULL, a.size, NULL)), CAST(group_concat(
    iif(b.file IS NULL, CAST(a.prefix AS TEXT) || CAST(c.header AS TEXT) || CAST(b.data AS TEXT), ''), '') AS BLOB)
FROM mail m JOIN arrival a USING (mailbox, uid) JOIN content c ON c.id = m.content JOIN body b ON b.id = c.body
WHERE m.mailbox = ? AND m.uid IN (SELECT value FROM json_each(?))
"""
"""All messages in one row.  Between two rows a thread has to win the interpreter back: beside a busy reactor that takes
ten times as long as the reading.  To SQLite octets that it takes for text are octets still, NUL and all."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message of a mailbox: `head` followed by `body` is what clients get.

    Attributes:
        head: the lines of final delivery and the header block.
        body: a body in a file can be gone when the message is removed.
        internal_date: seconds since the epoch.
    """

    head: bytes
    body: Body
    internal_date: int

    @property
    def size(self) -> int:
        """Return the number of octets."""
        return len(self.head) + self.body.size


def read_stored(tx: Transaction, mailbox: int, uids: str) -> dict[int, Stored]:
    """Return those messages of a mailbox that are there, by UID.

    Args:
        tx: the transaction.
        mailbox: where.
        uids: which, as a JSON array; at most some 100, since their bodies come too.
    """
    return {
        uid: Stored(prefix + header, InlineBody(octets) if file is None else FileBody(file, size), internal_date)
        for uid, prefix, header, size, file, octets, internal_date in tx.execute(_STORED, (mailbox, uids))
    }


def read_whole(tx: Transaction, mailbox: int, uids: str) -> dict[int, bytes | None]:
    """Return the octets of those messages of a mailbox that are there, by UID; None for one whose body is in a file.

    Args: as `read_stored`.
    """
    ((found, sizes, octets),) = tx.execute(_WHOLE, (mailbox, uids))
    whole: dict[int, bytes | None] = {}
    start = 0
    for uid, size in zip(json.loads(found), json.loads(sizes), strict=True):
        end = start + (size or 0)
        whole[uid] = None if size is None else octets[start:end]
        start = end
    return whole


async def read_piece(bodies: IBodyStore, stored: Stored, offset: int, size: int) -> bytes:
    """Return up to `size` octets of a message from `offset` on; shorter only at its end.

    Raises:
        TemporaryError: the body's file can't be read, or is gone with the message.
    """
    head = stored.head[offset : offset + size]
    missing = size - len(head)
    if not missing:
        return head
    return head + await bodies.read(stored.body, max(0, offset - len(stored.head)), missing)
