"""Finds stories, the newest first, in a time that hardly grows with the history.

Spans are looked at one after the other, from the newest; in each the condition
with the fewest terms leads, and the others are looked up beside it.  Terms lie
in the order of the stories, so a page is full before much was read.  A search
that finds nothing in very many that are nearly right ends and says how far it
has come.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.history import tables
from twistedmail_mta.history.keys import first_id, span_of, start_of
from twistedmail_mta.history.query import Condition, Query
from twistedmail_mta.history.story import Step, Story, unknown_row
from twistedmail_mta.interfaces import Transaction

CHUNK: Final = 100
"""Stories that are read at once."""
COUNTED: Final = (20, 2_000)
"""Terms up to which conditions are compared: if one has fewer than the first, that is enough."""
MOST_READ: Final = 20_000
"""Stories that are read for one answer."""
LONGEST: Final = 4 * 3600.0
"""Seconds from the begin of a message, which its id tells, to its end: more than a listener lets it take."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what was found.

    Attributes:
        stories: the newest first.
        more: there may be more; `before` says where to go on.
        before: the time of the last story that was looked at, in seconds since the epoch.
    """

    stories: tuple[Story, ...]
    more: bool
    before: float


def search(tx: Transaction, query: Query, limit: int) -> Found:
    """Return stories that are looked for.

    Args:
        tx: a transaction on the history.
        query: which.
        limit: how many at most.
    """
    if query.ids is not None:
        stories = [each for each in read_stories(tx, query.ids) if query.wants(each)]
        return Found(tuple(stories), more=False, before=0.0)
    found: list[Story] = []
    looked = 0
    for chunk in _chunks(tx, query):
        for story in read_stories(tx, chunk):
            if query.wants(story):
                if len(found) == limit:
                    return Found(tuple(found), more=True, before=found[-1].at)
                found.append(story)
        looked += len(chunk)
        if looked >= MOST_READ:
            return Found(tuple(found), more=True, before=start_of(chunk[-1]))
    return Found(tuple(found), more=False, before=0.0)


def read_stories(tx: Transaction, ids: Sequence[int]) -> list[Story]:
    """Return stories with their steps, the newest first; of one whose begin isn't known the steps alone."""
    wanted = json.dumps(list(ids))
    steps: dict[int, list[Step]] = {}
    for row in tx.execute(tables.READ_STEPS, (wanted,)):
        steps.setdefault(row[0], []).append(Step.of(row))
    told = [Story.of(row, steps.pop(row[0], ())) for row in tx.execute(tables.READ_STORIES, (wanted,))]
    told += [Story.of(unknown_row(story, start_of(story)), each) for story, each in steps.items()]
    return sorted(told, key=lambda story: story.id, reverse=True)


def _chunks(tx: Transaction, query: Query) -> Iterator[list[int]]:
    """Yield the ids of stories that may be meant, the newest first."""
    first = 0 if query.since is None else first_id(query.since - LONGEST)
    end = _MOST if query.until is None else first_id(query.until)
    keyed = [each for each in query.conditions if each.keys]
    if not keyed:
        yield from _all(tx, first, end)
        return
    bounds = list(tx.execute("SELECT (SELECT min(id) FROM story), (SELECT max(id) FROM story)"))
    least, greatest = bounds[0]
    if least is None:
        return
    for span in range(span_of(min(greatest, end)), span_of(max(least, first)) - 1, -1):
        yield from _in_span(tx, keyed, span, end)


_MOST: Final = (1 << 63) - 1


def _all(tx: Transaction, first: int, end: int) -> Iterator[list[int]]:
    while chunk := list(
        tx.execute("SELECT id FROM story WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?", (first, end, CHUNK))
    ):
        yield [story for (story,) in chunk]
        end = chunk[-1][0]


def _in_span(tx: Transaction, conditions: Sequence[Condition], span: int, end: int) -> Iterator[list[int]]:
    ordered = _rarest_first(tx, conditions, span)
    if not ordered:
        return
    lead, *others = ordered
    while chunk := _some(tx, lead, others, span, end):
        yield chunk
        end = chunk[-1]


def _rarest_first(tx: Transaction, conditions: Sequence[Condition], span: int) -> Sequence[Condition]:
    """Return the conditions, that with the fewest terms first; none if one has no term here."""
    if len(conditions) == 1:
        return conditions
    for most in COUNTED:
        counts = [(_count(tx, each, span, most), place) for place, each in enumerate(conditions)]
        if min(counts)[0] < most:
            break
    return [conditions[place] for _, place in sorted(counts)] if min(counts)[0] else ()


def _count(tx: Transaction, condition: Condition, span: int, most: int) -> int:
    """Return how many terms lead to stories, up to a bound for each."""
    count = "SELECT count(*) FROM (SELECT 1 FROM term WHERE span = ? AND key = ? LIMIT ?)"
    return sum(next(iter(tx.execute(count, (span, key, most))))[0] for key in condition.keys)


_BESIDE: Final = (
    " AND EXISTS (SELECT 1 FROM term AS other"
    " WHERE other.span = term.span AND other.key IN ({}) AND other.story = term.story)"
)


def _some(tx: Transaction, lead: Condition, others: Sequence[Condition], span: int, end: int) -> list[int]:
    """Return the newest stories before one that have terms of all conditions."""
    beside = "".join(_BESIDE.format(", ".join("?" * len(each.keys))) for each in others)
    sql = f"SELECT story FROM term WHERE span = ? AND key = ?{beside} AND story < ? ORDER BY story DESC LIMIT ?"  # noqa: S608 - places alone
    keys = [key for each in others for key in each.keys]
    found = {story for key in lead.keys for (story,) in tx.execute(sql, (span, key, *keys, end, CHUNK))}
    return sorted(found, reverse=True)[:CHUNK]
