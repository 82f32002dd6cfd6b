"""[mta_sts]: what this server says of the MX hosts of its domains over HTTPS (RFC 8461)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from twistedmail_mta.config.values import Domain, Table, Wait, domain_name, domain_pattern, one_or_more, sequence
from twistedmail_mta.mta_sts.policy import MAX_AGE, MAX_PATTERNS, Mode, Policy

ROLE: Final = "mta-sts"


def _pattern(text: object) -> str:
    if text == "*":
        raise ValueError('"*" alone names no hosts: write "*.example.org", which stands for one label')
    return domain_pattern(text)


MaxAge = Annotated[Wait, Field(ge=1, le=MAX_AGE)]
Hosts = Annotated[
    tuple[Annotated[str, BeforeValidator(_pattern)], ...],
    BeforeValidator(one_or_more),
    Field(min_length=1, max_length=MAX_PATTERNS),
]


class PolicyTable(Table):
    """[mta_sts.names.NAME]: what differs for one domain.

    Attributes:
        mode: see `MTASTSTable`; None: what that says, as for the others.
        max_age: likewise.
        mx: likewise.
    """

    mode: Mode | None = None
    max_age: MaxAge | None = None
    mx: Hosts | None = None


class MTASTSTable(Table):
    """[mta_sts]: the policies that listeners of role mta-sts hand out.

    Attributes:
        mode: whether senders that know MTA-STS give mail to no other hosts ("enforce"), only tell of what would
            fail ("testing"), or forget a policy there was ("none").
        max_age: how long senders may keep it, in seconds.
        mx: the hosts that take mail for the domains; None: `server.hostname`, which `mta dns` names as MX.
        domains: whose policies they are; None: all domains of the site file whose mail is kept here.
        names: what differs for some of them.
    """

    mode: Mode = "testing"
    max_age: MaxAge = 7 * 86400.0
    mx: Hosts | None = None
    domains: Annotated[tuple[Domain, ...], BeforeValidator(sequence), Field(min_length=1)] | None = None
    names: dict[Domain, PolicyTable] = Field(default_factory=dict)

    def policy(self, domain: str, hostname: str) -> Policy:
        """Return the policy of a domain.

        Args:
            domain: whose.
            hostname: this server's.
        """
        own = self.names.get(domain, PolicyTable())
        hosts = own.mx or self.mx or (hostname,)
        return Policy(own.mode or self.mode, int(own.max_age or self.max_age), tuple(dict.fromkeys(hosts)))


def unserved(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what in a site file keeps policies from being handed out: the keys that lead to it, and what it is."""
    table, listeners = document.get("mta_sts"), document.get("listen")
    tables = listeners.items() if isinstance(listeners, dict) else ()
    serving = [name for name, each in tables if isinstance(each, dict) and each.get("role") == ROLE]
    if not {"tls", "acme"} & document.keys():
        for name in serving:
            text = "policies are fetched by HTTPS: give a certificate and key under [tls], or [acme]"
            yield ("listen", name), text
    if not isinstance(table, dict):
        for name in serving:
            yield ("listen", name, "role"), "hands out policies, and there is no [mta_sts]"
        return
    if not serving:
        how = f'a listener of role "{ROLE}" and tls = "implicit", reached on port 443'
        yield ("mta_sts",), f"its policies are handed out by {how}; there is none"
    yield from _strange(table, document)


def _strange(table: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    said, tables, names = table.get("domains"), document.get("domains"), table.get("names")
    if isinstance(said, list):
        known = {_spelled(each) for each in said}
    else:
        hosted = tables.items() if isinstance(tables, dict) else ()
        known = {_spelled(name) for name, each in hosted if isinstance(each, dict) and "relay_to" not in each}
        if not known:
            yield ("mta_sts",), "this file has no domain whose mail is kept here; name some in mta_sts.domains"
    for name in names if isinstance(names, dict) else ():
        if _spelled(name) not in known:
            where = "mta_sts.domains" if isinstance(said, list) else "the domains of this file whose mail is kept here"
            yield ("mta_sts", "names", name), f"is none of {where}"


def _spelled(name: object) -> str | None:
    try:
        return domain_name(name)
    except ValueError:
        return None
