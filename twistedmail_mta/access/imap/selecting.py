"""SELECT, EXAMINE, CLOSE, UNSELECT (RFC 9051 section 6.3.2, RFC 7162 section 3.2.5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.expunging import expunge_deleted
from twistedmail_mta.access.imap.news import AT_ONCE, tell_keywords
from twistedmail_mta.access.imap.selected import Selected
from twistedmail_mta.imap import mailboxes
from twistedmail_mta.imap.capability import Extension
from twistedmail_mta.imap.command import Command
from twistedmail_mta.imap.flag_list import FlagLists
from twistedmail_mta.imap.mailboxes import Resync
from twistedmail_mta.imap.names import quoted_name
from twistedmail_mta.imap.response import Response, bad, no, ok
from twistedmail_mta.imap.sequences import Range
from twistedmail_mta.imap.states import State
from twistedmail_mta.imap.vanished import common, gaps, vanished_line
from twistedmail_mta.mailbox.flags import SEEN
from twistedmail_mta.mailbox.mailboxes import Mailbox

NO_MAILBOX: Final = no("There is no such mailbox", b"NONEXISTENT")
NEEDS_QRESYNC: Final = bad("Enable QRESYNC first")


async def select(context: Context, command: Command) -> Response:
    """Answer SELECT and EXAMINE."""
    action = command.action
    assert isinstance(action, mailboxes.Select)
    if action.resync is not None and not context.session.qresync:
        return NEEDS_QRESYNC
    _leave(context)
    store = context.listener.store
    mailbox = await store.mailbox(context.account, action.mailbox)
    if mailbox is None:
        return NO_MAILBOX
    if action.condstore:
        context.session.enable(Extension.CONDSTORE)
    selected = await _open(context, mailbox, read_only=action.read_only)
    _describe(context, selected)
    if action.resync is not None and action.resync.uid_validity == mailbox.uid_validity:
        await _resync(context, selected, action.resync)
    return ok("EXAMINE completed", b"READ-ONLY") if action.read_only else ok("SELECT completed", b"READ-WRITE")


async def unselect(context: Context, _: Command) -> Response:
    """Answer UNSELECT."""
    _close(context)
    return ok("UNSELECT completed")


async def close(context: Context, _: Command) -> Response:
    r"""Answer CLOSE: messages with \Deleted go, and nothing is said of it (RFC 9051 section 6.4.1)."""
    if not context.opened.read_only:
        await expunge_deleted(context)
    _close(context)
    return ok("CLOSE completed")


def _leave(context: Context) -> None:
    """Leave the mailbox that was selected before, and say that what follows is of another (RFC 7162 section 3.2.11)."""
    if context.selected is not None:
        context.session.say(ok("The mailbox before is closed", b"CLOSED"))
    _close(context)


def _close(context: Context) -> None:
    context.close_mailbox()
    context.session.state = State.AUTHENTICATED


async def _open(context: Context, mailbox: Mailbox, *, read_only: bool) -> Selected:
    store = context.listener.store
    view = await store.open(mailbox.id)
    try:
        recent_from = mailbox.recent_from
        if not read_only and recent_from < view.uid_next:
            recent_from = await store.tell_recent(mailbox.id, view.uid_next)
    except BaseException:
        store.leave(view)
        raise
    context.selected = Selected(mailbox, view, context.changed, read_only=read_only, recent_from=recent_from)
    context.session.state = State.SELECTED
    return context.selected


def _describe(context: Context, selected: Selected) -> None:
    """Say what is in the mailbox."""
    session, view, mailbox = context.session, selected.view, selected.mailbox
    selected.take_keywords()
    tell_keywords(context, selected)
    session.send(b"* %d EXISTS\r\n" % selected.exists)
    if not session.rev2:
        session.send(b"* %d RECENT\r\n" % selected.recent)
        unseen = view.system_flags().translate(_UNSEEN).find(1, 0, selected.exists)
        if unseen >= 0:
            session.say(ok("The first unseen message", b"UNSEEN %d" % (unseen + 1)))
    session.say(ok("UIDs are valid", b"UIDVALIDITY %d" % mailbox.uid_validity))
    session.say(ok("The next UID", b"UIDNEXT %d" % view.uid_next))
    session.say(ok("The highest mod-sequence", b"HIGHESTMODSEQ %d" % view.modseq))
    if session.rev2:
        session.send(b'* LIST () "/" %b\r\n' % quoted_name(mailbox.name, utf8=session.utf8))


_UNSEEN: Final = bytes(not bits & SEEN for bits in range(256))


async def _resync(context: Context, selected: Selected, known: Resync) -> None:
    """Tell what vanished and what changed since the client looked the last time (RFC 7162 section 3.2.5)."""
    context.session.send(vanished_line(await _vanished(context, selected, known)))
    await context.connection.room()
    indices = [index for index, modseq in enumerate(selected.columns().modseqs) if modseq > known.mod_sequence]
    if known.known_uids is not None:
        await context.connection.room()
        asked = selected.positions(known.known_uids, by_uid=True)
        indices = sorted(set(indices).intersection(index for positions in asked for index in positions))
    for start in range(0, len(indices), AT_ONCE):
        context.session.send(b"".join(_changed_lines(selected, indices[start : start + AT_ONCE])))
        await context.connection.room()


async def _vanished(context: Context, selected: Selected, known: Resync) -> Sequence[Range]:
    """Return what vanished; all UIDs without a message where that isn't remembered any more."""
    view = selected.view
    found = await context.listener.store.vanished(view.id, known.mod_sequence, view.modseq)
    missing = list(gaps(selected.uids_so_far(), view.uid_next)) if found is None else found
    within = known.known_uids.ranges if known.known_uids is not None else ((1, view.uid_next - 1),)
    return list(common(missing, within))


def _changed_lines(selected: Selected, indices: Sequence[int]) -> Iterator[bytes]:
    view, lists = selected.view, FlagLists(selected.keyword_names())
    for index in indices:
        place = selected.place(index)
        if place is not None:
            values = (index + 1, view.uids[place], lists.of(view.flags[place]), view.modseqs[place])
            yield b"* %d FETCH (UID %d FLAGS %b MODSEQ (%d))\r\n" % values
