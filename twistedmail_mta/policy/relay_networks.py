"""Lets hosts of named networks send on through this one, such as printers that can't log in."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from zope.interface import implementer

from twistedmail_mta.config.narrow import NarrowNetworks
from twistedmail_mta.config.values import AddressPatterns, Table
from twistedmail_mta.model import Recipient
from twistedmail_mta.networks import is_in
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.header_rules import fits
from twistedmail_mta.stages import Client, Grant, IRelayGrant, MailFrom


@implementer(IRelayGrant)
class RelayNetworks:
    """Grants what hosts of some networks send, if it is from whom they may send for."""

    class Options(Table):
        """What the site file says.

        Attributes:
            networks: whose hosts may send on.
            senders: patterns of reverse-paths that they may use; `<>` is that of reports, `*` any.
        """

        networks: Annotated[NarrowNetworks, Field(min_length=1)]
        senders: Annotated[AddressPatterns, Field(min_length=1)] = ("*",)

    def __init__(self, options: Options, _: Kit) -> None:
        self._options = options

    async def may_relay(self, client: Client, mail: MailFrom, _: Recipient) -> Grant | None:
        """Return a grant to a host of the networks; the recipient may be anybody."""
        options = self._options
        if not is_in(client.host, options.networks):
            return None
        if not any(fits(mail.sender, pattern) for pattern in options.senders):
            return None
        return Grant(f"{client.host} is in a network that may")
