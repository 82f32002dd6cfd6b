"""STATUS (RFC 9051 section 6.3.11)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import compress
from typing import Final

from twistedmail_mta.access.imap.condstore import enable_condstore
from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.selecting import NO_MAILBOX
from twistedmail_mta.imap.command import Command
from twistedmail_mta.imap.mailboxes import Status, StatusItem
from twistedmail_mta.imap.names import quoted_name
from twistedmail_mta.imap.response import Response, ok
from twistedmail_mta.mailbox.flags import DELETED, SEEN
from twistedmail_mta.mailbox.mailboxes import Mailbox
from twistedmail_mta.mailbox.view import MailboxView

_UNSEEN: Final = bytes(not bits & SEEN for bits in range(256))
_DELETED: Final = bytes(bool(bits & DELETED) for bits in range(256))
_OF_THE_MESSAGES: Final = frozenset(
    {StatusItem.UNSEEN, StatusItem.DELETED, StatusItem.DELETED_STORAGE, StatusItem.RECENT}
)
"""What isn't in the mailbox's row."""


async def status(context: Context, command: Command) -> Response:
    """Answer STATUS."""
    action = command.action
    assert isinstance(action, Status)
    mailbox = await context.listener.store.mailbox(context.account, action.mailbox)
    if mailbox is None:
        return NO_MAILBOX
    context.session.send(await status_line(context, mailbox, action.items))
    return ok("STATUS completed")


async def status_line(context: Context, mailbox: Mailbox, items: Sequence[StatusItem]) -> bytes:
    """Return what is asked of a mailbox, as STATUS tells it; also for LIST (RFC 5819 section 2).

    Raises:
        TemporaryError: it can't be read now, or is gone.
    """
    if StatusItem.HIGHESTMODSEQ in items:
        enable_condstore(context)
    values = _of_row(mailbox) | {StatusItem.APPENDLIMIT: context.listener.message_size}
    if not _OF_THE_MESSAGES.isdisjoint(items):
        store = context.listener.store
        view = await store.open(mailbox.id)
        try:
            values |= _of_messages(view)
            values[StatusItem.RECENT] = len(view) - bisect_left(view.uids, mailbox.recent_from)
        finally:
            store.leave(view)
    told = b" ".join([b"%b %d" % (item.value.encode(), values[item]) for item in items])
    name = quoted_name(mailbox.name, utf8=context.session.utf8)
    return b"* STATUS %b (%b)\r\n" % (name, told)


def _of_row(mailbox: Mailbox) -> dict[StatusItem, int]:
    return {
        StatusItem.MESSAGES: mailbox.messages,
        StatusItem.UIDNEXT: mailbox.uid_next,
        StatusItem.UIDVALIDITY: mailbox.uid_validity,
        StatusItem.SIZE: mailbox.octets,
        StatusItem.HIGHESTMODSEQ: mailbox.modseq,
    }


def _of_messages(view: MailboxView) -> dict[StatusItem, int]:
    flags = view.system_flags()
    deleted = flags.translate(_DELETED)
    return {
        StatusItem.MESSAGES: len(view),
        StatusItem.UIDNEXT: view.uid_next,
        StatusItem.HIGHESTMODSEQ: view.modseq,
        StatusItem.UNSEEN: flags.translate(_UNSEEN).count(1),
        StatusItem.DELETED: deleted.count(1),
        StatusItem.DELETED_STORAGE: sum(compress(view.sizes, deleted)) if 1 in deleted else 0,
    }
