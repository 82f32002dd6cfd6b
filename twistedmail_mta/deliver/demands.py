"""What is demanded of the hosts of a next hop, by DANE first, else by MTA-STS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from twistedmail_mta.deliver.dane import DANE
from twistedmail_mta.deliver.demand import Demand
from twistedmail_mta.deliver.target import Target
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.model import NextHop, Reply


@dataclass(frozen=True, slots=True)
class Demands:
    """Says of each target what it has to show, and leaves out those that must not be tried.

    Attributes:
        dane: knows TLSA records; None: DANE is off.
    """

    dane: DANE | None = None

    async def put(self, next_hop: NextHop, targets: Sequence[Target]) -> Sequence[Target]:
        """Return the targets that may be tried, with what is demanded of them.

        Where the site itself demands TLS, or none, nobody else is asked.

        Args:
            next_hop: whose they are.
            targets: best first.

        Raises:
            TemporaryError: none may be tried now, and why.
        """
        if next_hop.tls != "opportunistic" or next_hop.lmtp or next_hop.is_socket or next_hop.is_filter:
            return targets
        found = await self.dane.demands(next_hop, targets) if self.dane is not None else {}
        return _left(targets, found) if found else targets


def _left(targets: Sequence[Target], found: Mapping[str, Demand | Reply | None]) -> Sequence[Target]:
    left: list[Target] = []
    for target in targets:
        demand = found.get(target.host)
        if not isinstance(demand, Reply):
            left.append(target if demand is None else replace(target, demand=demand))
    if not left:
        raise TemporaryError(next(each for each in found.values() if isinstance(each, Reply)))
    return left
