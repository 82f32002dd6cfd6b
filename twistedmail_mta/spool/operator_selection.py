"""Which recipients an operator means: conditions in SQL, and the walk that finds who meets them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.spool.rows import Key, Row
from twistedmail_mta.spool.stretch import END, STRETCH, stretch_end

_DETAINED: Final = "EXISTS (SELECT 1 FROM detention d WHERE d.message = r.message AND {})"
_QUARANTINED: Final = _DETAINED.format("d.kind = 'quarantine'")
_DETAINED_BECAUSE: Final = _DETAINED.format("d.reason LIKE ? ESCAPE '\\'")

REASON: Final = (
    f"CASE WHEN r.state = 'held' AND {_QUARANTINED} THEN 'quarantined'"
    " ELSE coalesce(r.reason, trim(r.code || ' ' || r.status), 'not tried yet') END"
)
"""Why a recipient is still here: the class of the last answer, or its codes where it has none."""

_BETWEEN: Final = "(r.message, r.n) <= (?, ?)"
_AMONG: Final = "r.message IN (SELECT value FROM json_each(?))"
_TO: Final = "rtrim(r.local || '@' || r.domain, '@') LIKE ? ESCAPE '\\'"
_DOMAIN: Final = "r.domain = ?"
_REASON: Final = (
    f"({REASON} = ? OR r.code || ' ' || r.status || ' ' || r.reply LIKE ? ESCAPE '\\'"
    f" OR r.state = 'held' AND {_DETAINED_BECAUSE})"
)
_OF_MESSAGE: Final = "EXISTS (SELECT 1 FROM message m WHERE m.id = r.message AND {})"
_FROM: Final = "rtrim(m.sender_local || '@' || m.sender_domain, '@') LIKE ? ESCAPE '\\'"
_ACCOUNT: Final = "m.account = ?"
_BEFORE: Final = "m.received_at <= ?"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which recipients are meant: those to whom all that is given applies.

    Attributes:
        ids: of these messages; None for all.
        to: a pattern of recipient addresses; `*` and `?` as in a shell, in any case.
        sender: a pattern of senders; "<>" is the null sender.
        domain: recipients of exactly this domain, in lower case.
        account: mail that this login submitted.
        reason: the class of the last answer, or a pattern of its whole text, or of why a plugin had it held; of
            mail in quarantine alone a part of why it is there is enough.
        before: mail accepted then or earlier, in seconds since the epoch.
        quarantined: only mail in quarantine, or none of it; None: whether it is doesn't count.
    """

    ids: tuple[int, ...] | None = None
    to: str | None = None
    sender: str | None = None
    domain: str | None = None
    account: str | None = None
    reason: str | None = None
    before: float | None = None
    quarantined: bool | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A selection, ready for SQL.

    Attributes:
        conditions: on rows `r` of recipients.
        values: their parameters.
        ids: the messages meant, as a JSON array; None for all.
    """

    conditions: str
    values: Row
    ids: str | None


def query(selection: Selection) -> Query:
    """Prepare a selection."""
    conditions, values = _recipient_conditions(selection)
    of_messages, message_values = _message_conditions(selection)
    if of_messages:
        conditions.append(_OF_MESSAGE.format(" AND ".join(of_messages)))
    ids = None if selection.ids is None else json.dumps(selection.ids)
    return Query(" AND ".join(conditions) or "1", (*values, *message_values), ids)


def _recipient_conditions(selection: Selection) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    values: list[object] = []
    if selection.to is not None:
        conditions.append(_TO)
        values.append(_like(selection.to))
    if selection.domain is not None:
        conditions.append(_DOMAIN)
        values.append(selection.domain)
    if selection.quarantined is not None:
        conditions.append(_QUARANTINED if selection.quarantined else f"NOT {_QUARANTINED}")
    if selection.reason is not None and selection.quarantined:
        conditions.append(_DETAINED_BECAUSE)
        values.append(f"%{_like(selection.reason)}%")
    elif selection.reason is not None:
        conditions.append(_REASON)
        values += [selection.reason, *[_like(selection.reason)] * 2]
    return conditions, values


def _message_conditions(selection: Selection) -> tuple[list[str], list[object]]:
    wanted = (
        (_FROM, None if selection.sender is None else _like(selection.sender)),
        (_ACCOUNT, selection.account),
        (_BEFORE, selection.before),
    )
    given = [(condition, value) for condition, value in wanted if value is not None]
    return [condition for condition, _ in given], [value for _, value in given]


def _like(pattern: str) -> str:
    """Return the pattern as SQL's LIKE has it."""
    pattern = pattern.removeprefix("<").removesuffix(">")
    for special in "\\%_":
        pattern = pattern.replace(special, "\\" + special)
    return pattern.replace("*", "%").replace("?", "_")


def find(tx: Transaction, wanted: Query, after: Key, limit: int) -> tuple[list[Key], Key]:
    """Return the first keys after `after` that are meant, at most `limit`, and where to go on.

    It may find nothing and yet not be at the end, which is `END`.
    """
    what = "SELECT r.message, r.n FROM recipient r"
    rows, end = walk(tx, wanted, after, what, "ORDER BY r.message, r.n LIMIT ?", (limit,))
    found = [(message, n) for message, n in rows]
    return found, found[-1] if len(found) == limit else end


def walk(  # noqa: PLR0913, PLR0917 - the parts of a statement
    tx: Transaction, wanted: Query, after: Key, what: str, ending: str, last: Row = (), first: Row = ()
) -> tuple[Iterator[Row], Key]:
    """Run a statement on those meant in the next stretch of the table; return its rows and where to go on.

    Args:
        tx: the transaction.
        wanted: who is meant.
        after: begin behind this recipient.
        what: its SELECT and FROM.
        ending: what follows its conditions.
        last: the parameters of `ending`.
        first: the parameters of `what`.
    """
    scope: Row
    if wanted.ids is None:
        end = scope = stretch_end(tx, after, STRETCH)
        bound = _BETWEEN
    else:
        end, scope, bound = END, (wanted.ids,), _AMONG
    sql = f"{what} WHERE (r.message, r.n) > (?, ?) AND {bound} AND {wanted.conditions} {ending}"
    return iter(tx.execute(sql, (*first, *after, *scope, *wanted.values, *last))), end
