"""Whose mail is taken: the only place that grants relaying.

A recipient is taken if its mail is kept here, if its domain is one this site
relays for, or if a login submits it.  A report is taken, too, for the sender of
mail that was forwarded, if it is for the very address that was made here for
that (`IReturnPaths`).  Nothing else grants, neither the client's
address nor a policy, but a plugin that the site file names under [relay].  What
a content filter gives back was granted when it came first; nobody else can
connect to the listener where that is taken.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.errors import MailError
from twistedmail_mta.interfaces import IDirectory, IRecipientCheck, IReturnPaths, ISubmitter
from twistedmail_mta.model import Address, Expansion, Reply
from twistedmail_mta.receive.replies import RELAY_DENIED, REPORTS_ONLY

_ROUTING: Final = re.compile("[@%!]")
"""What begins the next address where a local part is read as a route, as in
`user%other@here`.  Here it means nothing, but a next hop that trusts this host
and reads it so would relay for strangers."""


MayRelay = Callable[[Address], Awaitable[bool]]
"""Says whether those under [relay] let mail for a recipient be sent on; raises MailError if one refuses."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The domains this site takes mail for.

    Attributes:
        relayed: by name in A-labels, the check that says which recipients
            exist there; None takes any.
        directory: knows the domains and addresses whose mail is kept here.
        postmaster: where `<postmaster>` without a domain goes; None refuses it.
        return_paths: know the senders that mail was forwarded with; None: with none of ours.
    """

    relayed: Mapping[str, IRecipientCheck | None]
    directory: IDirectory
    postmaster: Address | None
    return_paths: IReturnPaths | None = None

    async def admit(  # noqa: PLR0913 - all by name, and what may be said of a recipient
        self,
        recipient: Address,
        submitter: ISubmitter | None,
        *,
        relays: bool = True,
        anybody: bool = False,
        may_relay: MayRelay | None = None,
        is_report: bool = False,
    ) -> tuple[Address, Expansion | None]:
        """Return who is meant by a recipient, and whom that stands for here: None when its mail is sent on.

        `<postmaster>` without a domain is the site's own (RFC 5321 section 4.5.1).

        Args:
            recipient: as RCPT named it.
            submitter: the login, if there is one.
            relays: mail may be sent on at all.
            anybody: it was granted before, to whomever it goes: a content filter gives it back.
            may_relay: asked where the recipient would be refused else; None: nobody is.
            is_report: the sender is the null one.

        Raises:
            MailError: it isn't taken.
        """
        meant = recipient if recipient.domain else self.postmaster
        is_stranger = submitter is None and not anybody
        if meant is None or (is_stranger and _ROUTING.search(recipient.local)):
            raise MailError(RELAY_DENIED)
        if self.directory.hosts(meant.domain):
            if self.return_paths is not None and self.return_paths.claims(meant):
                return await self._returned(meant, self.return_paths, is_report=is_report)
            return meant, await self._kept(meant)
        if not relays:
            raise MailError(RELAY_DENIED)
        if is_stranger and recipient.domain:
            await self._check_relayed(recipient, may_relay)
        return meant, None

    async def admit_copy(self, address: Address, *, anywhere: bool) -> Expansion | None:
        """Take a recipient that the site's own rules add; return whom it stands for if that is known here.

        Args:
            address: whom.
            anywhere: mail for it may be sent on, if this host doesn't keep it.

        Raises:
            MailError: it isn't taken.
        """
        if self.directory.hosts(address.domain):
            return await self._kept(address)
        if not anywhere:
            raise MailError(RELAY_DENIED)
        return None

    async def _returned(
        self, address: Address, return_paths: IReturnPaths, *, is_report: bool
    ) -> tuple[Address, Expansion | None]:
        """Return the sender for whom a report is, as `admit` does."""
        if not is_report:
            raise MailError(REPORTS_ONLY)
        sender = await return_paths.original(address)
        return sender, await self._kept(sender) if self.directory.hosts(sender.domain) else None

    async def _kept(self, recipient: Address) -> Expansion:
        found = self.directory.known(recipient) or await self.directory.resolve(recipient)
        if isinstance(found, Reply):
            raise MailError(found)
        return found

    async def _check_relayed(self, recipient: Address, may_relay: MayRelay | None) -> None:
        if recipient.domain not in self.relayed:
            if may_relay is not None and await may_relay(recipient):
                return
            raise MailError(RELAY_DENIED)
        check = self.relayed[recipient.domain]
        refusal = None if check is None else await check.verify(recipient)
        if refusal is not None:
            raise MailError(refusal)
