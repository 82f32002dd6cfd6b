"""Which TLSA records count for the hosts of a next hop (RFC 7672 section 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from twistedmail_mta.dane.records import usable
from twistedmail_mta.deliver.demand import Demand
from twistedmail_mta.deliver.target import Target
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import ISecureResolver
from twistedmail_mta.model import NextHop, Reply
from twistedmail_mta.tasks import Cancelled, Task

RECORDS_UNSURE: Final = Reply(451, "4.7.5", "DANE: the DNS doesn't say now what proves the mail host's identity")


class Validation(Protocol):
    """Knows whether the name servers validate."""

    async def holds(self) -> bool:
        """Return whether an authentic answer was validated."""

    def look(self) -> None:
        """Find that out behind the scenes."""


class DANE:
    """Knows what hosts have to show by their TLSA records.

    Nothing is asked where an answer on the way to a host was not validated,
    so most deliveries cost no question, and none is delayed by servers that
    can't cope with questions for TLSA (RFC 7672 section 2.2.2).
    """

    def __init__(self, resolver: ISecureResolver, validation: Validation) -> None:
        """Ask nothing yet.

        Args:
            resolver: knows the records.
            validation: knows whether what it calls authentic was validated.
        """
        self._resolver = resolver
        self._validation = validation

    async def demands(self, next_hop: NextHop, targets: Sequence[Target]) -> dict[str, Demand | Reply | None]:
        """Return for each host what it has to show; a reply: it can't be found out now; None: DANE says nothing."""
        vouched = {target.host: target for target in targets if target.vouched.leads_somewhere}
        if not vouched:
            self._validation.look()
            return {}
        if not await self._validation.holds():
            return {}
        tasks = {host: Task("dns.tlsa", self._demand(next_hop, target)) for host, target in vouched.items()}
        try:
            return {host: await task for host, task in tasks.items()}
        except Cancelled:
            for task in tasks.values():
                task.cancel()
            raise

    async def _demand(self, next_hop: NextHop, target: Target) -> Demand | Reply | None:
        try:
            for base in await self._bases(target):
                answer = await self._resolver.tlsa(f"_{target.port}._tcp.{base}")
                if answer.authentic and answer.records:
                    names = dict.fromkeys((base, target.host, next_hop.host))
                    published = tuple(answer.records)
                    return Demand("DANE", usable(published), tuple(names), base, published=published)
        except TemporaryError:
            return RECORDS_UNSURE
        return None

    async def _bases(self, target: Target) -> tuple[str, ...]:
        """Return the names that records may be found at: of a chain of CNAMEs the end, then the beginning."""
        vouched = target.vouched
        if vouched.addresses:
            return (vouched.alias, target.host) if vouched.alias else (target.host,)
        cname = await self._resolver.cname(target.host)
        return (target.host,) if cname.authentic and cname.records else ()
