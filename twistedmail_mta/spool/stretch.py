"""Walks the table of recipients in pieces, so that no look or change holds up the mail."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.spool.rows import Key

START: Final[Key] = (-1, -1)
"""A key before every other."""

END: Final[Key] = ((1 << 63) - 1, (1 << 63) - 1)
"""A key after every other."""

STRETCH: Final = 10_000
"""How many rows one read looks at."""

SLICE: Final = 500
"""How many rows one transaction changes."""

_STRETCH_END: Final = """
SELECT message, n FROM recipient WHERE (message, n) > (?, ?) ORDER BY message, n LIMIT 1 OFFSET ?
"""


def stretch_end(tx: Transaction, after: Key, rows: int) -> Key:
    """Return the last of the `rows` keys that follow `after`; `END` when there are fewer."""
    for message, n in tx.execute(_STRETCH_END, (*after, rows - 1)):
        return message, n
    return END
