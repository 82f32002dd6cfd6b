"""What operators see of the queue: messages, their recipients, and how many there are.

Plain functions on a transaction, for the running server and for the command
that works while none runs.  The queue is read in stretches, which hold up
nobody.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.model import Address, Detention, Reply, id_text
from twistedmail_mta.spool.rows import Key, Row
from twistedmail_mta.spool.stretch import STRETCH, stretch_end
from twistedmail_mta.tags import unpacked

State = Literal["waiting", "active", "held", "quarantined", "suspended", "failed"]
Wish = Literal["hold", "delete", "bounce"]

_MESSAGES: Final = """
SELECT id, sender_local, sender_domain, size, received_at, account, peer, helo, listener, tags, kind, reason, plugin
FROM message LEFT JOIN detention ON detention.message = id
WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id
"""

_RECIPIENTS: Final = """
SELECT message, local, domain,
       CASE WHEN owner IS NOT NULL THEN 'active'
            WHEN state = 'held' AND EXISTS (
                SELECT 1 FROM detention d WHERE d.message = r.message AND d.kind = 'quarantine') THEN 'quarantined'
            ELSE state END,
       attempts, due, attempted_at, code, status, reply, remote, wish, warnings, reason, via, mailbox
FROM recipient r WHERE message IN (SELECT value FROM json_each(?)) ORDER BY message, n
"""

_COUNT: Final = """
SELECT count(*) FILTER (WHERE n = (SELECT min(n) FROM recipient f WHERE f.message = r.message)), count(*),
       count(*) FILTER (WHERE owner IS NOT NULL),
       count(*) FILTER (WHERE owner IS NULL AND state = 'waiting'),
       count(*) FILTER (WHERE owner IS NULL AND state = 'held'),
       count(*) FILTER (WHERE owner IS NULL AND state = 'suspended'),
       count(*) FILTER (WHERE state = 'failed')
FROM recipient r WHERE (message, n) > (?, ?) AND (message, n) <= (?, ?)
"""


@dataclass(frozen=True, slots=True)
class QueuedRecipient:
    """A recipient, as operators see it.

    Attributes:
        state: "active" while an attempt is made; "quarantined" is held until `mta quarantine` says otherwise.
        due: when it is tried next; of a held one, when it would have been.
        attempted_at: when it was tried last; None when it never was.
        reply: what the last attempt met.
        remote: who said it.
        wish: what waits for the end of an attempt.
        warnings: delay warnings sent.
        reason: the class of what the last attempt met; None where it has none.
        via: the way that a plugin or an operator chose; None for the site file's.
        mailbox: the mailbox that a plugin chose; None for INBOX, or where mail is sent on.
    """

    address: str
    state: State
    attempts: int
    due: float
    attempted_at: float | None
    reply: str
    remote: str
    wish: Wish | None
    warnings: int
    reason: str | None = None
    via: str | None = None
    mailbox: str | None = None


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message, as operators see it; `dataclasses.asdict` of it can be written as JSON.

    Attributes:
        id: as people write it.
        sender: empty for the null sender.
        size: octets.
        received_at: seconds since the epoch.
        account: the login that submitted it.
        peer: the client's address.
        recipients: all that are still here.
        helo: what the client called itself.
        listener: where it came in.
        detention: why a plugin had it held or quarantined; None if none did, or that is over.
        tags: what plugins noted about it.
    """

    id: str
    sender: str
    size: int
    received_at: float
    account: str | None
    peer: str
    recipients: tuple[QueuedRecipient, ...]
    helo: str = ""
    listener: str = ""
    detention: Detention | None = None
    tags: dict[str, str] = field(default_factory=dict)


def queued(tx: Transaction, ids: Sequence[int]) -> tuple[list[Row], list[Row]]:
    """Read messages and their recipients; `queued_messages` makes values of the rows."""
    names = json.dumps(list(ids))
    return list(tx.execute(_MESSAGES, (names,))), list(tx.execute(_RECIPIENTS, (names,)))


def queued_messages(messages: Sequence[Row], recipients: Sequence[Row]) -> list[QueuedMessage]:
    """Return the values of what `queued` read."""
    of: dict[int, list[QueuedRecipient]] = {row[0]: [] for row in messages}
    for message, *columns in recipients:
        of[message].append(_queued_recipient(*columns))
    return [_queued_message(row, tuple(of[row[0]])) for row in messages]


def _queued_message(row: Row, recipients: tuple[QueuedRecipient, ...]) -> QueuedMessage:
    message, local, domain, size, received_at, account, peer, helo, listener, tags, kind, reason, plugin = row
    return QueuedMessage(
        id_text(message),
        str(Address(local, domain)),
        size,
        received_at,
        account,
        peer,
        recipients,
        helo,
        listener,
        None if kind is None else Detention(kind, reason, plugin),
        dict(unpacked(tags)),
    )


def _queued_recipient(  # noqa: PLR0913, PLR0917 - the columns of a row
    local: str,
    domain: str,
    state: State,
    attempts: int,
    due: float,
    attempted_at: float | None,
    code: int | None,
    status: str,
    text: str,
    remote: str | None,
    wish: Wish | None,
    warnings: int,
    reason: str | None,
    via: str | None,
    mailbox: str | None,
) -> QueuedRecipient:
    reply = "" if code is None else str(Reply(code, status, text))
    address = str(Address(local, domain))
    return QueuedRecipient(
        address, state, attempts, due, attempted_at, reply, remote or "", wish, warnings, reason, via, mailbox
    )


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How much is queued."""

    messages: int = 0
    recipients: int = 0
    active: int = 0
    waiting: int = 0
    held: int = 0
    suspended: int = 0
    failed: int = 0


def count(tx: Transaction, after: Key) -> tuple[Row, Key]:
    """Count a stretch of the table; return the numbers of `QueueCounts` and where to go on."""
    end = stretch_end(tx, after, STRETCH)
    (row,) = tx.execute(_COUNT, (*after, *end))
    return row, end
