"""The questions of one check to the DNS: each asked once, counted and remembered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal, Protocol, TypeVar, cast

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import Answer, MXRecord
from twistedmail_mta.spf.budget import Budget
from twistedmail_mta.spf.errors import TempError

T = TypeVar("T")

Address = IPv4Address | IPv6Address


class Lookup(Protocol):
    """Who is asked: `IResolver` has all that.

    Each raises TemporaryError where the DNS gives no answer: SERVFAIL,
    refused, malformed, not in time.
    """

    def mx(self, domain: str) -> Awaitable[Answer[MXRecord]]:
        """Return MX records."""

    def addresses(self, host: str, family: str) -> Awaitable[Answer[str]]:
        """Return addresses; `family` is "A" or "AAAA"."""

    def host_names(self, address: str) -> Awaitable[Answer[str]]:
        """Return what the PTR records of an address say."""

    def texts(self, name: str) -> Awaitable[Answer[bytes]]:
        """Return TXT records, the strings of each put together without spaces (RFC 7208 section 3.3)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was put to the DNS, or its cache.

    Attributes:
        rdtype: "A", "AAAA", "MX", "PTR" or "TXT".
        name: of a domain; for "PTR" the address.
        outcome: "failed": no answer; else as in `Answer`.
    """

    rdtype: str
    name: str
    outcome: Literal["found", "empty", "missing", "failed"]


class Questions:
    """Asks; what isn't there counts against a budget.

    Attributes:
        budget: what is counted against.
        asked: the questions so far.
    """

    def __init__(self, lookup: Lookup, budget: Budget) -> None:
        self.budget = budget
        self.asked: list[Asked] = []
        self._lookup = lookup
        self._known: dict[tuple[str, str], tuple[object, ...] | TempError] = {}
        self._addresses: dict[tuple[str, str], tuple[Address, ...]] = {}

    async def texts(self, name: str) -> tuple[bytes, ...]:
        """Return the TXT records of a name.

        Raises:
            TempError: no answer.
            PermError: too much was asked for in vain.
        """
        return await self._ask("TXT", name, lambda: self._lookup.texts(name))

    async def mail_hosts(self, name: str) -> tuple[str, ...]:
        """Return the names of a domain's MX records, the best first; raises as `texts`."""
        records: tuple[MXRecord, ...] = await self._ask("MX", name, lambda: self._lookup.mx(name))
        return tuple(record.host for record in sorted(records, key=lambda record: record.preference))

    async def reverse_names(self, address: Address) -> tuple[str, ...]:
        """Return what an address is called by its PTR records; raises as `texts`."""
        text = str(address)
        return await self._ask("PTR", text, lambda: self._lookup.host_names(text))

    async def addresses(self, host: str, family: str) -> tuple[Address, ...]:
        """Return the addresses of a host; raises as `texts`."""
        texts: tuple[str, ...] = await self._ask(family, host, lambda: self._lookup.addresses(host, family))
        known = self._addresses.get((family, host))
        if known is None:
            self.budget.count_addresses(len(texts))
            known = self._addresses[family, host] = tuple(map(ip_address, texts))
        return known

    async def _ask(self, rdtype: str, name: str, question: Callable[[], Awaitable[Answer[T]]]) -> tuple[T, ...]:
        known = self._known.get((rdtype, name))
        if known is None:
            known = await self._answer(rdtype, name, question)
            self._known[rdtype, name] = known
        if isinstance(known, TempError):
            raise known
        if not known:
            self.budget.count_void()
        return cast(tuple[T, ...], known)

    async def _answer(
        self, rdtype: str, name: str, question: Callable[[], Awaitable[Answer[T]]]
    ) -> tuple[T, ...] | TempError:
        try:
            answer = await question()
        except TemporaryError:
            self.asked.append(Asked(rdtype, name, "failed"))
            return TempError(f"the DNS gives no answer about {name} ({rdtype})")
        self.asked.append(Asked(rdtype, name, answer.status))
        return answer.records
