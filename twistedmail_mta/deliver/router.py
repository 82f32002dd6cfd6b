"""Which way a recipient's mail goes, from the site file alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from zope.interface import implementer

from twistedmail_mta.interfaces import IRouter
from twistedmail_mta.model import MAILBOXES, Address, NextHop, Refuse, Reply, Route, Via
from twistedmail_mta.routes import chosen_hop

NO_DOMAIN: Final = Refuse(Reply(550, "5.1.3", "The recipient's address has no domain"))


@dataclass(frozen=True, slots=True)
class RouteRule:
    """One route of the site file.

    Attributes:
        to_domains: recipient domains in lower case as A-labels: a name,
            `*.name` for all below it, or `*`; empty matches all.
        route: where their mail goes; an MX route without a host means the
            recipient's own domain.
    """

    to_domains: tuple[str, ...]
    route: Route


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


@implementer(IRouter)
class Router:
    """Finds the first rule that matches; the number of rules costs nothing per message."""

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
        self._exact: dict[str, tuple[int, Route]] = {}
        self._below: dict[str, tuple[int, Route]] = {}
        self._rest: tuple[int, Route] = (len(rules), default)
        for place, rule in enumerate(rules):
            for pattern in rule.to_domains or ("*",):
                self._add(pattern.lower(), (place, rule.route))

    def route(
        self,
        sender: Address,  # noqa: ARG002 - routes by sender come with accounts' relays
        recipient: Address,
        attempts: int = 0,
    ) -> Route:
        """Return where the recipient's mail goes after so many attempts."""
        domain = recipient.domain.lower()
        if not domain:
            return NO_DOMAIN
        if self._hosts(domain):
            return MAILBOXES
        _, route = min(self._matches(domain), key=_place)
        if not isinstance(route, NextHop):
            return route
        if route.mx and self._fallback is not None and attempts >= self._fallback.after:
            return self._fallback.next_hop
        return route if route.host else replace(route, host=domain)

    def chosen(self, via: Via, recipient: Address) -> Route:
        """Return the next hop that was chosen for a recipient; see `IRouter`."""
        hop = chosen_hop(via, self._default.tls, self._default.port)
        if hop.host:
            return hop
        return replace(hop, host=recipient.domain.lower()) if recipient.domain else NO_DOMAIN

    def _add(self, pattern: str, ranked: tuple[int, Route]) -> None:
        if pattern == "*":
            self._rest = min(self._rest, ranked, key=_place)
        elif pattern.startswith("*."):
            self._below.setdefault(pattern[2:], ranked)
        else:
            self._exact.setdefault(pattern, ranked)

    def _matches(self, domain: str) -> Iterable[tuple[int, Route]]:
        yield self._rest
        if domain in self._exact:
            yield self._exact[domain]
        parent = domain
        while self._below and (dot := parent.find(".")) >= 0:
            parent = parent[dot + 1 :]
            if parent in self._below:
                yield self._below[parent]


def _place(ranked: tuple[int, Route]) -> int:
    return ranked[0]
