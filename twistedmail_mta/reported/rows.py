"""Reports of others as rows: kept once, forgotten in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.reported.entry import Entry, Kind, Line

Word = Literal["pass", "fail", "none", "unknown"]

LINES_AT_ONCE: Final = 1000
"""Lines that are written in one transaction."""
MOST_A_DAY: Final = 200
"""Reports about a domain that are taken from one sender in a day: some report each hour, and in several parts."""
MOST_LINES_A_DAY: Final = 200_000
"""Lines of these: a large sender's report has some thousands."""
MOST_LINES: Final = 5_000_000
"""Lines of all reports; a million take about 200 MB.  Those that nobody has signed come no further than half of it."""
FORGOTTEN_AT_ONCE: Final = 20
"""Reports that are deleted in one transaction, fewer if they have more than `LINES_AT_ONCE` lines."""
_DAY: Final = 86_400

Kept = Literal["begun", "known", "too many", "full"]


@dataclass(frozen=True, slots=True)
class Mailing:
    """How a report came.

    Attributes:
        received_at: in seconds since the epoch.
        author: the domain in From; empty where that is unclear.
        proof: whether a signature of the author's domain verified.
        signer: the domain of that signature; empty without.
    """

    received_at: int
    author: str
    proof: Word
    signer: str


@dataclass(frozen=True, slots=True)
class Place:
    """An INBOX that reports come to.

    Attributes:
        account: its id.
        mailbox: its id.
        read_to: UIDs below it were looked at.
        uid_next: above the UID of every message.
    """

    account: int
    mailbox: int
    read_to: int
    uid_next: int


_PLACE: Final = """
SELECT a.id, m.id, coalesce(r.read_to, 1), m.uid_next
FROM accounts a JOIN mailbox m ON m.account = a.id AND m.name = 'INBOX' LEFT JOIN report_mailbox r ON r.mailbox = m.id
WHERE a.address = ?
"""


def place_of(tx: Transaction, account: str) -> Place | None:
    """Return the INBOX of an account; None before the first mail has come."""
    for row in tx.execute(_PLACE, (account,)):
        return Place(*row)
    return None


def has_account(tx: Transaction, account: str) -> bool:
    """Return whether there is an account of that name."""
    return bool(list(tx.execute("SELECT 1 FROM accounts WHERE address = ?", (account,))))


def note_read(tx: Transaction, mailbox: int, read_to: int) -> None:
    """Remember how far a mailbox was looked at."""
    tx.execute(
        "INSERT INTO report_mailbox (mailbox, read_to) VALUES (?1, ?2)"
        " ON CONFLICT (mailbox) DO UPDATE SET read_to = max(read_to, ?2)",
        (mailbox, read_to),
    )


def begin_report(tx: Transaction, entry: Entry, mailing: Mailing) -> tuple[Kept, int]:
    """Begin to keep a report; return what becomes of it, and its id.

    One that was begun and not finished is begun anew.
    """
    key = (entry.kind, entry.domain, entry.organization, entry.report_id, mailing.signer)
    for report, complete in list(
        tx.execute(
            "SELECT id, complete FROM received_report"
            " WHERE kind = ? AND domain = ? AND organization = ? AND report_id = ? AND signer = ?",
            key,
        )
    ):
        if complete:
            return "known", report
        tx.execute("DELETE FROM received_report WHERE id = ?", (report,))
    if (refused := _refused(tx, entry, mailing)) is not None:
        return refused, 0
    ((report,),) = tx.execute(
        "INSERT INTO received_report (kind, domain, organization, report_id, signer, contact, begins_at, ends_at,"
        " received_at, author, proof, detail, lines, complete) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
        " RETURNING id",
        (
            *key,
            *(entry.contact, entry.begins_at, entry.ends_at, mailing.received_at, mailing.author, mailing.proof),
            *(entry.detail, len(entry.lines)),
        ),
    )
    return "begun", report


def _refused(tx: Transaction, entry: Entry, mailing: Mailing) -> Kept | None:
    ((number, of_sender),) = tx.execute(
        "SELECT count(*), coalesce(sum(lines), 0) FROM received_report"
        " WHERE signer = ? AND domain = ? AND received_at > ?",
        (mailing.signer, entry.domain, mailing.received_at - _DAY),
    )
    if number >= MOST_A_DAY or of_sender + len(entry.lines) > MOST_LINES_A_DAY:
        return "too many"
    ((lines,),) = tx.execute("SELECT lines FROM received_lines")
    most = MOST_LINES if mailing.signer else MOST_LINES // 2
    return "full" if lines + len(entry.lines) > most else None


_ADD: Final = {
    "dmarc": "INSERT OR REPLACE INTO received_case"
    " (report, n, source, messages, disposition, dkim, spf, author, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "tls": "INSERT OR REPLACE INTO received_session"
    " (report, n, policy_type, policy, mx_host, result, sessions, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
}


def add_lines(tx: Transaction, kind: Kind, report: int, first: int, lines: Sequence[Line]) -> None:
    """Keep some lines of a report, the first of which has this number."""
    tx.executemany(_ADD[kind], [(report, number, *line) for number, line in enumerate(lines, first)])


def finish_report(tx: Transaction, report: int) -> None:
    """Let a report count: all its lines are there."""
    tx.execute("UPDATE received_report SET complete = 1 WHERE id = ?", (report,))


def forget_reports(tx: Transaction, before: int) -> int:
    """Delete some reports about times that ended before one; return how many."""
    gone = list(
        tx.execute(
            "DELETE FROM received_report WHERE id IN (SELECT id FROM"
            " (SELECT id, lines, sum(lines) OVER (ORDER BY ends_at, id) AS so_far FROM received_report"
            " WHERE ends_at < ? ORDER BY ends_at, id LIMIT ?) WHERE so_far - lines < ?) RETURNING id",
            (before, FORGOTTEN_AT_ONCE, LINES_AT_ONCE),
        )
    )
    return len(gone)
