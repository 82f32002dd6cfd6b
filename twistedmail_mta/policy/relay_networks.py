"""Lets hosts of named networks send on through this one, such as printers that can't log in."""

from __future__ import annotations

from ipaddress import IPv6Network
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from zope.interface import implementer

from twistedmail_mta.config.values import Networks, Table
from twistedmail_mta.model import Recipient
from twistedmail_mta.networks import Network, is_in, parse_networks
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.header_rules import AddressPatterns, fits
from twistedmail_mta.stages import Client, Grant, IRelayGrant, MailFrom

_PRIVATE: Final = (
    *parse_networks(["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"]),
    *parse_networks(["127.0.0.0/8", "fc00::/7", "fe80::/10"]),
)
"""Addresses that nobody on the internet has (RFC 1918, RFC 6598, RFC 3927, RFC 4193 section 3.1, RFC 4291)."""

_LEAST_PREFIX: Final = {4: 16, 6: 32}
"""How wide a network of public addresses may be: wider ones have customers, not owners."""

_MAPPED: Final = IPv6Network("::ffff:0:0/96")


def _narrow(value: tuple[Network, ...]) -> tuple[Network, ...]:
    """Refuse networks in which anybody could be."""
    for network in value:
        if isinstance(network, IPv6Network) and network.overlaps(_MAPPED):
            raise ValueError(f"{network} holds IPv4 addresses: write these as such")
        least = _LEAST_PREFIX[network.version]
        if network.prefixlen < least and not _is_private(network):
            text = f"{network} is too wide: public networks have /{least} or more here, or this were an open relay"
            raise ValueError(text)
    return value


def _is_private(network: Network) -> bool:
    return any(
        network.version == each.version and network.subnet_of(each)  # type: ignore[arg-type]
        for each in _PRIVATE
    )


@implementer(IRelayGrant)
class RelayNetworks:
    """Grants what hosts of some networks send, if it is from whom they may send for."""

    class Options(Table):
        """What the site file says.

        Attributes:
            networks: whose hosts may send on.
            senders: patterns of reverse-paths that they may use; `<>` is that of reports, `*` any.
        """

        networks: Annotated[Networks, Field(min_length=1), AfterValidator(_narrow)]
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
