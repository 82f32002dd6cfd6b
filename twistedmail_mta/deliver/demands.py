"""What is demanded of the hosts of a next hop, by DANE first, else by MTA-STS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from twisted.logger import Logger

from twistedmail_mta.deliver.dane import DANE
from twistedmail_mta.deliver.demand import Demand
from twistedmail_mta.deliver.sts import STS
from twistedmail_mta.deliver.target import Target
from twistedmail_mta.deliver.tls_results import refusal, unfetched
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import ITLSSessions
from twistedmail_mta.model import NextHop, Reply

NOT_NAMED: Final = Reply(451, "4.7.5", "MTA-STS: the policy of the recipient's domain names none of its mail hosts")


@dataclass(frozen=True)
class Demands:
    """Says of each target what it has to show, and leaves out those that must not be tried.

    Attributes:
        dane: knows TLSA records; None: DANE is off.
        sts: knows MTA-STS policies; None: it is off.
        sessions: counts what never becomes a session, for want of a policy or a host that it names; None: nobody does.
    """

    dane: DANE | None = None
    sts: STS | None = None
    sessions: ITLSSessions | None = None

    log: ClassVar[Logger] = Logger()

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
        if self.sts is not None and next_hop.mx and not next_hop.host.startswith("["):
            unproven = [target for target in targets if _proves_nothing(found.get(target.host))]
            for host, demand in (await self._by_policy(self.sts, next_hop.host, unproven)).items():
                if found.get(host) is None or _is_strict(demand):
                    found[host] = demand
        if not found:
            return targets
        self._count_refused(next_hop, found)
        return _left(targets, found)

    async def _by_policy(self, sts: STS, domain: str, targets: Sequence[Target]) -> dict[str, Demand | Reply | None]:
        """Return what the domain's policy demands of hosts that DANE proves nothing of (RFC 8461 section 2)."""
        if not targets:
            return {}
        policy = await sts.policy(domain)
        if policy is None:
            self._count_unfetched(sts, domain)
        if policy is None or policy.mode == "none":
            return {}
        is_strict = policy.mode == "enforce"
        demanded: dict[str, Demand | Reply | None] = {}
        for host in dict.fromkeys(target.host for target in targets):
            if policy.names(host):
                demanded[host] = Demand("MTA-STS", is_strict=is_strict, policy=policy)
            else:
                tested = Demand("MTA-STS", is_strict=False, is_named=False, policy=policy)
                demanded[host] = NOT_NAMED if is_strict else tested
                self._log_unnamed(domain, host, is_strict=is_strict)
        return demanded

    def _count_refused(self, next_hop: NextHop, found: Mapping[str, Demand | Reply | None]) -> None:
        if self.sessions is None or not next_hop.mx:
            return
        for host, reply in found.items():
            if isinstance(reply, Reply):
                self.sessions.note(next_hop.host, *refusal(next_hop.host, host, reply, by_dns=reply is not NOT_NAMED))

    def _count_unfetched(self, sts: STS, domain: str) -> None:
        problem = sts.problem(domain) if self.sessions is not None else None
        if self.sessions is not None and problem is not None:
            self.sessions.note(domain, *unfetched(domain, *problem))

    def _log_unnamed(self, domain: str, host: str, *, is_strict: bool) -> None:
        self.log.info(
            "{host} isn't named by the MTA-STS policy of {domain}, which is {mode}",
            host=host,
            domain=domain,
            mode="enforced" if is_strict else "only tested",
            event="sts.unnamed",
        )


def _proves_nothing(demand: Demand | Reply | None) -> bool:
    """Return whether DANE has nothing to say of who a host is: a policy never makes up for a proof that fails."""
    return demand is None or (isinstance(demand, Demand) and not demand.proves)


def _is_strict(demand: Demand | Reply | None) -> bool:
    return isinstance(demand, Reply) or (demand is not None and demand.is_strict)


def _left(targets: Sequence[Target], found: Mapping[str, Demand | Reply | None]) -> Sequence[Target]:
    """Return the targets that aren't refused."""
    left: list[Target] = []
    for target in targets:
        demand = found.get(target.host)
        if not isinstance(demand, Reply):
            left.append(target if demand is None else replace(target, demand=demand))
    if not left:
        raise TemporaryError(next(each for each in found.values() if isinstance(each, Reply)))
    return left
