"""SORT and THREAD, and their UID forms (RFC 5256 section 3)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import compress
from typing import Final, TypeVar, cast

from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.searching import BAD_CHARSET, find, send
from twistedmail_mta.imap.command import Command
from twistedmail_mta.imap.in_turns import Turns
from twistedmail_mta.imap.response import Response, ok
from twistedmail_mta.imap.search import Algorithm, Sort, Thread, UnknownCharset
from twistedmail_mta.imap.search_answer import Found, numbers_line
from twistedmail_mta.imap.sorting import sort as sort_by
from twistedmail_mta.imap.sorting import sort_keys
from twistedmail_mta.imap.threads import by_references, by_subject, thread_line, with_references, without_references
from twistedmail_mta.mailbox.described import Column

T = TypeVar("T")

_DATED: Final = (Column.INTERNAL_DATE, Column.ENVELOPE)
_REFERRING: Final = (*_DATED, Column.HEADER)


async def sort(context: Context, command: Command) -> Response:
    """Answer SORT and UID SORT."""
    action = command.action
    if isinstance(action, UnknownCharset):
        return BAD_CHARSET
    assert isinstance(action, Sort)
    sizes = context.opened.columns().sizes[:]
    found = await find(context, action.key, by_uid=action.by_uid)
    keys = await _gather(context, found, _DATED, sort_keys(action.criteria))
    indices = [index for index in _indices(found) if index in keys]
    ordered = await _in_turns(context, sort_by(indices, action.criteria, keys, sizes))
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
    numbered = [(found.number(index), message) for index, message in messages.items()]
    await send(context, thread_line(await _in_turns(context, threaded(numbered))))
    return ok(f"{command.verb} completed")


def _indices(found: Found) -> compress[int]:
    return compress(range(len(found.mask)), found.mask)


async def _gather(context: Context, found: Found, columns: tuple[Column, ...], of: Callable[..., T]) -> dict[int, T]:
    """Return what is made of each message found, by its index; ascending."""
    uids = list(compress(found.uids, found.mask))
    made = await context.listener.store.gather(context.opened.mailbox.id, uids, columns, of)
    return {index: made[uid] for index, uid in zip(_indices(found), uids, strict=True) if uid in made}


async def _in_turns(context: Context, work: Turns[T]) -> T:
    """Do long work to its end; others have their turns in between."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return cast(T, end.value)
        await context.connection.room()
