"""LIST and LSUB (RFC 9051 section 6.3.9, RFC 5819)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.status import status_line
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.imap.command import Command
from twistedmail_mta.imap.list_answer import Known, Told, listed, listed_subscribed
from twistedmail_mta.imap.listing import List, ListSubscribed, Return
from twistedmail_mta.imap.response import Response, ok
from twistedmail_mta.mailbox.mailboxes import Mailbox

LOOKED_AT: Final = 10
"""Names that are looked at before others may have their turn; long ones cost up to a millisecond each."""


async def list_mailboxes(context: Context, command: Command) -> Response:
    """Answer LIST."""
    action = command.action
    assert isinstance(action, List)
    told = listed(action, await _known(context), rev2=context.session.rev2)
    if Return.STATUS in action.returns:
        await _tell_with_status(context, action, told)
    else:
        await _tell(context, told)
    return ok("LIST completed")


async def list_subscribed(context: Context, command: Command) -> Response:
    """Answer LSUB."""
    action = command.action
    assert isinstance(action, ListSubscribed)
    await _tell(context, listed_subscribed(action, await _known(context)))
    return ok("LSUB completed")


async def _known(context: Context) -> Known:
    names = await context.listener.store.tree.names(context.account)
    return Known(names.mailboxes, names.subscriptions)


async def _tell(context: Context, told: Iterable[Told | None]) -> None:
    session = context.session
    for number, each in enumerate(told, 1):
        if each is not None:
            session.send(each.line(utf8=session.utf8))
        if not number % LOOKED_AT:
            await context.connection.room()


async def _tell_with_status(context: Context, action: List, told: Iterable[Told | None]) -> None:
    """Tell names, each followed by its STATUS if it has one."""
    mailboxes = {mailbox.name: mailbox for mailbox in await context.listener.store.mailboxes(context.account)}
    for number, each in enumerate(told, 1):
        if each is not None:
            context.session.send(await _with_status(context, action, each, mailboxes))
        if not number % LOOKED_AT:
            await context.connection.room()


async def _with_status(context: Context, action: List, told: Told, mailboxes: Mapping[str, Mailbox]) -> bytes:
    utf8 = context.session.utf8
    if not told.has_status:
        return told.line(utf8=utf8)
    mailbox = mailboxes.get(told.name)
    if mailbox is None:
        return told.unselectable().line(utf8=utf8)  # it went just now
    try:
        return told.line(utf8=utf8) + await status_line(context, mailbox, action.status)
    except TemporaryError:
        there = await context.listener.store.mailbox(context.account, told.name)
        return (told if there is not None else told.unselectable()).line(utf8=utf8)
