"""SEARCH and UID SEARCH (RFC 9051 section 6.4.4, RFC 4731, RFC 5182, RFC 7162 section 3.1.5)."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

from twistedmail_mta.access.imap.condstore import enable_condstore
from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.selected import Columns, Selected
from twistedmail_mta.imap.command import Command
from twistedmail_mta.imap.masks import in_ranges
from twistedmail_mta.imap.response import Response, no, ok
from twistedmail_mta.imap.search import Result, Search, UnknownCharset
from twistedmail_mta.imap.search_answer import Found, esearch_line, kept, search_line
from twistedmail_mta.imap.search_columns import ColumnKeys, SearchColumns
from twistedmail_mta.imap.search_key import ChangedSince, Fixed, Flagged, Key, Larger, Messages, Smaller
from twistedmail_mta.imap.sieve import Plan, Sieve, plan

BAD_CHARSET: Final = no("Only US-ASCII and UTF-8 are known", b"BADCHARSET (US-ASCII UTF-8)")

_ANSWERS: Final = 1_000_000
"""Messages times keys that are looked at together: a few milliseconds of work."""
_LEAST: Final = 1000
_KEYS: Final = 16
"""Keys after which others have their turn."""
_ALL: Final = frozenset({Result.ALL})


async def search(context: Context, command: Command) -> Response:
    """Answer SEARCH and UID SEARCH."""
    action, selected = command.action, context.opened
    if isinstance(action, UnknownCharset):
        if action.saves:
            selected.saved = ()
        return BAD_CHARSET
    assert isinstance(action, Search)
    saves = action.results is not None and Result.SAVE in action.results
    try:
        found = await find(context, action.key, by_uid=action.by_uid)
    except Exception:
        if saves:
            selected.saved = ()  # as every search does that fails (RFC 5182 section 2.1)
        raise
    if saves and action.results is not None:
        selected.saved = kept(found, action.results)
    if action.results is None and not context.session.rev2:
        await send(context, search_line(found))
    else:
        await send(context, esearch_line(found, command.tag, action.results or _ALL))
    return ok(f"{command.verb} completed")


async def send(context: Context, pieces: Iterable[bytes]) -> None:
    """Send an answer piece by piece, as others have their turns and the client takes it."""
    for piece in pieces:
        context.session.send(piece)
        await context.connection.room()


async def find(context: Context, key: Key, *, by_uid: bool) -> Found:
    """Return what a search finds among the messages that the client knows, without those that are gone."""
    selected, search = context.opened, plan(key)
    asks_modseqs = any(isinstance(leaf, ChangedSince) for leaf in search.leaves)
    if asks_modseqs:
        enable_condstore(context)
    columns = selected.columns()
    uids, count = columns.uids[:], selected.exists
    gone = in_ranges([range(index, index + 1) for index in columns.gone], count) if columns.gone else b""
    keys = ColumnKeys(search, _columns(selected, columns, search.leaves))
    mask = bytearray()
    for begin in range(0, count, _at_once(search)):
        end = min(begin + _at_once(search), count)
        sieve = await _sieve(context, keys, begin, end)
        if gone:
            sieve.drop(gone[begin:end])
        if not sieve.decided:
            mask += await context.listener.store.search(selected.mailbox.id, uids[begin:end], sieve)
        else:
            mask += sieve.found
    return Found(bytes(mask), uids, by_uid, keys.modseqs if asks_modseqs else None)


def _at_once(search: Plan) -> int:
    return max(_LEAST, _ANSWERS // len(search.leaves))


async def _sieve(context: Context, keys: ColumnKeys, begin: int, end: int) -> Sieve:
    """Ask the columns of the messages between two indices."""
    sieve = Sieve(keys.plan, end - begin)
    masks: dict[int, bytes] = {}
    for leaf, mask in keys.masks(begin, end):
        masks[leaf] = mask
        if len(masks) % _KEYS == 0:
            await context.connection.room()
    sieve.know(masks)
    return sieve


def _columns(selected: Selected, columns: Columns, leaves: Sequence[Key]) -> SearchColumns:
    """Return the columns, copied as far as the keys look at them, since others may change them meanwhile."""
    asked = {type(leaf) for leaf in leaves}

    def positions(key: Messages) -> list[range]:
        return selected.positions(key.numbers, by_uid=key.by_uid)

    def copied(column: array[int], *kinds: type) -> array[int]:
        return column if asked.isdisjoint(kinds) else column[:]

    return SearchColumns(
        copied(columns.modseqs, ChangedSince),
        copied(columns.flags, Flagged, Fixed),
        copied(columns.sizes, Larger, Smaller),
        {name.lower(): bit for bit, name in selected.keyword_names().items()},
        bisect_left(columns.uids, selected.recent_from),
        positions,
    )
