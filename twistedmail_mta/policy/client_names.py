"""What can be wrong with the names of a client: that it says in EHLO, and that its address has in the DNS."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Literal

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IResolver
from twistedmail_mta.networks import address_of
from twistedmail_mta.policy.asking import together
from twistedmail_mta.policy.exempt import matches
from twistedmail_mta.stages import Client

Fault = Literal["own_name", "syntax", "unqualified", "literal", "unresolvable", "no_reverse", "unconfirmed"]

MOST_NAMES: Final = 10
"""Reverse names that are looked at; shared hosts have hundreds."""

_NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
_LITERAL: Final = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f.:]+)\]", re.IGNORECASE)

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Own:
    """How this server is called.

    Attributes:
        hostname: as in EHLO.
        names: other names; `*.example.org` is all below example.org.
        addresses: besides those that the DNS knows by `hostname`.
    """

    hostname: str
    names: Sequence[str] = ()
    addresses: Sequence[Address] = ()

    def has_name(self, name: str) -> bool:
        """Return whether it is one of the names."""
        return name == self.hostname.lower() or matches(name, self.names)


class ClientNames:
    """Looks for faults; what it asks the DNS is in the cache the next time."""

    def __init__(self, resolver: IResolver, own: Own) -> None:
        self._resolver = resolver
        self._own = own

    async def has(self, fault: Fault, client: Client) -> bool:
        """Return whether a client has a fault.

        Raises:
            TemporaryError: the DNS doesn't say.
        """
        match fault:
            case "own_name":
                return await self._impersonates(client)
            case "unresolvable":
                return await self._is_unresolvable(client)
            case "no_reverse":
                return not await self._reverse_names(client)
            case "unconfirmed":
                return not await self._is_confirmed(client)
        return _says(fault, client)

    async def _impersonates(self, client: Client) -> bool:
        """Return whether it says that it is this server, and isn't."""
        said = _literal(client.helo)
        if said is None and not self._own.has_name(_name(client.helo)):
            return False
        hostname = self._own.hostname
        known = [*await self._addresses(hostname, "A"), *await self._addresses(hostname, "AAAA")]
        ours = [*self._own.addresses, *known]
        return address_of(client.host) not in ours and (said is None or said in ours)

    async def _is_unresolvable(self, client: Client) -> bool:
        """Return whether the name in EHLO has neither addresses nor a host for its mail (RFC 5321 section 2.3.5)."""
        name = _name(client.helo)
        if not name or await self._addresses(name, "A") or await self._addresses(name, "AAAA"):
            return False
        return not (await self._resolver.mx(name)).records

    async def _reverse_names(self, client: Client) -> Sequence[str]:
        return (await self._resolver.host_names(client.host)).records[:MOST_NAMES]

    async def _is_confirmed(self, client: Client) -> bool:
        """Return whether a name of the address has that address: "iprev" (RFC 7601 section 3).

        Raises:
            TemporaryError: none that the DNS tells of has, and there are others.
        """
        address = address_of(client.host)
        family = "AAAA" if isinstance(address, IPv6Address) else "A"
        outcomes = await together(self._leads_to(address, name, family) for name in await self._reverse_names(client))
        if True in outcomes:
            return True
        for outcome in outcomes:
            if isinstance(outcome, TemporaryError):
                raise outcome
        return False

    async def _leads_to(self, address: Address | None, name: str, family: str) -> bool | TemporaryError:
        try:
            return address in await self._addresses(name, family)
        except TemporaryError as error:
            return error

    async def _addresses(self, name: str, family: str) -> Sequence[Address | None]:
        return [address_of(text) for text in (await self._resolver.addresses(name, family)).records]


def _says(fault: Literal["syntax", "unqualified", "literal"], client: Client) -> bool:
    """Return whether what a client says in EHLO has a fault that needs no question."""
    name, literal = _name(client.helo), _literal(client.helo)
    match fault:
        case "syntax":
            return not name and literal is None
        case "unqualified":
            return bool(name) and "." not in name
        case "literal":
            return literal is not None and literal != address_of(client.host)


def _name(helo: str) -> str:
    """Return the domain that EHLO says, in lower case; empty where it is none, or an address without brackets."""
    name = helo.lower().removesuffix(".")
    return name if _NAME.fullmatch(name) and address_of(name) is None else ""


def _literal(helo: str) -> Address | None:
    """Return the address that EHLO says in brackets (RFC 5321 section 4.1.3), or None."""
    found = _LITERAL.fullmatch(helo)
    return address_of(found[1]) if found else None
