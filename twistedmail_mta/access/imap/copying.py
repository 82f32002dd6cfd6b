"""COPY, MOVE and their UID forms (RFC 9051 section 6.4.7, RFC 9051 section 6.4.8, RFC 4315 section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twistedmail_mta.access.imap.chosen import GONE, Chosen, choose
from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.expunging import READ_ONLY
from twistedmail_mta.access.imap.problems import refused
from twistedmail_mta.access.imap.replies import refusal
from twistedmail_mta.imap.command import Command
from twistedmail_mta.imap.response import Response, no, ok
from twistedmail_mta.imap.sequences import Range, format_ranges, runs
from twistedmail_mta.imap.store import Copy
from twistedmail_mta.mail.mailbox_names import mailbox_name
from twistedmail_mta.mailbox.mailboxes import Mailbox
from twistedmail_mta.mailbox.problem import Problem
from twistedmail_mta.mailbox.transfers import Copied

WORDED_AT_ONCE: Final = 5000
"""UIDs that are made a set of before others have their turn."""

NO_TARGET: Final = no("There is no such mailbox", b"TRYCREATE")


async def copy(context: Context, command: Command) -> Response:
    """Answer COPY, MOVE and their UID forms."""
    action, selected = command.action, context.opened
    assert isinstance(action, Copy)
    if action.move and selected.read_only:
        return READ_ONLY
    chosen = choose(selected, action.messages, by_uid=action.by_uid)
    if isinstance(chosen, Response):
        return chosen
    target = await context.listener.store.mailbox(context.account, action.mailbox)
    if target is None:
        return _no_target(action.mailbox)
    if chosen.some_gone and not action.by_uid and not (action.move and chosen.uids):
        return GONE  # a copy is all or nothing (RFC 2180 section 4.4)
    transfer = _move if action.move else _copy
    return await transfer(context, command.verb, chosen, target)


def _no_target(name: str) -> Response:
    """Return that there is no such mailbox; whether CREATE may help is said, too."""
    try:
        mailbox_name(name)
    except ValueError:
        return refused(Problem.BAD_NAME)
    return NO_TARGET


async def _copy(context: Context, verb: str, chosen: Chosen, target: Mailbox) -> Response:
    listener = context.listener
    full = await listener.quotas.refusal_of_copies(context.account, chosen.octets, len(chosen.uids))
    if full is not None:
        return refusal(full)
    copied = await listener.store.copy(context.opened.view.id, chosen.uids, target.id)
    if isinstance(copied, Problem):
        return NO_TARGET
    return ok(f"{verb} completed", await _copy_uid(context, copied))


async def _move(context: Context, verb: str, chosen: Chosen, target: Mailbox) -> Response:
    """Move messages; where they are is told before that they left (RFC 6851 section 4.3)."""
    view = context.opened.view
    moved = await context.listener.store.move(view.id, chosen.uids, target.id)
    if isinstance(moved, Problem):
        return NO_TARGET
    if moved.sources:
        context.session.say(ok("These were moved", await _copy_uid(context, moved)))
    if moved.failure is not None:
        raise moved.failure
    return ok(f"{verb} completed", b"HIGHESTMODSEQ %d" % view.modseq if context.session.condstore else b"")


async def _copy_uid(context: Context, copied: Copied) -> bytes:
    """Return which UIDs the messages have now; nothing where there are none (RFC 4315 section 3)."""
    if not copied.sources:
        return b""
    sources, targets = await _set(context, copied.sources), await _set(context, copied.targets)
    return b"COPYUID %d %b %b" % (copied.uid_validity, sources, targets)


async def _set(context: Context, uids: Sequence[int]) -> bytes:
    """Return ascending UIDs as a set, without keeping others waiting."""
    ranges: list[Range] = []
    for start in range(0, len(uids), WORDED_AT_ONCE):
        more = runs(uids[start : start + WORDED_AT_ONCE])
        if ranges and ranges[-1][1] + 1 == more[0][0]:
            more[0] = (ranges.pop()[0], more[0][1])
        ranges += more
        await context.connection.room()
    return format_ranges(ranges)
