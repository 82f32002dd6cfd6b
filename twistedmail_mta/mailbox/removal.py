"""Takes messages out of mailboxes, and gives up what they referred to: the transactions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mailbox.change import Removed
from twistedmail_mta.mailbox.ranges import ranges
from twistedmail_mta.mailbox.rows import Row
from twistedmail_mta.spool.tables import release_body

_WHICH: Final = "WHERE mailbox = ?1 AND uid IN (SELECT value FROM json_each(?2))"

RELEASE: Final = f"""
INSERT INTO released (content, refs) SELECT content, count(*) FROM mail {_WHICH} GROUP BY content
ON CONFLICT (content) DO UPDATE SET refs = refs + excluded.refs
"""  # noqa: S608 - a constant

REMOVE: Final = f"DELETE FROM mail {_WHICH} RETURNING uid"  # noqa: S608 - a constant

REMOVE_ARRIVALS: Final = f"DELETE FROM arrival {_WHICH} RETURNING size"  # noqa: S608 - a constant

REMOVE_UIDLS: Final = f"DELETE FROM uidl {_WHICH}"  # noqa: S608 - a constant

COUNT_OUT: Final = """
UPDATE mailbox SET modseq = modseq + 1, messages = messages - ?2, octets = octets - ?3 WHERE id = ?1 RETURNING modseq
"""

VANISHED: Final = "INSERT INTO vanished (mailbox, modseq, first_uid, last_uid) VALUES (?, ?, ?, ?)"

READ_RELEASED: Final = """
SELECT r.content, r.refs, b.file IS NULL, b.size FROM released r
JOIN content c ON c.id = r.content JOIN body b ON b.id = c.body LIMIT ?
"""

LAST_REFERENCES: Final = "DELETE FROM content WHERE id = ? AND refs = ? RETURNING body"

REFERENCES: Final = "UPDATE content SET refs = refs - ?2 WHERE id = ?1"

FORGET_RELEASED: Final = "DELETE FROM released WHERE content = ?"


def remove(tx: Transaction, mailbox: int, uids: str) -> Removed | None:
    """Remove messages; None when none of them was there.

    Their contents wait in `released`, so that it takes the same few statements
    however many they are.

    Args:
        tx: the transaction.
        mailbox: where.
        uids: which, as a JSON array.
    """
    tx.execute(RELEASE, (mailbox, uids))
    return take_out(tx, mailbox, uids)


def take_out(tx: Transaction, mailbox: int, uids: str) -> Removed | None:
    """Remove messages whose contents go on being referred to by as many others; as `remove` else."""
    which = (mailbox, uids)
    removed = sorted(uid for (uid,) in tx.execute(REMOVE, which))
    if not removed:
        return None
    octets = sum(size for (size,) in tx.execute(REMOVE_ARRIVALS, which))
    tx.execute(REMOVE_UIDLS, which)
    ((modseq,),) = list(tx.execute(COUNT_OUT, (mailbox, len(removed), octets)))
    list(tx.executemany(VANISHED, [(mailbox, modseq, first, last) for first, last in ranges(removed)]))
    return Removed(mailbox, modseq, removed)


def release(tx: Transaction, most: int, octets: int) -> tuple[bool, Sequence[str]]:
    """Give up what removed messages referred to.

    Args:
        tx: the transaction.
        most: how many contents.
        octets: about how many octets of rows, since each page of them costs.

    Returns:
        Whether something is left to give up; and the files that no row names
        any more.
    """
    released = list(tx.execute(READ_RELEASED, (most,)))
    chosen = list(_first(released, octets))
    files = [file for content, refs in chosen if (file := _release_content(tx, content, refs)) is not None]
    list(tx.executemany(FORGET_RELEASED, [(content,) for content, _ in chosen]))
    return len(chosen) < len(released) or len(released) == most, files


def _first(released: Iterable[Row], octets: int) -> Iterator[tuple[int, int]]:
    """Yield contents and references until their bodies have so many octets in rows."""
    for content, refs, is_row, size in released:
        yield content, refs
        octets -= size if is_row else 0
        if octets <= 0:
            return


def _release_content(tx: Transaction, content: int, refs: int) -> str | None:
    bodies: list[Row] = list(tx.execute(LAST_REFERENCES, (content, refs)))
    if bodies:
        return release_body(tx, bodies[0][0])
    tx.execute(REFERENCES, (content, refs))
    return None
