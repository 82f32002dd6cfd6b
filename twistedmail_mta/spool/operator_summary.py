"""How much of the queue belongs to what: by domain, lane, reason, age or account, and how old it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.spool.operator_selection import REASON, Query, walk
from twistedmail_mta.spool.rows import Key, Row

Group = Literal["lane", "domain", "reason", "age", "account"]

AGES: Final = (600.0, 3600.0, 14_400.0, 43_200.0, 86_400.0, 172_800.0)
"""Where each column of a summary ends, in seconds; the last column is what is older."""

WAY: Final = "way "
"""What the names of groups begin with that are a way an operator chose, instead of a domain."""

_NAMES: Final[dict[Group, str]] = {
    "domain": "r.domain",
    "lane": f"coalesce('{WAY}' || r.via, r.domain)",
    "reason": REASON,
    "age": "''",
    "account": "coalesce(m.account, '')",
}

_COLUMN: Final = " + ".join(["(age >= ?)"] * len(AGES))

_GROUPS: Final = f"""
SELECT name, {_COLUMN}, count(*) FROM (
    SELECT {{name}} AS name, ? - m.received_at AS age FROM recipient r JOIN message m ON m.id = r.message
"""  # noqa: S608 - a constant


def summary(tx: Transaction, wanted: Query, by: Group, now: float, after: Key) -> tuple[Sequence[Row], Key]:
    """Count a stretch of the table; return (name, place of the age in `AGES`, recipients), and where to go on."""
    what = _GROUPS.format(name=_NAMES[by])
    rows, end = walk(tx, wanted, after, what, ") GROUP BY 1, 2", first=(*AGES, now))
    return list(rows), end
