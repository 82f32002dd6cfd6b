"""Whom the policies about strangers let be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import BeforeValidator

from twistedmail_mta.config.values import Networks, Table, sequence
from twistedmail_mta.model import Address
from twistedmail_mta.networks import is_in, parse_networks
from twistedmail_mta.stages import Client

Texts = Annotated[tuple[str, ...], BeforeValidator(sequence)]


class ExemptNetworks(Table):
    """The options of a policy that judges hosts.

    Attributes:
        exempt_networks: clients there are never judged.
    """

    exempt_networks: Networks = parse_networks(("127.0.0.0/8", "::1"))

    def exempts(self, client: Client) -> bool:
        """Return whether a client isn't judged: it has logged in, or is in one of the networks, or on this host."""
        return client.account is not None or not client.host or is_in(client.host, self.exempt_networks)


class Exempt(ExemptNetworks):
    """The options of a policy that judges hosts when they name a recipient.

    Attributes:
        exempt_recipients: local parts, or addresses, that may always be written to: whoever is
            refused has to be able to ask why (RFC 5321 section 4.5.1, RFC 2142 section 4).
    """

    exempt_recipients: Texts = ("postmaster", "abuse")

    def exempts_recipient(self, address: Address) -> bool:
        """Return whether an address may always be written to."""
        named = {address.local.lower(), f"{address.local}@{address.domain}".lower()}
        return any(each.lower() in named for each in self.exempt_recipients)


def matches(domain: str, patterns: Iterable[str]) -> bool:
    """Return whether a domain in lower case is one of `example.org`, `*.example.org` (all below it) or `*`."""
    return any(
        pattern in {"*", domain} or (pattern.startswith("*.") and domain.endswith(pattern[1:])) for pattern in patterns
    )
