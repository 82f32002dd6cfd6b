r"""EXPUNGE and UID EXPUNGE: messages with \Deleted go for good (RFC 9051 section 6.4.3, RFC 9051 section 6.4.9)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress
from typing import Final

from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.imap.command import Command
from twistedmail_mta.imap.response import Response, no, ok
from twistedmail_mta.imap.store import ExpungeUIDs
from twistedmail_mta.mailbox.flags import DELETED

READ_ONLY: Final = no("The mailbox was opened read-only", b"READ-ONLY")

_IS_DELETED: Final = bytes(bool(bits & DELETED) for bits in range(256))


async def expunge(context: Context, command: Command) -> Response:
    """Answer EXPUNGE and UID EXPUNGE; what went is told with all other news."""
    selected, action = context.opened, command.action
    if selected.read_only:
        return READ_ONLY
    if isinstance(action, ExpungeUIDs):
        uids = selected.known_uids()
        named = [
            uid
            for positions in selected.positions(action.messages, by_uid=True)
            for uid in uids[positions.start : positions.stop]
        ]
        await expunge_deleted(context, named)
    else:
        await expunge_deleted(context)
    return _completed(context, command.verb)


def _completed(context: Context, verb: str) -> Response:
    """Return that it is done; who resynchronizes is told up to where it knows all (RFC 7162 section 3.2.7)."""
    code = b"HIGHESTMODSEQ %d" % context.opened.view.modseq if context.session.qresync else b""
    return ok(f"{verb} completed", code)


async def expunge_deleted(context: Context, uids: Iterable[int] | None = None) -> None:
    r"""Remove messages that have \Deleted.

    Args:
        context: whose selected mailbox.
        uids: which of them; None for all.

    Raises:
        TemporaryError: none was removed; of more than 10,000 perhaps some.
    """
    view = context.opened.view
    deleted: Sequence[int] = list(compress(view.uids, view.system_flags().translate(_IS_DELETED)))
    if uids is not None:
        wanted = set(uids)
        deleted = [uid for uid in deleted if uid in wanted]
    if deleted:
        await context.listener.store.remove(view.id, deleted)
