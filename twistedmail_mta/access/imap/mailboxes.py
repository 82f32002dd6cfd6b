"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, NAMESPACE (RFC 9051 section 6.3)."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.problems import refused
from twistedmail_mta.imap.command import Command
from twistedmail_mta.imap.mailboxes import Create, Delete, Rename, Subscribe
from twistedmail_mta.imap.response import Response, ok
from twistedmail_mta.imap.states import State
from twistedmail_mta.mailbox.problem import Problem

NAMESPACE: Final = b'* NAMESPACE (("" "/")) NIL NIL\r\n'


async def create(context: Context, command: Command) -> Response:
    """Answer CREATE."""
    action = command.action
    assert isinstance(action, Create)
    made = await context.listener.store.tree.create(context.account, action.mailbox, action.use)
    return refused(made) if isinstance(made, Problem) else ok("CREATE completed")


async def delete(context: Context, command: Command) -> Response:
    """Answer DELETE; who deletes the mailbox that is selected goes on without one."""
    action = command.action
    assert isinstance(action, Delete)
    is_selected = await _is_selected(context, action.mailbox)
    problem = await context.listener.store.tree.delete(context.account, action.mailbox)
    if problem is not None:
        return refused(problem)
    if is_selected:
        context.close_mailbox()
        context.session.state = State.AUTHENTICATED
        context.session.say(ok("The mailbox is closed", b"CLOSED"))
    return ok("DELETE completed")


async def _is_selected(context: Context, name: str) -> bool:
    """Return whether that is the name of the selected mailbox, which may have been renamed."""
    if context.selected is None:
        return False
    mailbox = await context.listener.store.mailbox(context.account, name)
    return mailbox is not None and mailbox.id == context.selected.mailbox.id


async def rename(context: Context, command: Command) -> Response:
    """Answer RENAME."""
    action = command.action
    assert isinstance(action, Rename)
    problem = await context.listener.store.tree.rename(context.account, action.mailbox, action.to)
    return ok("RENAME completed") if problem is None else refused(problem)


async def subscribe(context: Context, command: Command) -> Response:
    """Answer SUBSCRIBE and UNSUBSCRIBE."""
    action, tree = command.action, context.listener.store.tree
    assert isinstance(action, Subscribe)
    if not action.subscribed:
        await tree.unsubscribe(context.account, action.mailbox)
        return ok("UNSUBSCRIBE completed")
    problem = await tree.subscribe(context.account, action.mailbox)
    return ok("SUBSCRIBE completed") if problem is None else refused(problem)


async def namespace(context: Context, _: Command) -> Response:
    """Answer NAMESPACE: there are personal mailboxes alone (RFC 9051 section 6.3.10)."""
    context.session.send(NAMESPACE)
    return ok("NAMESPACE completed")
