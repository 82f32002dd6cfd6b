"""Reads what is told of messages: only the columns that are wanted, of many messages at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mailbox.rows import Row


class Column(Enum):
    """What can be read of a message; what its value is."""

    INTERNAL_DATE = "a.internal_date"
    """Seconds since the epoch."""
    PREFIX = "a.prefix"
    """The lines of final delivery, before the header."""
    ENVELOPE = "c.envelope"
    """ENVELOPE, ready to send."""
    STRUCTURE = "c.structure"
    """BODYSTRUCTURE, ready to send."""
    PARTS = "c.parts"
    """Where its parts lie, packed (`mail.parts`)."""
    HEADER = "c.header"
    """The header block."""
    BODY_SIZE = "b.size"
    """Octets of the body."""
    FILE = "b.file"
    """The name of the file that has the body; None for a small one."""
    OCTETS = "b.data"
    """A small body; None for one in a file."""


_JOINS: Final = {
    "a": "JOIN arrival a USING (mailbox, uid)",
    "c": "JOIN content c ON c.id = m.content",
    "b": "JOIN body b ON b.id = c.body",
}
_NEEDED_TOO: Final = {"b": "c"}

_RANGE: Final = "m.uid BETWEEN ?2 AND ?3"
_LIST: Final = "m.uid IN (SELECT value FROM json_each(?2))"


def read_described(
    tx: Transaction, mailbox: int, uids: Sequence[int], columns: tuple[Column, ...], most: int
) -> list[Row]:
    """Return what is wanted of those messages that are there, by ascending UID.

    Args:
        tx: the transaction.
        mailbox: where.
        uids: which, ascending; at most some 1000.
        columns: what of each; it follows the UID in each row.
        most: octets after which no further message is read: what is behind the last row was not looked at then.
    """
    whole = uids[-1] - uids[0] + 1 == len(uids)
    parameters = (mailbox, uids[0], uids[-1]) if whole else (mailbox, json.dumps(list(uids)))
    rows: list[Row] = []
    octets = 0
    wide = _wide(columns)
    for row in tx.execute(_select(columns, _RANGE if whole else _LIST), parameters):
        rows.append(row)
        for place in wide:
            octets += len(row[place] or b"")
        if octets >= most:
            break
    return rows


@lru_cache(100)
def _wide(columns: tuple[Column, ...]) -> tuple[int, ...]:
    """Return where in a row the octets are that count."""
    narrow = {Column.INTERNAL_DATE, Column.PREFIX, Column.BODY_SIZE, Column.FILE}
    return tuple(place for place, column in enumerate(columns, 1) if column not in narrow)


@lru_cache(100)
def _select(columns: tuple[Column, ...], which: str) -> str:
    tables = {column.value[0] for column in columns}
    tables |= {_NEEDED_TOO[table] for table in tables & _NEEDED_TOO.keys()}
    joins = [join for table, join in _JOINS.items() if table in tables]
    wanted = ", ".join(["m.uid", *(column.value for column in columns)])
    return f"SELECT {wanted} FROM mail m {' '.join(joins)} WHERE m.mailbox = ?1 AND {which} ORDER BY m.uid"  # noqa: S608 - our words
