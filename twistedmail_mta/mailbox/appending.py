"""Messages put into a mailbox as they are, and the keywords of its messages: the transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mailbox.change import Added
from twistedmail_mta.mailbox.deposit import ARRIVAL, CONTENT, MAIL
from twistedmail_mta.mailbox.flags import FIRST_KEYWORD, LAST_KEYWORD
from twistedmail_mta.mailbox.replies import MAILBOX_GONE
from twistedmail_mta.mailbox.rows import Row, content_row
from twistedmail_mta.model import Body, Structure
from twistedmail_mta.spool.rows import body_row
from twistedmail_mta.spool.tables import BODY

ASSIGN_MANY: Final = """
UPDATE mailbox SET uid_next = uid_next + ?2, modseq = modseq + 1, messages = messages + ?2, octets = octets + ?3
WHERE id = ?1 AND name >= ' ' RETURNING uid_next - ?2, modseq
"""

UIDL: Final = "INSERT INTO uidl (mailbox, uid, uidl) VALUES (?, ?, ?)"

READ_UIDLS: Final = "SELECT uid, uidl FROM uidl WHERE mailbox = ? AND uid >= ? AND uid < ?"

KEYWORDS: Final = "SELECT name, bit FROM keyword WHERE mailbox = ?"

ADD_KEYWORD: Final = """
INSERT INTO keyword (mailbox, bit, name) SELECT id, ?2, ?3 FROM mailbox WHERE id = ?1 ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message to be put into a mailbox as it is (APPEND of RFC 9051 section 6.3.12, or an import).

    Attributes:
        id: new, as message ids are (`MessageIds`).
        header: the header block with the empty line that ends it (`mail.header.split`).
        body: what follows.
        structure: what is worked out of both.
        internal_date: seconds since the epoch.
        flags: bits of `mailbox.flags`.
        keywords: other flags, by name.
        uidl: what POP3 called it elsewhere, 1 to 70 characters of 0x21 to 0x7E; None for our own scheme.
    """

    id: int
    header: bytes
    body: Body
    structure: Structure
    internal_date: int
    flags: int = 0
    keywords: frozenset[str] = frozenset()
    uidl: str | None = None

    @property
    def size(self) -> int:
        """Return the number of octets."""
        return len(self.header) + self.body.size


@dataclass(frozen=True, slots=True)
class IncomingRows:
    """Messages, ready to insert; the lists go side by side."""

    bodies: list[Row]
    contents: list[Row]
    arrivals: list[Row]
    flags: list[int]
    uidls: list[str | None]
    octets: int


def incoming_rows(messages: Sequence[Incoming], keywords: dict[str, int], now: int) -> IncomingRows:
    """Return the rows of messages.

    Args:
        messages: what is put there.
        keywords: the bit of each name, in lower case.
        now: seconds since the epoch.
    """
    return IncomingRows(
        [body_row(message.id, 1, message.body) for message in messages],
        [content_row(message.id, 1, message.id, message.structure, message.header) for message in messages],
        [(message.size, message.internal_date, now, b"") for message in messages],
        [message.flags | keyword_bits(message.keywords, keywords) for message in messages],
        [message.uidl for message in messages],
        sum(message.size for message in messages),
    )


def keyword_bits(names: frozenset[str], keywords: dict[str, int]) -> int:
    """Return the bits of keywords; those that no bit was left for are passed over."""
    bits = 0
    for name in names:
        bit = keywords.get(name.lower())
        bits |= 0 if bit is None else 1 << bit
    return bits


def append(tx: Transaction, mailbox: int, rows: IncomingRows) -> Added:
    """Put messages into a mailbox, with UIDs that follow one another.

    Raises:
        TemporaryError: there is no such mailbox.
    """
    count = len(rows.bodies)
    assigned = list(tx.execute(ASSIGN_MANY, (mailbox, count, rows.octets)))
    if not assigned:
        raise TemporaryError(MAILBOX_GONE)
    first, modseq = assigned[0]
    uids = range(first, first + count)
    list(tx.executemany(BODY, rows.bodies))
    list(tx.executemany(CONTENT, rows.contents))
    mails = [
        (mailbox, uid, modseq, flags, row[0]) for uid, flags, row in zip(uids, rows.flags, rows.contents, strict=True)
    ]
    list(tx.executemany(MAIL, mails))
    list(tx.executemany(ARRIVAL, [(mailbox, uid, *row) for uid, row in zip(uids, rows.arrivals, strict=True)]))
    uidls = [(mailbox, uid, uidl) for uid, uidl in zip(uids, rows.uidls, strict=True) if uidl is not None]
    list(tx.executemany(UIDL, uidls))
    return Added(mailbox, modseq, uids, rows.flags, [row[0] for row in rows.arrivals])


def uidls(tx: Transaction, mailbox: int, first: int, end: int) -> dict[int, str]:
    """Return the UIDLs that messages brought with them, by UID, from `first` to before `end`."""
    return dict(tx.execute(READ_UIDLS, (mailbox, first, end)))


def keywords(tx: Transaction, mailbox: int) -> dict[str, int]:
    """Return the bit of each keyword of a mailbox, by its name in lower case."""
    return {name.lower(): bit for name, bit in tx.execute(KEYWORDS, (mailbox,))}


def add_keywords(tx: Transaction, mailbox: int, names: Sequence[str]) -> dict[str, int]:
    """Give bits to keywords that have none, as long as there are bits; return all of them as `keywords` does."""
    known = keywords(tx, mailbox)
    free = sorted(set(range(FIRST_KEYWORD, LAST_KEYWORD + 1)).difference(known.values()))
    new = [name for name in names if name.lower() not in known]
    list(tx.executemany(ADD_KEYWORD, [(mailbox, bit, name) for bit, name in zip(free, new, strict=False)]))
    return keywords(tx, mailbox)
