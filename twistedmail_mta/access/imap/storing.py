"""STORE and UID STORE (RFC 9051 section 6.4.6, RFC 7162 section 3.1.3).

What changed is told by the conversation, as what others change; here only of
those messages is told that had these flags already.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twistedmail_mta.access.imap.chosen import GONE, Chosen, choose, numbers_of
from twistedmail_mta.access.imap.condstore import enable_condstore
from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.expunging import READ_ONLY
from twistedmail_mta.access.imap.news import AT_ONCE, flag_lines
from twistedmail_mta.imap.command import Command
from twistedmail_mta.imap.flag_list import keywords_of, system_bits
from twistedmail_mta.imap.response import Response, no, ok
from twistedmail_mta.imap.sequences import format_set
from twistedmail_mta.imap.store import Change, Store
from twistedmail_mta.mailbox.flagging import Flagging

LONGEST_KEYWORD: Final = 255

TOO_MANY_KEYWORDS: Final = no("The mailbox can't have more keywords", b"LIMIT")
TOO_LONG: Final = no("The keyword is too long", b"LIMIT")


async def store(context: Context, command: Command) -> Response:
    """Answer STORE and UID STORE."""
    action, selected = command.action, context.opened
    assert isinstance(action, Store)
    if action.unchanged_since is not None:
        enable_condstore(context)
    if selected.read_only:
        return READ_ONLY
    chosen = choose(selected, action.messages, by_uid=action.by_uid)
    if isinstance(chosen, Response):
        return chosen
    bits = await _bits(context, action)
    if isinstance(bits, Response):
        return bits
    done = await _set_flags(context, action, chosen, bits)
    for change in done.changed if action.silent else ():
        selected.told(change.modseq)
    await _tell_unchanged(context, action, chosen, done)
    return _response(context, command.verb, action, chosen, done)


async def _bits(context: Context, action: Store) -> int | Response:
    """Return the bits of the flags; a keyword that the mailbox doesn't know gets one, unless it is to be removed.

    System flags that nobody knows, or can set, count for nothing (RFC 9051 section 7.1, PERMANENTFLAGS).
    """
    bits, names = system_bits(action.flags), keywords_of(action.flags)
    if not names:
        return bits
    removes = action.change is Change.REMOVE
    if not removes and any(len(name) > LONGEST_KEYWORD for name in names):
        return TOO_LONG
    known = await context.listener.store.keywords(context.opened.view.id, () if removes else sorted(names))
    for name in names:
        bit = known.get(name.lower())
        if bit is not None:
            bits |= 1 << bit
        elif not removes:
            return TOO_MANY_KEYWORDS
    return bits


async def _set_flags(context: Context, action: Store, chosen: Chosen, bits: int) -> Flagging:
    removed = {Change.REPLACE: -1, Change.ADD: 0, Change.REMOVE: bits}[action.change]
    added = 0 if action.change is Change.REMOVE else bits
    return await context.listener.store.set_flags(
        context.opened.view.id, chosen.uids, remove=removed, add=added, unchanged_since=action.unchanged_since
    )


async def _tell_unchanged(context: Context, action: Store, chosen: Chosen, done: Flagging) -> None:
    """Tell the flags of those that had them already; of a conditional STORE at least the mod-sequences."""
    if action.silent and action.unchanged_since is None:
        return
    others = set(done.refused).union(*(change.uids for change in done.changed))
    if len(others) == len(chosen.uids):
        return
    for start in range(0, len(chosen.uids), AT_ONCE):
        uids = [uid for uid in chosen.uids[start : start + AT_ONCE] if uid not in others]
        numbers = numbers_of(context.opened, uids)
        silent: Sequence[int] = numbers if action.silent else ()
        context.session.send(b"".join(flag_lines(context, numbers, silent, by_uid=action.by_uid)))
        await context.connection.room()


def _response(context: Context, verb: str, action: Store, chosen: Chosen, done: Flagging) -> Response:
    some_gone = chosen.some_gone and not action.by_uid
    if done.refused:
        named = done.refused if action.by_uid else numbers_of(context.opened, done.refused)
        code = b"MODIFIED " + format_set(named)
        text = "Some of these messages were changed meanwhile"
        return no(f"{text}, others are gone", code) if some_gone else ok(text, code)
    return GONE if some_gone else ok(f"{verb} completed")
