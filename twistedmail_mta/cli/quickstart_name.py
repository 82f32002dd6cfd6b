"""What this host is to be called, found out from the system, and from the DNS where the system doesn't know."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from twistedmail_mta.cli.dns_addresses import seen_by_others, system_addresses
from twistedmail_mta.cli.reacting import waited_for
from twistedmail_mta.dns.exchange import IReactorDNS
from twistedmail_mta.dns.nameservers import nameservers, system_nameservers
from twistedmail_mta.dns.resolver import Resolver, make_resolver
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.founding.naming import Name, chosen_name, is_public, own_name
from twistedmail_mta.tasks import within

_WITHIN: Final = 4.0
"""Seconds for the DNS: there is a name without it."""
_HOSTS: Final = Path("/etc/hosts")


def name_of_host(said: str | None, domain: str) -> Name:
    """Return the name of this host; the DNS is asked where nobody here knows it.

    Args:
        said: what the operator says, if anything.
        domain: whose mail is to be kept here.
    """
    own = system_name()
    others = {} if said is not None or is_public(own) else _names_of(seen_by_others(system_addresses()).addresses)
    return chosen_name(said, domain, own, others)


def system_name() -> str:
    """Return what the system calls itself, nobody else being asked."""
    hosts = ""
    with suppress(OSError):
        hosts = _HOSTS.read_text(encoding="utf-8", errors="replace")
    return own_name(os.uname().nodename, hosts)


def _names_of(addresses: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return the names of this host's addresses that lead back to them."""
    return waited_for(lambda reactor: _asked(reactor, addresses)) if addresses else {}


async def _asked(reactor: IReactorDNS, addresses: Sequence[str]) -> Mapping[str, Sequence[str]]:
    resolver = make_resolver(reactor, nameservers(system_nameservers()), _WITHIN / 2)
    try:
        return await within(reactor, _WITHIN, confirmed_names(resolver, addresses))
    except TimeoutError:
        return {}
    finally:
        resolver.stop()


async def confirmed_names(resolver: Resolver, addresses: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Return for each address the names that the DNS has for it, and that lead to it."""
    found: dict[str, list[str]] = {}
    for address in addresses:
        with suppress(TemporaryError):
            family = "AAAA" if ":" in address else "A"
            for name in (await resolver.host_names(address)).records[:4]:
                if address in (await resolver.addresses(name, family)).records:
                    found.setdefault(address, []).append(name)
    return found
