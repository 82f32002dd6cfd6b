"""What is due of daily reports, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.reporting.kind import Post


@dataclass(frozen=True, slots=True)
class Due:
    """A report that is to be made.

    Attributes:
        kind: `ReportKind.name`.
        day: which day it is of.
        subject: what it is about.
        tries: how often that came to nothing.
    """

    kind: str
    day: int
    subject: str
    tries: int


@dataclass(frozen=True, slots=True)
class DuePost:
    """A report that is to be posted.

    Attributes:
        id: names it.
        post: what is sent where.
        begun_at: when it was made, in seconds since the epoch.
        tries: how often it was sent, whatever became of that.
    """

    id: int
    post: Post
    begun_at: float
    tries: int


def is_laid_out(tx: Transaction, kind: str, day: int) -> bool:
    """Return whether the reports of a day are due already, or were."""
    return bool(list(tx.execute("SELECT 1 FROM report_day WHERE kind = ? AND day = ?", (kind, day))))


def lay_out(tx: Transaction, kind: str, day: int, subjects: Sequence[str], due_at: Sequence[float]) -> None:
    """Let the reports of a day be due, unless they are already.

    Args:
        tx: writes.
        kind: `ReportKind.name`.
        day: which day.
        subjects: what there are reports about.
        due_at: when each is due.
    """
    if is_laid_out(tx, kind, day):
        return
    tx.execute("INSERT INTO report_day (kind, day) VALUES (?, ?)", (kind, day))
    rows = ((kind, day, subject, at) for subject, at in zip(subjects, due_at, strict=False))
    tx.executemany("INSERT INTO report_due (kind, day, subject, due_at, tries) VALUES (?, ?, ?, ?, 0)", rows)


def due(tx: Transaction, now: float, most: int) -> list[Due]:
    """Return what is to be made now, the longest due first."""
    rows = tx.execute(
        "SELECT kind, day, subject, tries FROM report_due WHERE due_at <= ? ORDER BY due_at LIMIT ?", (now, most)
    )
    return [Due(*row) for row in rows]


def put_off(tx: Transaction, report: Due, due_at: float) -> None:
    """Let a report be tried again later."""
    tx.execute(
        "UPDATE report_due SET due_at = ?, tries = tries + 1 WHERE kind = ? AND day = ? AND subject = ?",
        (due_at, report.kind, report.day, report.subject),
    )


def settle(tx: Transaction, report: Due) -> bool:
    """Let a report be due no more; return whether it was."""
    tx.execute(
        "DELETE FROM report_due WHERE kind = ? AND day = ? AND subject = ?", (report.kind, report.day, report.subject)
    )
    return tx.changes() > 0


def forget(tx: Transaction, before: int) -> None:
    """Let nothing of days before one be due any more."""
    tx.execute("DELETE FROM report_due WHERE day < ?", (before,))
    tx.execute("DELETE FROM report_day WHERE day < ?", (before,))


def add_posts(tx: Transaction, posts: Sequence[Post], now: float) -> None:
    """Let something be posted, at once."""
    tx.executemany(
        "INSERT INTO report_post (url, content_type, body, begun_at, due_at, tries) VALUES (?, ?, ?, ?, ?, 0)",
        ((post.url, post.content_type, post.body, now, now) for post in posts),
    )


def due_posts(tx: Transaction, now: float, most: int) -> list[DuePost]:
    """Return what is to be posted now, the longest due first."""
    rows = tx.execute(
        "SELECT id, url, content_type, body, begun_at, tries FROM report_post WHERE due_at <= ?"
        " ORDER BY due_at LIMIT ?",
        (now, most),
    )
    return [DuePost(row[0], Post(*row[1:4]), *row[4:]) for row in rows]


def take_post(tx: Transaction, now: float, retry: float) -> DuePost | None:
    """Return what is to be posted next, if anything is due; that it is tried is noted at once, so nobody else takes it.

    Args:
        tx: writes.
        now: seconds since the epoch.
        retry: seconds after which it is posted again if nothing is heard of that; twice as many each further time.
    """
    for post in due_posts(tx, now, 1):
        due_at = now + retry * 2**post.tries
        tx.execute("UPDATE report_post SET due_at = ?, tries = tries + 1 WHERE id = ?", (due_at, post.id))
        return post
    return None


def remove_post(tx: Transaction, post: int) -> None:
    """Let something be posted no more."""
    tx.execute("DELETE FROM report_post WHERE id = ?", (post,))
