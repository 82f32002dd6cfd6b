"""Which way a recipient's mail goes, from the site file alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from zope.interface import implementer

from twistedmail_mta.interfaces import IRouter
from twistedmail_mta.model import MAILBOXES, Address, NextHop, Refuse, Reply, Route, Via
from twistedmail_mta.routes import chosen_hop

NO_DOMAIN: Final = Refuse(Reply(550, "5.1.3", "The recipient's address has no domain"))

_ANY: Final = ""
"""In the place of a pattern: there is no condition."""
_NOTHING_SAID: Final = (_ANY,)


@dataclass(frozen=True, slots=True)
class RouteRule:
    """One route of the site file; all of its conditions must hold.

    Attributes:
        to_domains: recipient domains in lower case as A-labels: a name,
            `*.name` for all below it, or `*`; empty matches all.
        route: where their mail goes; an MX route without a host means the
            recipient's own domain.
        senders: reverse-paths, in lower case: an address, `*@` and a pattern of domains,
            `*` or `<>`; empty matches all.
        accounts: the same of accounts, without `<>`; empty matches all, and strangers.
        key: where the site file says so, as a key path.
    """

    to_domains: tuple[str, ...]
    route: Route
    senders: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    key: str = ""


@dataclass(frozen=True, slots=True)
class Fallback:
    """Who takes mail that MX hosts have not taken.

    Attributes:
        after: attempts by MX before it is asked.
        next_hop: an explicit host.
    """

    after: int
    next_hop: NextHop


def _no_domain(_: str) -> bool:
    return False


_Ranked = tuple[int, Route]
"""A rule's place, and where its mail goes."""
_Key = tuple[str, str, str]
"""One pattern of each kind: recipient domain, sender, account."""


@implementer(IRouter)
class Router:
    """Finds the first rule that matches; the number of rules costs nothing per message.

    A rule stands in the index under each combination of its patterns; what is
    looked up are the patterns that fit a recipient, and whose mail it is.
    """

    def __init__(
        self,
        rules: Sequence[RouteRule],
        default: NextHop,
        fallback: Fallback | None = None,
        hosts: Callable[[str], bool] = _no_domain,
    ) -> None:
        """Index the rules.

        Args:
            rules: first match wins; the `relay_to` of domains stand before the routes.
            default: for what no rule matches: by MX, without a host; its port and TLS are those of [outbound].
            fallback: for what goes by MX and has failed for now often enough.
            hosts: whether mail for a domain is kept here, whatever the rules say.
        """
        self._hosts = hosts
        self._default = default
        self._fallback = fallback
        self._keys = [rule.key for rule in rules]
        self._rules: dict[_Key, _Ranked] = {}
        self._rest: _Ranked = (len(rules), default)
        for place, rule in enumerate(rules):
            for key in product(
                rule.to_domains or ("*",), rule.senders or _NOTHING_SAID, rule.accounts or _NOTHING_SAID
            ):
                self._rules.setdefault(_lowered(key), (place, rule.route))
        self._looks_below = any(domain.startswith("*.") for domain, _, _ in self._rules)
        self._asks_sender = any(sender for _, sender, _ in self._rules)
        self._asks_account = any(account for _, _, account in self._rules)

    def route(self, sender: Address | None, recipient: Address, attempts: int = 0, account: str | None = None) -> Route:
        """Return where the recipient's mail goes after so many attempts; see `IRouter`."""
        domain = recipient.domain.lower()
        if not domain:
            return NO_DOMAIN
        if self._hosts(domain):
            return MAILBOXES
        _, route = self._best(domain, sender, account)
        if not isinstance(route, NextHop):
            return route
        if route.mx and self._fallback is not None and attempts >= self._fallback.after:
            return self._fallback.next_hop
        return route if route.host else replace(route, host=domain)

    def why(self, sender: Address | None, recipient: Address, account: str | None = None) -> str | None:
        """Return where the site file says what `route` returns at the first attempt, as a key path.

        It is None where it says nothing: of mail that is kept here, and of what goes by MX as no rule matches.
        """
        domain = recipient.domain.lower()
        if not domain or self._hosts(domain):
            return None
        place, _ = self._best(domain, sender, account)
        return self._keys[place] if place < len(self._keys) else None

    def _best(self, domain: str, sender: Address | None, account: str | None) -> _Ranked:
        return min(self._matches(domain, sender, account), key=_place)

    def chosen(self, via: Via, recipient: Address) -> Route:
        """Return the next hop that was chosen for a recipient; see `IRouter`."""
        hop = chosen_hop(via, self._default.tls, self._default.port)
        if hop.host:
            return hop
        return replace(hop, host=recipient.domain.lower()) if recipient.domain else NO_DOMAIN

    def _matches(self, domain: str, sender: Address | None, account: str | None) -> Iterator[_Ranked]:
        yield self._rest
        senders = tuple(_sender_patterns(sender)) if self._asks_sender and sender is not None else _NOTHING_SAID
        accounts = tuple(_account_patterns(account)) if self._asks_account and account is not None else _NOTHING_SAID
        for pattern in self._domain_patterns(domain):
            for who in senders:
                for login in accounts:
                    if (ranked := self._rules.get((pattern, who, login))) is not None:
                        yield ranked

    def _domain_patterns(self, domain: str) -> Iterator[str]:
        return _domain_patterns(domain) if self._looks_below else iter(("*", domain))


def _domain_patterns(domain: str) -> Iterator[str]:
    """Yield all patterns that fit a domain."""
    yield "*"
    yield domain
    parent = domain
    while (dot := parent.find(".")) >= 0:
        parent = parent[dot + 1 :]
        yield f"*.{parent}"


def _address_patterns(local: str, domain: str) -> Iterator[str]:
    """Yield all patterns that fit an address, and that there is no condition."""
    yield from (_ANY, "*")
    for pattern in _domain_patterns(domain.lower()):
        yield f"*@{pattern}"
        yield f"{local.lower()}@{pattern}"


def _sender_patterns(sender: Address) -> Iterator[str]:
    if sender.is_null:
        yield "<>"
    yield from _address_patterns(sender.local, sender.domain)


def _account_patterns(account: str) -> Iterator[str]:
    local, _, domain = account.rpartition("@")
    return _address_patterns(local, domain)


def _lowered(key: tuple[str, ...]) -> _Key:
    domain, sender, account = key
    return domain.lower(), sender.lower(), account.lower()


def _place(ranked: _Ranked) -> int:
    return ranked[0]
