"""Whom an address at a hosted domain stands for: a walk through aliases down to mailboxes.

Each address on the way is looked up as it is, then without its subaddress;
an alias comes before an account, a role address before the catch-all.  An
alias that leads to itself means the account of that name, so that mail can be
both kept and sent on.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from twistedmail_mta.directory.accounts import folded_local
from twistedmail_mta.directory.aliases import Alias, target_address
from twistedmail_mta.directory.domains import HostedDomain, is_role
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.model import Address, Delivery, Expansion, Reply

NO_SUCH_ADDRESS: Final = Reply(550, "5.1.1", "No such address here")
DISABLED: Final = Reply(550, "5.2.1", "The mailbox is disabled")
MISCONFIGURED: Final = Reply(451, "4.3.5", "The address can't be resolved now, please try again later")

MOST_ADDRESSES: Final = 100_000
"""Addresses that one may stand for, with those on the way."""
MOST_LEVELS: Final = 50
"""Aliases on the way from an address to a mailbox."""
_PIECE: Final = 2000
"""Addresses that are looked up in one read."""

_ALIASES: Final = "SELECT folded, address, target FROM aliases WHERE folded IN (SELECT value FROM json_each(?)) LIMIT ?"
_ACCOUNTS: Final = (
    "SELECT address, id, enabled, quota, quota_messages FROM accounts WHERE address IN (SELECT value FROM json_each(?))"
)


@dataclass(frozen=True, slots=True)
class AccountRow:
    """What delivery needs to know of an account.

    Attributes:
        address: its name.
        id: its id.
        enabled: whether it takes mail.
        quota: its own, in octets; None: what its domain says; 0: no limit.
        quota_messages: the same for the number of messages.
    """

    address: str
    id: int
    enabled: bool
    quota: int | None
    quota_messages: int | None


@dataclass(frozen=True, slots=True)
class Places:
    """Where a walk looks beside the database.

    Attributes:
        domains: those hosted here, by name.
        aliases: returns the aliases of the site file that a folded address may mean.
        admin: who gets mail to role addresses that nobody has.
    """

    domains: Mapping[str, HostedDomain]
    aliases: Callable[[str], Sequence[Alias]]
    admin: Address


Step = Literal["alias", "catch-all", "role", "account", "disabled", "unknown", "elsewhere", "before", "too far"]


@dataclass(frozen=True, slots=True)
class Passed:
    """A step of a walk, for people who want to know the way.

    Attributes:
        address: where it was.
        what: an "alias", "catch-all" or "role" leads on; an "account" gets mail; the way ends at what is "disabled" or
            "unknown", goes "elsewhere", came by "before", or is "too far".
        leads_to: where from there.
    """

    address: Address
    what: Step
    leads_to: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class _Stop:
    """An address on the way, at a hosted domain.

    Attributes:
        address: in full, domain aliases followed.
        domain: where it is.
        level: how many aliases led to it.
    """

    address: Address
    domain: HostedDomain
    level: int

    def names(self) -> Iterator[tuple[str, str, str]]:
        """Yield what it may be found as: base, subaddress, and the folded address of the base."""
        for base, rest in self.domain.bases(self.address.local):
            yield base, rest, f"{folded_local(base)}@{self.domain.name}"

    @property
    def catch_all(self) -> str:
        """What stands for whatever isn't found there."""
        return f"@{self.domain.name}"


class _Rows:
    """What is known of the addresses of some stops."""

    def __init__(self, transaction: Transaction, places: Places, stops: Iterable[_Stop]) -> None:
        self._places = places
        names = {folded for stop in stops for _, _, folded in stop.names()}
        keys = json.dumps([*names, *{stop.catch_all for stop in stops}])
        self._targets: dict[str, list[tuple[str, str]]] = {}
        for folded, address, target in transaction.execute(_ALIASES, (keys, MOST_ADDRESSES + 1)):
            self._targets.setdefault(folded, []).append((address, target))
        found = transaction.execute(_ACCOUNTS, (keys,))
        self._accounts = {
            address: AccountRow(address, number, bool(on), *quota) for address, number, on, *quota in found
        }

    def targets(self, domain: HostedDomain, folded: str, local: str) -> list[Address]:
        """Return where an alias leads, in the site file and in the database together."""
        pairs = list(self._targets.get(folded, ()))
        for alias in self._places.aliases(folded):
            pairs += [(alias.address, target) for target in alias.targets]
        return [target_address(target) for address, target in pairs if domain.means(address, local)]

    def account(self, domain: HostedDomain, folded: str, local: str) -> AccountRow | None:
        """Return the account of an address, or None."""
        account = self._accounts.get(folded)
        return account if account is not None and domain.means(account.address, local) else None


