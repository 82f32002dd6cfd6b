"""What is wrong with hosted domains, accounts and aliases, site file and database held against each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from twistedmail_mta.directory.alias_rows import alias_domains
from twistedmail_mta.directory.domain_rows import list_domains
from twistedmail_mta.directory.domains import HostedDomain
from twistedmail_mta.directory.expansion import Places, Walk
from twistedmail_mta.directory.site_domains import SiteDomains
from twistedmail_mta.directory.tables import accounts_at
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.model import Address, Reply


@dataclass(frozen=True, slots=True)
class Shortcoming:
    """Something an operator should see to.

    Attributes:
        domain: where; None when it isn't one domain's.
        text: what is wrong.
        is_fatal: the server doesn't start with it.
    """

    domain: str | None
    text: str
    is_fatal: bool = False


def shortcomings(site: SiteDomains, admin: Address, tx: Transaction) -> Iterator[Shortcoming]:
    """Yield what is wrong; it looks at every account of a domain.

    Args:
        site: the domains of the site file.
        admin: who gets mail to role addresses that nobody has.
        tx: the database.
    """
    rows = list_domains(tx)
    domains = site.joined_by(rows)
    for domain in rows:
        if site.declares(domain.name):
            text = "stands in the site file and in the database; `mta domain remove` it, or take it out of the file"
            yield Shortcoming(domain.name, text, is_fatal=True)
    for domain in domains.values():
        yield from _of_domain(domain, domains, tx)
    for name in sorted(alias_domains(tx) - domains.keys()):
        yield Shortcoming(name, "has aliases, but isn't hosted here")
    if domains:
        yield from _of_admin(Places(domains, site.aliases, admin), tx)


def subaddressed(domain: HostedDomain, tx: Transaction) -> Iterator[tuple[str, str]]:
    """Yield the accounts of a domain that are subaddresses of others: the two could send as one another."""
    accounts = accounts_at(tx, domain.name)
    known = set(accounts)
    for address in accounts:
        for base, tag in domain.bases(address.rpartition("@")[0]):
            if tag and f"{base}@{domain.name}" in known:
                yield address, f"{base}@{domain.name}"


def _of_domain(domain: HostedDomain, domains: Mapping[str, HostedDomain], tx: Transaction) -> Iterator[Shortcoming]:
    if domain.alias_of is None:
        for address, base in subaddressed(domain, tx):
            yield Shortcoming(domain.name, f"the account {address} would be a subaddress of the account {base}")
        return
    meant = domains.get(domain.alias_of)
    if meant is None or meant.alias_of is not None:
        yield Shortcoming(domain.name, f"is an alias of {domain.alias_of}, which has no addresses here")
    for address in accounts_at(tx, domain.name)[:1]:
        yield Shortcoming(domain.name, f"is an alias of {domain.alias_of}, so {address} and the like get no mail")
    if domain.name in alias_domains(tx):
        yield Shortcoming(domain.name, f"is an alias of {domain.alias_of}, so its own aliases lead nowhere")


def unkept(address: Address, places: Places, tx: Transaction) -> str:
    """Return why mail for an address isn't kept here; empty if it is."""
    if address.domain not in places.domains:
        return f"{address.domain} isn't hosted here"
    return f"{address} is nobody here who takes mail" if _is_refused(address, places, tx) else ""


def _is_refused(address: Address, places: Places, tx: Transaction) -> bool:
    walk = Walk(address, places)
    while not walk.go_on(tx):
        pass
    return isinstance(walk.end(), Reply)


def _of_admin(places: Places, tx: Transaction) -> Iterator[Shortcoming]:
    if _is_refused(places.admin, places, tx):
        text = f"{places.admin} is nobody here who takes mail, so mail to postmaster and abuse addresses waits"
        yield Shortcoming(None, text)
