"""The queued mail of one account: stopped, let go on, or deleted, as operators do it."""

from __future__ import annotations

from dataclasses import dataclass

from zope.interface import implementer

from twistedmail_mta.interfaces import IAccountMail
from twistedmail_mta.model import Suspended
from twistedmail_mta.spool.control import QueueControl
from twistedmail_mta.spool.operator_selection import Selection


@implementer(IAccountMail)
@dataclass(frozen=True, slots=True)
class AccountMail:
    """A hand on the queue that reaches the mail of accounts, and no other."""

    control: QueueControl

    async def suspend(self, account: str) -> int:
        """See `IAccountMail.suspend`."""
        return await self.control.suspend(Suspended("account", account))

    async def resume(self, account: str) -> int:
        """See `IAccountMail.resume`."""
        return await self.control.resume(Suspended("account", account)) or 0

    async def discard(self, account: str) -> int:
        """See `IAccountMail.discard`."""
        return await self.control.change("delete", Selection(account=account))