class Walk:
    """One walk from an address to all it stands for, a piece at a time.

    Attributes:
        accounts: those that mail is delivered to, by id.
        problem: what an operator should see to; empty when all is well.
    """

    def __init__(self, start: Address, places: Places, note: Callable[[Passed], object] | None = None) -> None:
        """Stand at the beginning.

        Args:
            start: an address at a hosted domain.
            places: where to look.
            note: told of each step, perhaps twice where it is walked twice; None: nobody is.
        """
        self._note = note
        self.accounts: dict[int, AccountRow] = {}
        self.problem = ""
        self._places = places
        self._waiting: deque[_Stop] = deque()
        self._seen: set[str] = set()
        self._deliveries: dict[int, Delivery] = {}
        self._forwards: dict[Address, None] = {}
        self._dead_ends: set[Reply] = set()
        self._visit(start, 0)

    def go_on(self, transaction: Transaction) -> bool:
        """Walk a piece of the way; return whether that was all of it."""
        left = _PIECE
        while self._waiting and left > 0:
            stops = [self._waiting.popleft() for _ in range(min(left, len(self._waiting)))]
            left -= len(stops)
            rows = _Rows(transaction, self._places, stops)
            for stop in stops:
                self._follow(stop, rows)
        return not self._waiting

    def end(self) -> Expansion | Reply:
        """Return where the walk has led.

        Dead ends don't count where others lead on, but what can't be followed
        at all holds everything up: mail is to be delayed then, not lost.
        """
        if (self._deliveries or self._forwards) and MISCONFIGURED not in self._dead_ends:
            return Expansion(tuple(self._deliveries.values()), tuple(self._forwards))
        for reply in (MISCONFIGURED, DISABLED, NO_SUCH_ADDRESS):
            if reply in self._dead_ends:
                return reply
        self.problem = self.problem or "leads back to itself and nowhere else"
        return MISCONFIGURED

    def _visit(self, address: Address, level: int) -> None:
        """Put an address on the way, unless it was met before."""
        if level > MOST_LEVELS:
            self._pass(address, "too far")
            self._give_up(f"leads through more than {MOST_LEVELS} aliases")
        elif len(self._seen) + len(self._forwards) > MOST_ADDRESSES:
            self._give_up(f"stands for more than {MOST_ADDRESSES} addresses")
        elif MISCONFIGURED not in self._dead_ends:
            domain = self._domain(address.domain)
            if domain is None:
                self._pass(address, "elsewhere")
                self._forwards[address] = None
            elif (key := domain.key(address.local)) not in self._seen:
                self._seen.add(key)
                self._waiting.append(_Stop(Address(address.local, domain.name), domain, level))
            else:
                self._pass(address, "before")

    def _pass(self, address: Address, what: Step, leads_to: Iterable[Address] = ()) -> None:
        if self._note is not None:
            self._note(Passed(address, what, tuple(leads_to)))

    def _give_up(self, problem: str) -> None:
        self.problem = problem
        self._dead_ends.add(MISCONFIGURED)
        self._waiting.clear()

    def _domain(self, name: str) -> HostedDomain | None:
        """Return the domain that a domain's addresses are looked up at; None when that isn't hosted here."""
        domain = self._places.domains.get(name)
        if domain is None or domain.alias_of is None:
            return domain
        meant = self._places.domains.get(domain.alias_of)
        if meant is None or meant.alias_of is not None:
            self._give_up(f"is at {name}, an alias of {domain.alias_of}, which has no addresses here")
        return meant

    def _follow(self, stop: _Stop, rows: _Rows) -> None:
        for base, rest, folded in stop.names():
            targets = rows.targets(stop.domain, folded, base)
            account = rows.account(stop.domain, folded, base)
            if targets or account is not None:
                others = [target for target in targets if not self._is_itself(target, stop, base)]
                if targets:
                    self._pass(stop.address, "alias", targets)
                if not targets or len(others) < len(targets):
                    self._deliver(account, rest, stop)
                self._lead_on(others, stop)
                return
        self._follow_nobody(stop, rows)

    def _is_itself(self, target: Address, stop: _Stop, base: str) -> bool:
        """Return whether an alias's target is the alias's own address."""
        key = stop.domain.key
        return self._domain(target.domain) == stop.domain and key(target.local) in (key(base), key(stop.address.local))

    def _follow_nobody(self, stop: _Stop, rows: _Rows) -> None:
        """Go where mail to an address goes that is neither an alias nor an account."""
        if is_role(stop.address):
            if stop.address == self._places.admin:
                self.problem = f"leads to the site file's admin, {stop.address}, and there is nobody of that name"
            self._pass(stop.address, "role", [self._places.admin])
            self._lead_on([self._places.admin], stop)
            return
        targets = rows.targets(stop.domain, stop.catch_all, "")
        others = [target for target in targets if not self._is_itself(target, stop, stop.address.local)]
        if targets:
            self._pass(stop.address, "catch-all", targets)
        if not targets or len(others) < len(targets):
            self._end_at(stop, NO_SUCH_ADDRESS)
        self._lead_on(others, stop)

    def _lead_on(self, targets: Iterable[Address], stop: _Stop) -> None:
        for target in targets:
            self._visit(target, stop.level + 1)

    def _deliver(self, account: AccountRow | None, subaddress: str, stop: _Stop) -> None:
        if account is None:
            self._end_at(stop, NO_SUCH_ADDRESS)
        elif not account.enabled:
            self._end_at(stop, DISABLED)
        elif account.id not in self._deliveries:
            self._pass(stop.address, "account", [target_address(account.address)])
            local = account.address.rpartition("@")[0]
            self._deliveries[account.id] = Delivery(account.id, Address(local + subaddress, stop.domain.name))
            self.accounts[account.id] = account

    def _end_at(self, stop: _Stop, reply: Reply) -> None:
        self._pass(stop.address, "unknown" if reply is NO_SUCH_ADDRESS else "disabled")
        self._dead_ends.add(reply)
        if stop.level and reply is NO_SUCH_ADDRESS:
            self.problem = f"leads to {stop.address}, which is no address here"
