"""What DMARC reports will say, as rows: a row for each domain and day, and one for messages that are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.interfaces import Transaction

MOST_DOMAINS: Final = 10_000
"""Of one day."""
MOST_CASES: Final = 5_000
"""Of one domain on one day; XML of these is about 4 MB, and a tenth of that compressed."""
SLICE: Final = 1_000
"""Rows that one read returns, or one transaction deletes."""

FORGET_CASES: Final = """
DELETE FROM dmarc_case WHERE (day_id, text) IN (
    SELECT day_id, text FROM dmarc_case WHERE day_id IN (SELECT id FROM dmarc_day WHERE day < ?) LIMIT ?
)
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """Messages of one domain, to be added to its day.

    Attributes:
        day: in days since the epoch, UTC.
        domain: where the record was found.
        published: what it says, as text.
        mails: how many there are that are no reports themselves.
        left_out: how many there was no room for in memory.
        cases: the text of each case, and how many messages it is of.
    """

    day: int
    domain: str
    published: str
    mails: int
    left_out: int
    cases: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class KeptDay:
    """What is kept of a domain and a day.

    Attributes:
        id: of its row.
        published: what its record said last, as text.
        left_out: how many messages there was no room for.
    """

    id: int
    published: str
    left_out: int


def add_entries(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Add messages to their days."""
    for entry in entries:
        found = _day(tx, entry)
        if found is not None:
            _add(tx, entry, *found)


def _day(tx: Transaction, entry: Entry) -> tuple[int, int] | None:
    """Return the row of an entry's domain, and how many cases it has; None if there is no room for one more."""
    for row in tx.execute("SELECT id, cases FROM dmarc_day WHERE day = ? AND domain = ?", (entry.day, entry.domain)):
        return row[0], row[1]
    ((domains,),) = tx.execute("SELECT count(*) FROM dmarc_day WHERE day = ?", (entry.day,))
    if domains >= MOST_DOMAINS:
        return None
    ((number,),) = tx.execute(
        "INSERT INTO dmarc_day (day, domain, published) VALUES (?, ?, ?) RETURNING id",
        (entry.day, entry.domain, entry.published),
    )
    return number, 0


def _add(tx: Transaction, entry: Entry, number: int, cases: int) -> None:
    left_out = entry.left_out
    for text, count in entry.cases:
        tx.execute("UPDATE dmarc_case SET count = count + ? WHERE day_id = ? AND text = ?", (count, number, text))
        if tx.changes():
            continue
        if cases < MOST_CASES:
            tx.execute("INSERT INTO dmarc_case (day_id, text, count) VALUES (?, ?, ?)", (number, text, count))
            cases += 1
        else:
            left_out += count
    tx.execute(
        "UPDATE dmarc_day SET published = ?, cases = ?, mails = mails + ?, left_out = left_out + ? WHERE id = ?",
        (entry.published, cases, entry.mails, left_out, number),
    )


def domains_of(tx: Transaction, day: int, most: int) -> list[str]:
    """Return whom to report a day to, those with most mail first.

    A domain that sent nothing but reports gets none: else two hosts would report each other's reports for ever.
    """
    rows = tx.execute(
        "SELECT domain FROM dmarc_day WHERE day = ? AND mails > 0 AND cases > 0 ORDER BY mails DESC, id LIMIT ?",
        (day, most),
    )
    return [domain for (domain,) in rows]


def find_day(tx: Transaction, day: int, domain: str) -> KeptDay | None:
    """Return what is kept of a domain and a day."""
    for row in tx.execute("SELECT id, published, left_out FROM dmarc_day WHERE day = ? AND domain = ?", (day, domain)):
        return KeptDay(*row)
    return None


def cases_of(tx: Transaction, number: int, offset: int) -> list[tuple[str, int]]:
    """Return some cases of a domain's day as texts, those of most messages first.

    Args:
        tx: reads.
        number: of the day's row.
        offset: how many were returned before.
    """
    rows = tx.execute(
        "SELECT text, count FROM dmarc_case WHERE day_id = ? ORDER BY count DESC, text LIMIT ? OFFSET ?",
        (number, SLICE, offset),
    )
    return [(text, count) for text, count in rows]


def forget_some(tx: Transaction, before: int) -> bool:
    """Delete some of what is of days before one.

    Returns:
        Whether there is more.
    """
    tx.execute(FORGET_CASES, (before, SLICE))
    if tx.changes() == SLICE:
        return True
    tx.execute("DELETE FROM dmarc_day WHERE day < ?", (before,))
    return False
