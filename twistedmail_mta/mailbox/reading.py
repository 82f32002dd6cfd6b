"""What views are read from: a snapshot, the rows, and what changed since."""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mailbox.rows import Row

PAGE: Final = 10_000
"""Rows read in one transaction."""

_STATE: Final = "SELECT modseq, uid_next, flags_modseq, forgotten FROM mailbox WHERE id = ? AND name >= ' '"

_SNAPSHOT: Final = "SELECT modseq, uid_next, uids, modseqs, flags, sizes FROM snapshot WHERE mailbox = ?"

_ROWS: Final = """
SELECT uid, modseq, flags, size FROM mail JOIN arrival USING (mailbox, uid)
WHERE mailbox = ? AND uid >= ? AND uid < ? ORDER BY uid LIMIT ?
"""

_FLAGGED: Final = "SELECT uid, modseq, flags FROM mail WHERE mailbox = ? AND uid < ? AND modseq > ? ORDER BY uid"

_VANISHED: Final = "SELECT first_uid, last_uid FROM vanished WHERE mailbox = ? AND modseq > ?"

_KEYWORDS: Final = "SELECT bit, name FROM keyword WHERE mailbox = ?"

_SEQUENCES: Final = "SELECT id, modseq FROM mailbox WHERE id IN (SELECT value FROM json_each(?)) AND name >= ' '"


@dataclass(frozen=True, slots=True)
class Arrays:
    """A mailbox as it was at a MODSEQ."""

    modseq: int
    uid_next: int
    uids: array[int]
    modseqs: array[int]
    flags: array[int]
    sizes: array[int]


@dataclass(frozen=True, slots=True)
class News:
    """What changed since a MODSEQ.

    Attributes:
        modseq: what is known with it.
        uid_next: the mailbox's.
        added: UID, MODSEQ, flags and size of messages that came, ascending.
        flagged: UID, MODSEQ and flags of older ones.
        vanished: first and last UIDs of ranges in which nothing is left.
        keywords: of the mailbox, by bit.
        more: not all that came was read.
        forgotten: not all that vanished is known any more: all has to be read anew.
    """

    modseq: int
    uid_next: int
    added: list[Row]
    flagged: list[Row]
    vanished: list[Row]
    keywords: dict[int, str]
    more: bool
    forgotten: bool


def snapshot(tx: Transaction, mailbox: int) -> Arrays | None:
    """Return the stored snapshot of a mailbox, or None."""
    for modseq, uid_next, *columns in list(tx.execute(_SNAPSHOT, (mailbox,))):
        return Arrays(modseq, uid_next, *map(_unpacked, "Iqqq", columns))
    return None


def _unpacked(typecode: str, octets: bytes) -> array[int]:
    numbers = array(typecode, octets)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def packed(numbers: array[int]) -> bytes:
    """Return the octets by which a snapshot keeps an array."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def news(tx: Transaction, mailbox: int, modseq: int, uid_next: int) -> News | None:
    """Read what changed since a MODSEQ; None when there is no such mailbox.

    Args:
        tx: the transaction.
        mailbox: which.
        modseq: what is known.
        uid_next: UIDs from here on aren't known; those before it are as of `modseq`.
    """
    for now, next_uid, flags_modseq, forgotten in list(tx.execute(_STATE, (mailbox,))):
        added = list(tx.execute(_ROWS, (mailbox, uid_next, next_uid, PAGE)))
        known = modseq >= 0
        flagged = list(tx.execute(_FLAGGED, (mailbox, uid_next, modseq))) if known and flags_modseq > modseq else []
        vanished = list(tx.execute(_VANISHED, (mailbox, modseq))) if known and now > modseq else []
        keywords = dict(tx.execute(_KEYWORDS, (mailbox,)))
        more = len(added) == PAGE
        return News(now, next_uid, added, flagged, vanished, keywords, more, known and forgotten > modseq)
    return None


def sequences(tx: Transaction, mailboxes: str) -> dict[int, int]:
    """Return the MODSEQ of mailboxes (a JSON array of ids); those that are gone are left out."""
    return dict(tx.execute(_SEQUENCES, (mailboxes,)))
