"""GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208): one quota root for all mailboxes of an account that has a quota."""

from __future__ import annotations

from typing import Final

from twistedmail_mta.access.imap.context import Context
from twistedmail_mta.access.imap.problems import refused
from twistedmail_mta.directory.quotas import Usage
from twistedmail_mta.imap.command import Command
from twistedmail_mta.imap.mailboxes import GetQuota, GetQuotaRoot
from twistedmail_mta.imap.names import quoted_name
from twistedmail_mta.imap.response import Response, no, ok
from twistedmail_mta.mail.mailbox_names import mailbox_name
from twistedmail_mta.mailbox.problem import Problem

ROOT: Final = b""
STORAGE_UNIT: Final = 1024

NO_ROOT: Final = no("There is no such quota root", b"NONEXISTENT")
NOT_ALLOWED: Final = no("Quotas are set by the administrator", b"NOPERM")


async def get_quota(context: Context, command: Command) -> Response:
    """Answer GETQUOTA."""
    action = command.action
    assert isinstance(action, GetQuota)
    usage = await context.listener.quotas.usage(context.account)
    if action.root != ROOT or not usage.limits.any:
        return NO_ROOT
    context.session.send(_quota(usage))
    return ok("GETQUOTA completed")


async def get_quota_root(context: Context, command: Command) -> Response:
    """Answer GETQUOTAROOT, also for a mailbox that may be made."""
    action = command.action
    assert isinstance(action, GetQuotaRoot)
    try:
        mailbox = mailbox_name(action.mailbox)
    except ValueError:
        return refused(Problem.BAD_NAME)  # what can't be a name may not stand in a quoted string either
    usage = await context.listener.quotas.usage(context.account)
    name = quoted_name(mailbox, utf8=context.session.utf8)
    if usage.limits.any:
        context.session.send(b'* QUOTAROOT %b "%b"\r\n' % (name, ROOT) + _quota(usage))
    else:
        context.session.send(b"* QUOTAROOT %b\r\n" % name)
    return ok("GETQUOTAROOT completed")


async def set_quota(_context: Context, _command: Command) -> Response:
    """Answer SETQUOTA."""
    return NOT_ALLOWED


def _quota(usage: Usage) -> bytes:
    """Return what is used of each resource that is limited; what isn't a whole unit counts as one."""
    told = []
    if usage.limits.octets is not None:
        told.append(b"STORAGE %d %d" % (_units(usage.octets), _units(usage.limits.octets)))
    if usage.limits.messages is not None:
        told.append(b"MESSAGE %d %d" % (usage.messages, usage.limits.messages))
    return b'* QUOTA "%b" (%b)\r\n' % (ROOT, b" ".join(told))


def _units(octets: int) -> int:
    return -(-octets // STORAGE_UNIT)
