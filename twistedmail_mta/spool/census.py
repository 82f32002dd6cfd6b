"""How much is queued, by state and reason, and how old it is: counted in stretches, for whoever watches.

Plain functions on a transaction, and a coroutine that walks the table with
them; a million recipients take a second or two of a reader's thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.spool.ids import made_at
from twistedmail_mta.spool.rows import Key, Row
from twistedmail_mta.spool.stretch import END, START, STRETCH, stretch_end

UNTRIED: Final = "untried"
"""The reason of what nobody was asked to take yet."""
UNCLASSIFIED: Final = "unclassified"
"""The reason of what was answered with codes that mean nothing in particular."""

_GROUPS: Final = f"""
SELECT CASE WHEN owner IS NOT NULL THEN 'active'
            WHEN state = 'held' AND EXISTS (
                SELECT 1 FROM detention d WHERE d.message = r.message AND d.kind = 'quarantine') THEN 'quarantined'
            ELSE state END,
       coalesce(reason, iif(code IS NULL, '{UNTRIED}', '{UNCLASSIFIED}')),
       count(*), min(message)
FROM recipient r WHERE (message, n) > (?, ?) AND (message, n) <= (?, ?) GROUP BY 1, 2
"""  # noqa: S608 - constants

_MESSAGES: Final = """
SELECT count(DISTINCT message)
       - EXISTS (SELECT 1 FROM recipient WHERE message = ?1 AND n > ?2 AND (message, n) <= (?3, ?4))
FROM recipient WHERE (message, n) > (?1, ?2) AND (message, n) <= (?3, ?4)
"""
"""A message that a stretch cuts in two counts in the first."""

Read = Callable[[Callable[[Transaction], Any]], Awaitable[Any]]
"""Runs a function on one consistent state of the database."""


@dataclass(slots=True)
class Census:
    """What was counted.

    Attributes:
        messages: how many.
        recipients: how many, by state and reason; states are those of `mta queue`.
        oldest: when the oldest message with a recipient in a state came, in seconds since the epoch.
    """

    messages: int = 0
    recipients: dict[tuple[str, str], int] = field(default_factory=dict)
    oldest: dict[str, float] = field(default_factory=dict)

    def take(self, messages: int, groups: Iterable[Row]) -> None:
        """Add a stretch; the oldest come first."""
        self.messages += messages
        for state, reason, number, first in groups:
            self.recipients[state, reason] = self.recipients.get((state, reason), 0) + number
            self.oldest[state] = min(made_at(first), self.oldest.get(state, float("inf")))


async def take_census(read: Read) -> Census:
    """Count what is queued.

    Args:
        read: reads a stretch.

    Raises:
        TemporaryError: it can't be read now.
    """
    census, place = Census(), START
    while place != END:
        messages, groups, place = await read(partial(_stretch, after=place))
        census.take(messages, groups)
    return census


def _stretch(tx: Transaction, after: Key) -> tuple[int, list[Row], Key]:
    """Count a stretch; return how many messages begin there, the groups, and where to go on."""
    end = stretch_end(tx, after, STRETCH)
    ((messages,),) = tx.execute(_MESSAGES, (*after, *end))
    return messages, list(tx.execute(_GROUPS, (*after, *end))), end
