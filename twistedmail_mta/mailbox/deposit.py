"""Puts messages into mailboxes: the transactions, which run SQL and return what changed.

A delivery takes five statements, however many mailboxes get it, each prepared
by SQLite once: acceptance waits for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mail.mailbox_names import INBOX
from twistedmail_mta.mailbox.change import Added
from twistedmail_mta.mailbox.replies import MAILBOX_GONE, MESSAGE_GONE
from twistedmail_mta.mailbox.rows import DeliveryRows, Row

CONTENT: Final = "INSERT INTO content (id, refs, body, envelope, structure, parts, header) VALUES (?, ?, ?, ?, ?, ?, ?)"

CONTENT_AGAIN: Final = f"{CONTENT} ON CONFLICT (id) DO UPDATE SET refs = refs + excluded.refs RETURNING refs"

REFER_TO_BODY: Final = "UPDATE body SET refs = refs + 1 WHERE id = ? RETURNING refs"

BODY_IS_HERE: Final = "SELECT 1 FROM body WHERE id = ?"

ASSIGN: Final = """
UPDATE mailbox SET uid_next = uid_next + 1, modseq = modseq + 1, messages = messages + 1, octets = octets + ?4
WHERE account = ?2 AND name = ?3 RETURNING ?1, id, uid_next - 1, modseq
"""

MAIL: Final = "INSERT INTO mail (mailbox, uid, modseq, flags, content) VALUES (?, ?, ?, ?, ?)"

ARRIVAL: Final = "INSERT INTO arrival (mailbox, uid, size, internal_date, saved_at, prefix) VALUES (?, ?, ?, ?, ?, ?)"

DONE: Final = "INSERT INTO delivered (message, n, account, mailbox) VALUES (?, ?, ?, ?)"

READ_DONE: Final = "SELECT account, mailbox FROM delivered WHERE message = ? AND n = ?"

VALIDITY: Final = "UPDATE uid_validity SET last = max(last + ?1, ?2) RETURNING last - ?1 + 1"

MAKE: Final = """
INSERT INTO mailbox (account, name, uid_validity, special_use)
SELECT id, ?2, ?3, ?4 FROM accounts WHERE id = ?1 ON CONFLICT (account, name) DO NOTHING RETURNING id
"""

SUBSCRIBE: Final = "INSERT INTO subscription (account, name) VALUES (?, ?) ON CONFLICT DO NOTHING"


SPECIAL: Final = (
    ("Drafts", r"\Drafts"),
    ("Sent", r"\Sent"),
    ("Junk", r"\Junk"),
    ("Trash", r"\Trash"),
    ("Archive", r"\Archive"),
)
"""What is made with every INBOX (RFC 6154 section 2)."""


def deposit(tx: Transaction, rows: DeliveryRows) -> list[Added]:
    """Put a message into mailboxes in the transaction that accepts it; its body's row counts that already.

    Returns what came into each, in the order of the places.

    Raises:
        TemporaryError: an account is gone.
    """
    tx.execute(CONTENT, rows.content)
    return _into_mailboxes(tx, rows)


def deposit_spooled(tx: Transaction, rows: DeliveryRows, done: Sequence[Row]) -> list[Added]:
    """Put a spooled message into mailboxes, some of which may share its content already.

    Args:
        tx: the transaction.
        rows: where to.
        done: the parameters of `DONE`, to be known when this is repeated.

    Raises:
        TemporaryError: an account, or the message itself, is gone.
    """
    _, refs, body, *_ = rows.content
    if not list(tx.execute(BODY_IS_HERE, (body,))):
        raise TemporaryError(MESSAGE_GONE)
    ((now_refs,),) = list(tx.execute(CONTENT_AGAIN, rows.content))
    if now_refs == refs:
        list(tx.execute(REFER_TO_BODY, (body,)))
    list(tx.executemany(DONE, done))
    return _into_mailboxes(tx, rows)


def read_done(tx: Transaction, message: int, n: int) -> set[tuple[int, str]]:
    """Return which mailboxes have a spooled message already: accounts and names."""
    return set(tx.execute(READ_DONE, (message, n)))


def _into_mailboxes(tx: Transaction, rows: DeliveryRows) -> list[Added]:
    assigned = list(tx.executemany(ASSIGN, rows.places))
    if len(assigned) < len(rows.places):
        assigned += _assign_in_new(tx, rows, {row[0] for row in assigned})
        assigned.sort()  # as the places are
    content, arrivals = rows.content[0], rows.arrivals
    list(tx.executemany(MAIL, [(mailbox, uid, modseq, 0, content) for _, mailbox, uid, modseq in assigned]))
    list(tx.executemany(ARRIVAL, [(mailbox, uid, *arrivals[n]) for n, mailbox, uid, _ in assigned]))
    return [Added(mailbox, modseq, (uid,), (0,), (arrivals[n][0],)) for n, mailbox, uid, modseq in assigned]


def _assign_in_new(tx: Transaction, rows: DeliveryRows, found: set[int]) -> list[Row]:
    """Make the mailboxes that are missing, and give out their first UIDs."""
    missing = [place for place in rows.places if place[0] not in found]
    for _, account, name, _ in missing:
        make(tx, account, name, rows.now)
    assigned = list(tx.executemany(ASSIGN, missing))
    if len(assigned) < len(missing):
        raise TemporaryError(MAILBOX_GONE)
    return assigned


def make(tx: Transaction, account: int, name: str, now: int, special_use: str | None = None) -> None:
    """Make a mailbox unless it is there, and the account's first ones before it.

    Does nothing when there is no such account.
    """
    if list(tx.execute(MAKE, (account, INBOX, validities(tx, 1, now), None))):
        first = validities(tx, len(SPECIAL), now)
        for number, (each, use) in enumerate(SPECIAL):
            list(tx.execute(MAKE, (account, each, first + number, use)))
        list(tx.executemany(SUBSCRIBE, [(account, each) for each in (INBOX, *(each for each, _ in SPECIAL))]))
    if name != INBOX:
        list(tx.execute(MAKE, (account, name, validities(tx, 1, now), special_use)))


def make_as_elsewhere(tx: Transaction, account: int, wanted: Sequence[tuple[str, str | None]], now: int) -> None:
    """Make the mailboxes that an account had elsewhere, with their special uses; for one that has none yet."""
    for name, special_use in wanted:
        list(tx.execute(MAKE, (account, name, validities(tx, 1, now), special_use)))


def validities(tx: Transaction, count: int, now: int) -> int:
    """Return the first of some new UIDVALIDITY values, greater than any before, also of mailboxes that are gone."""
    ((first,),) = list(tx.execute(VALIDITY, (count, now)))
    return int(first)
