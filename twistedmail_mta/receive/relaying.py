"""Who may send where: the only place that grants relaying.

A recipient is taken if a login submits it, or if its domain is one this site
relays for.  Nothing else grants: neither the client's address nor a policy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from twistedmail_mta.interfaces import IRecipientCheck, ISubmitter
from twistedmail_mta.model import Address, Reply
from twistedmail_mta.receive.replies import RELAY_DENIED

_ROUTING: Final = re.compile("[@%!]")
"""What begins the next address where a local part is read as a route, as in
`user%other@here`.  Here it means nothing, but a next hop that trusts this host
and reads it so would relay for strangers."""


@dataclass(frozen=True, slots=True)
class RelayRules:
    """The domains this site takes mail for from strangers.

    Attributes:
        domains: by name in A-labels, the check that says which recipients
            exist there; None takes any.
        postmaster: where `<postmaster>` without a domain goes; None refuses it.
    """

    domains: Mapping[str, IRecipientCheck | None]
    postmaster: Address | None

    async def refusal(self, recipient: Address, submitter: ISubmitter | None) -> Reply | None:
        """Return why `recipient` isn't taken, or None when it is."""
        if not recipient.domain:
            return RELAY_DENIED if self.postmaster is None else None
        if submitter is not None:
            return None
        if recipient.domain not in self.domains or _ROUTING.search(recipient.local):
            return RELAY_DENIED
        check = self.domains[recipient.domain]
        return None if check is None else await check.verify(recipient)

    def address(self, recipient: Address) -> Address:
        """Return who is meant by a recipient that is taken.

        `<postmaster>` without a domain is the site's own (RFC 5321 section 4.5.1).
        """
        if recipient.domain or self.postmaster is None:
            return recipient
        return self.postmaster
