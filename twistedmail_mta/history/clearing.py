"""Forgets the oldest part of the history, in slices that keep nobody waiting."""

from __future__ import annotations

from functools import partial
from typing import Final

from twistedmail_mta.history.keys import first_id, span_of
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.aside import AsideDatabase

SLICE: Final = 500
"""Stories that one transaction deletes."""
TERMS: Final = 5_000
"""Terms that one transaction deletes."""
PAGES: Final = 200
"""Pages that are given back to the system at once."""
SPARE: Final = 16 * 1024 * 1024
"""Octets below the limit to which a file that is too large is brought, so that there is room for a while."""


def clear_some(database: AsideDatabase, age: float | None, size: int, now: float) -> bool:
    """Delete some of what isn't to be kept; return whether there may be more.

    Args:
        database: the history.
        age: seconds after which stories go; None: never.
        size: octets of the file above which the oldest go.
        now: seconds since the epoch.

    Raises:
        TemporaryError: the disk is full, or fails.
        UnusableDatabase: the file is broken.
    """
    before = 0 if age is None else first_id(now - age)
    if database.used > size - min(SPARE, size // 10):
        before = max(before, database.read(_after_slice))
    old = database.read(lambda tx: _is_older(tx, before))
    if not old:
        return False
    database.write(partial(_delete, before=before))
    database.shrink(PAGES)
    return True


def _after_slice(tx: Transaction) -> int:
    """Return the id behind the oldest slice."""
    for (story,) in tx.execute("SELECT id FROM story ORDER BY id LIMIT 1 OFFSET ?", (SLICE,)):
        return int(story)
    return 0


def _is_older(tx: Transaction, before: int) -> bool:
    """Whether anything is from before a story's id; of terms, whose span is over."""
    found = list(
        tx.execute(
            "SELECT EXISTS (SELECT 1 FROM story WHERE id < ?1) OR EXISTS (SELECT 1 FROM step WHERE story < ?1)"
            " OR EXISTS (SELECT 1 FROM term WHERE span < ?2)",
            (before, span_of(before)),
        )
    )
    return bool(found[0][0])


def _delete(tx: Transaction, before: int) -> None:
    oldest = list(tx.execute("SELECT id FROM story WHERE id < ? ORDER BY id LIMIT 1 OFFSET ?", (before, SLICE)))
    end = oldest[0][0] if oldest else before
    tx.execute("DELETE FROM story WHERE id < ?", (end,))
    _delete_steps(tx, end)
    _delete_terms(tx, span_of(end))


def _delete_steps(tx: Transaction, end: int) -> None:
    """Delete steps; those of one story at a time, for there may be many."""
    stories = list(tx.execute("SELECT DISTINCT story FROM step WHERE story < ? ORDER BY story LIMIT ?", (end, SLICE)))
    if stories:
        tx.execute("DELETE FROM step WHERE story <= ?", (stories[-1][0],))


def _delete_terms(tx: Transaction, span: int) -> None:
    """Delete terms of spans before one: no story of them is left."""
    first = list(
        tx.execute(
            "SELECT span, key, story FROM term WHERE span < ? ORDER BY span, key, story LIMIT 1 OFFSET ?", (span, TERMS)
        )
    )
    if first:
        tx.execute("DELETE FROM term WHERE (span, key, story) < (?, ?, ?)", first[0])
    else:
        tx.execute("DELETE FROM term WHERE span < ?", (span,))
