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
        mend: what to do about it.
        is_fatal: the server doesn't start with it.
    """

    domain: str | None
    text: str
    mend: str
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
            mend = f"mta domain remove {domain.name}, or take it out of the site file"
            yield Shortcoming(domain.name, "stands in the site file and in the database", mend, is_fatal=True)
    for domain in domains.values():
        yield from _of_domain(domain, domains, tx)
    for name in sorted(alias_domains(tx) - domains.keys()):
        mend = f"mta domain add {name}, or remove them: mta alias list --domain {name}"
        yield Shortcoming(name, "has aliases, but isn't hosted here", mend)
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
            text = f"the account {address} would be a subaddress of the account {base}"
            mend = "let the domain have another `subaddress`, or remove one of the accounts"
            yield Shortcoming(domain.name, text, mend)
        return
    meant = domains.get(domain.alias_of)
    if meant is None or meant.alias_of is not None:
        text = f"is an alias of {domain.alias_of}, which has no addresses here"
        yield Shortcoming(domain.name, text, f"mta domain add {domain.alias_of}, or let it be an alias of another")
    for address in accounts_at(tx, domain.name)[:1]:
        text = f"is an alias of {domain.alias_of}, so {address} and the like get no mail"
        yield Shortcoming(domain.name, text, f"remove them, or let {domain.name} be no alias")
    if domain.name in alias_domains(tx):
        text = f"is an alias of {domain.alias_of}, so its own aliases lead nowhere"
        yield Shortcoming(domain.name, text, f"remove them: mta alias list --domain {domain.name}")


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
        yield Shortcoming(None, text, f"mta account add {places.admin}, or mta alias add {places.admin} TARGET")
