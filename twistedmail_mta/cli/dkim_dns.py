"""Asks the DNS, as the server would, whether it shows keys."""

from __future__ import annotations

from collections.abc import Sequence

from twistedmail_mta.cli.reacting import waited_for
from twistedmail_mta.composition.settings import nameservers_of
from twistedmail_mta.config.site import Site
from twistedmail_mta.directory.dkim_rows import StoredKey
from twistedmail_mta.dkim.showing import Shown, shown
from twistedmail_mta.dns.exchange import IReactorDNS
from twistedmail_mta.dns.resolver import Resolver, make_resolver
from twistedmail_mta.errors import TemporaryError


def published(site: Site, keys: Sequence[StoredKey]) -> dict[str, Shown]:
    """Return by name whether the nameservers of the site show each key; once in the life of a process."""
    return waited_for(lambda reactor: _asked(reactor, site, keys))


async def _asked(reactor: IReactorDNS, site: Site, keys: Sequence[StoredKey]) -> dict[str, Shown]:
    resolver = make_resolver(reactor, nameservers_of(site), site.dns.timeout)
    try:
        return {key.name: await _shown(resolver, key) for key in keys}
    finally:
        resolver.stop()


async def _shown(resolver: Resolver, key: StoredKey) -> Shown:
    try:
        answer = await resolver.texts(key.name)
    except TemporaryError:
        return "unknown"
    return shown(key.kind, key.public, answer.records)
