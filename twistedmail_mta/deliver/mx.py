"""Which hosts take the mail of a domain, in which order (RFC 5321 section 5.1, RFC 7505)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from random import Random
from typing import Final, Literal

from twistedmail_mta.deliver.demands import Demands
from twistedmail_mta.deliver.networks import Reach
from twistedmail_mta.deliver.target import UNVOUCHED, Target, Vouched
from twistedmail_mta.errors import PermanentError, TemporaryError
from twistedmail_mta.interfaces import IResolver
from twistedmail_mta.model import Answer, MXRecord, NextHop, Reply
from twistedmail_mta.networks import address_of
from twistedmail_mta.tasks import Cancelled, Task

MAX_TARGETS: Final = 5
"""Addresses that are tried in one attempt."""
MAX_HOSTS: Final = 20
"""Hosts whose addresses are asked for in one attempt."""

NO_DEMANDS: Final = Demands()

LOCAL_HOST: Final = "localhost"
"""The name of whoever listens on a unix socket."""

NULL_MX: Final = Reply(556, "5.1.10", "The recipient's domain accepts no mail")
NO_DOMAIN: Final = Reply(550, "5.1.2", "The recipient's domain does not exist")
NO_HOST: Final = Reply(550, "5.1.2", "The recipient's domain has no host that takes mail")
LOOP: Final = Reply(550, "5.4.6", "The mail for the recipient's domain loops back to this host")
FORBIDDEN: Final = Reply(550, "5.4.4", "The recipient's domain names no address that mail may be sent to")
BAD_LITERAL: Final = Reply(550, "5.1.2", "The recipient's address literal is not understood")
MX_WITHOUT_ADDRESS: Final = Reply(451, "4.4.4", "No mail host of the recipient's domain has an address")
HOST_WITHOUT_ADDRESS: Final = Reply(451, "4.4.4", "The next hop has no address")
DNS_UNSURE: Final = Reply(451, "4.4.3", "The addresses of the mail hosts can't be found now")


@dataclass(frozen=True, slots=True)
class Hosts:
    """Finds the hosts of next hops.

    Attributes:
        resolver: answers the questions.
        reach: who we are and how far MX records may lead.
        random: shuffles.
        prefers: the family of addresses that goes first at each host, as IP version; None: either.
        demands: knows what hosts have to show.
    """

    resolver: IResolver
    reach: Reach
    random: Random
    prefers: Literal[4, 6] | None = None
    demands: Demands = NO_DEMANDS

    async def targets(self, next_hop: NextHop, *, demanding: bool = True) -> Sequence[Target]:
        """Return what to try for a next hop, best first; at least one, at most five.

        Hosts of equal preference are shuffled, and so are the addresses of a
        host, its two families taking turns, the preferred one first: neither
        can hide the other.

        Args:
            next_hop: a mail domain (`mx`) or a host; an explicit host may be anywhere.
            demanding: else nothing is demanded but what the site file says.

        Raises:
            PermanentError: the domain can't get mail: it or its hosts don't
                exist, it wants none, or its mail leads back to us.
            TemporaryError: the DNS doesn't say now, or no host can be trusted.
        """
        found = await self._found(next_hop)
        return await self.demands.put(next_hop, found) if demanding else found

    async def _found(self, next_hop: NextHop) -> Sequence[Target]:
        if not next_hop.mx:
            return await _explicit(next_hop, self)
        search = _Search(next_hop, self)
        if next_hop.host.startswith("["):
            address = _literal(next_hop.host)
            search.take(address, _Found([address]))
        else:
            await search.run()
        return search.result()


async def _explicit(next_hop: NextHop, hosts: Hosts) -> Sequence[Target]:
    if next_hop.is_socket:
        return [Target(LOCAL_HOST, next_hop.host, 0)]
    if address_of(next_hop.host) is not None:
        return [Target(next_hop.host, next_hop.host, next_hop.port)]
    found = await _addresses(next_hop.host, hosts)
    if not found.addresses:
        raise TemporaryError(DNS_UNSURE if found.unsure else HOST_WITHOUT_ADDRESS)
    vouched = replace(found.vouched, name=True)
    return [Target(next_hop.host, address, next_hop.port, vouched=vouched) for address in found.addresses[:MAX_TARGETS]]


def _literal(domain: str) -> str:
    """Return the address of a literal (RFC 5321 section 4.1.3)."""
    text = domain.removeprefix("[").removesuffix("]")
    if text[:5].lower() == "ipv6:":
        text = text[5:]
    if address_of(text) is None:
        raise PermanentError(BAD_LITERAL)
    return text


class _Search:
    """Walks the MX list, best preference first, until enough addresses are known."""

    def __init__(self, next_hop: NextHop, hosts: Hosts) -> None:
        self._next_hop = next_hop
        self._hosts = hosts
        self._reach = hosts.reach
        self._targets: list[Target] = []
        self._looped = False
        self._saw_forbidden = False
        self._unsure = False
        self._implicit = False
        self._is_vouched = False
        self._rank = 0

    async def run(self) -> None:
        for hosts in await self._groups():
            if any(host in self._reach.own_names for host in hosts):
                self._looped = True
            found = [] if self._looped else [(host, await self._lookup(host)) for host in hosts]
            if self._looped or any(self._reach.is_own(address) for _, each in found for address in each.addresses):
                self._looped = True  # we are among them: only better hosts may be tried (RFC 5321 section 5.1)
                return
            for host, each in found:
                self.take(host, each)
            if len(self._targets) >= MAX_TARGETS:
                return
            self._rank += 1

    def take(self, host: str, found: _Found) -> None:
        vouched = replace(found.vouched, name=self._is_vouched)
        for address in found.addresses:
            if self._reach.is_own(address):
                self._looped = True
            elif self._reach.is_forbidden(address):
                self._saw_forbidden = True
            else:
                self._targets.append(Target(host, address, self._next_hop.port, self._rank, vouched=vouched))

    def result(self) -> Sequence[Target]:
        if self._targets:
            return self._targets[:MAX_TARGETS]
        if self._looped:
            raise PermanentError(LOOP)
        if self._unsure:
            raise TemporaryError(DNS_UNSURE)
        if self._saw_forbidden:
            raise PermanentError(FORBIDDEN)
        if self._implicit:
            raise PermanentError(NO_HOST)
        raise TemporaryError(MX_WITHOUT_ADDRESS)

    async def _groups(self) -> list[list[str]]:
        domain = self._next_hop.host
        answer = await self._hosts.resolver.mx(domain)
        self._is_vouched = answer.authentic
        if answer.status == "missing":
            raise PermanentError(NO_DOMAIN)
        if not answer.records:
            self._implicit = True
            return [[domain]]
        records = [record for record in answer.records if record.host]
        if not records:
            raise PermanentError(NULL_MX)
        return self._ordered(records)

    def _ordered(self, records: Sequence[MXRecord]) -> list[list[str]]:
        ranked = sorted(records, key=_preference)
        groups, room = [], MAX_HOSTS
        for _, equals in groupby(ranked, key=_preference):
            hosts = list(dict.fromkeys(record.host for record in equals))
            self._hosts.random.shuffle(hosts)
            own = [host for host in hosts if host in self._reach.own_names]
            groups.append(own or hosts[: max(room, 0)])
            room -= len(hosts)
        return groups

    async def _lookup(self, host: str) -> _Found:
        found = await _addresses(host, self._hosts)
        self._unsure = self._unsure or found.unsure
        return found


def _preference(record: MXRecord) -> int:
    return record.preference


@dataclass(frozen=True, slots=True)
class _Found:
    addresses: Sequence[str]
    unsure: bool = False
    vouched: Vouched = UNVOUCHED


async def _addresses(host: str, hosts: Hosts) -> _Found:
    """Ask for both families at once and let them take turns, either of them first, or the preferred one."""
    tasks = [Task(f"dns.{family}", _family(host, family, hosts.resolver)) for family in ("AAAA", "A")]
    try:
        answers = [await task for task in tasks]
    except Cancelled:
        for task in tasks:
            task.cancel()
        raise
    known = [list(answer.records) for answer in answers if answer is not None and answer.records]
    for family in known:
        hosts.random.shuffle(family)
    hosts.random.shuffle(known)
    if hosts.prefers is not None:
        known.sort(key=lambda family: (":" in family[0]) != (hosts.prefers == 6))
    longest = max(map(len, known), default=0)
    turns = [family[turn] for turn in range(longest) for family in known if turn < len(family)]
    return _Found(turns, unsure=None in answers, vouched=_vouched([answer for answer in answers if answer is not None]))


def _vouched(answers: Sequence[Answer[str]]) -> Vouched:
    """Return what is vouched for: a family that isn't makes both doubtful (RFC 7672 section 2.2.2)."""
    alias = next((answer.alias for answer in answers if answer.alias), "")
    return Vouched(addresses=bool(answers) and all(answer.authentic for answer in answers), alias=alias)


async def _family(host: str, family: str, resolver: IResolver) -> Answer[str] | None:
    try:
        return await resolver.addresses(host, family)
    except TemporaryError:
        return None
