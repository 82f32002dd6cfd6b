"""SORT and THREAD, and their UID forms (RFC 5256 section 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import compress
from typing import Final, TypeVar, cast

from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.searching import BAD_CHARSET, find, send
from twistedmail_mta.imap.command import Command
from twistedmail_mta.imap.in_turns import Turns, list_in_turns
from twistedmail_mta.imap.response import Response, ok
from twistedmail_mta.imap.search import Algorithm, Criterion, Sort, Thread, UnknownCharset
from twistedmail_mta.imap.search_answer import Found, numbers_line
from twistedmail_mta.imap.sorting import SortKey, sort_keys
from twistedmail_mta.imap.sorting import sort as sort_by
from twistedmail_mta.imap.thread_tree import thread_line
from twistedmail_mta.imap.threads import by_references, by_subject, with_references, without_references
from twistedmail_mta.mailbox.described import Column

T = TypeVar("T")

_DATED: Final = (Column.INTERNAL_DATE, Column.ENVELOPE)
_UNWRITTEN: Final = frozenset({Criterion.ARRIVAL, Criterion.SIZE})
"""What the sender of a message has no say in."""
_REFERRING: Final = (*_DATED, Column.HEADER)


async def sort(context: Context, command: Command) -> Response:
    """Answer SORT and UID SORT."""
    action = command.action
    if isinstance(action, UnknownCharset):
        return BAD_CHARSET
    assert isinstance(action, Sort)
    sizes = context.opened.columns().sizes[:]
    found = await find(context, action.key, by_uid=action.by_uid)
    keys = await _sort_keys(context, found, action)
    uids = found.uids
    indices = await _in_turns(context, list_in_turns(index for index in _indices(found) if uids[index] in keys))
    work = sort_by(indices, action.criteria, lambda index: keys[uids[index]], sizes)
    ordered = await _in_turns(context, work)
    context.session.send(b"* SORT")
    await send(context, numbers_line(map(found.number, ordered), found.highest()))
    return ok(f"{command.verb} completed")


async def thread(context: Context, command: Command) -> Response:
    """Answer THREAD and UID THREAD."""
    action = command.action
    if isinstance(action, UnknownCharset):
        return BAD_CHARSET
    assert isinstance(action, Thread)
    found = await find(context, action.key, by_uid=action.by_uid)
    if action.algorithm is Algorithm.REFERENCES:
        messages, threaded = await _gather(context, found, _REFERRING, with_references), by_references
    else:
        messages, threaded = await _gather(context, found, _DATED, without_references), by_subject
    uids = found.uids
    numbered = ((found.number(index), messages[uids[index]]) for index in _indices(found) if uids[index] in messages)
    await send(context, thread_line(await _in_turns(context, threaded(numbered))))
    return ok(f"{command.verb} completed")


def _indices(found: Found) -> compress[int]:
    return compress(range(len(found.mask)), found.mask)


async def _sort_keys(context: Context, found: Found, action: Sort) -> Mapping[int, tuple[SortKey, ...]]:
    """Return what each message is sorted by, by its UID."""
    of = sort_keys(action.criteria)
    if {criterion for criterion, _ in action.criteria} <= _UNWRITTEN:
        return await _gather(context, found, (Column.INTERNAL_DATE,), lambda date: of(date, b""))
    return await _gather(context, found, _DATED, of)


async def _gather(context: Context, found: Found, columns: tuple[Column, ...], of: Callable[..., T]) -> dict[int, T]:
    """Return what is made of each message found that is still there, by its UID."""
    uids = list(compress(found.uids, found.mask))
    return await context.listener.store.gather(context.opened.mailbox.id, uids, columns, of)


async def _in_turns(context: Context, work: Turns[T]) -> T:
    """Do long work to its end; others have their turns in between."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return cast(T, end.value)
        await context.connection.room()
