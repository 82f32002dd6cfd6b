"""What is told of hosted domains whose parts don't fit together."""

from __future__ import annotations

import pytest
from hosting_in_memory import ORG, OTHER_NAME, Hosting

from twistedmail_mta.directory.domains import HostedDomain
from twistedmail_mta.directory.inspection import Shortcoming, shortcomings
from twistedmail_mta.directory.site_domains import SiteDomains
from twistedmail_mta.smtp.address import parse_address


def found(hosting: Hosting, *domains: HostedDomain, admin: str = "root@away.example") -> set[Shortcoming]:
    return set(shortcomings(SiteDomains(domains, {}, {}), parse_address(admin), hosting.tables))


@pytest.fixture
def hosting() -> Hosting:
    """Return a database with the account tim@example.org."""
    made = Hosting()
    made.account("tim@example.org")
    return made


def test_nothing_is_wrong(hosting: Hosting) -> None:
    """Domains here and there, an alias, an account elsewhere, and an admin who reads mail."""
    hosting.domain(HostedDomain("c.example", alias_of="example.org"))
    hosting.account("ann@away.example")
    hosting.alias("root@example.org", "tim@example.org")

    assert found(hosting, ORG, OTHER_NAME, admin="root@c.example") == set()
    assert found(Hosting(), admin="root@example.org") == set()


def test_domain_in_both_places(hosting: Hosting) -> None:
    """The server doesn't start with that."""
    hosting.domain(ORG)

    (shortcoming,) = found(hosting, ORG)

    assert shortcoming.is_fatal
    assert shortcoming.domain == "example.org"


def test_relayed_domain_in_the_database(hosting: Hosting) -> None:
    """A domain can't be relayed by the site file and have mailboxes in the database: its mail would go astray."""
    hosting.domain(HostedDomain("moved.example"))
    site = SiteDomains([ORG], {}, {}, relayed=["moved.example"])

    (shortcoming,) = shortcomings(site, parse_address("root@away.example"), hosting.tables)

    assert shortcoming.is_fatal
    assert shortcoming.domain == "moved.example"


def test_domain_alias_with_things_of_its_own(hosting: Hosting) -> None:
    """Its accounts and aliases are never asked for."""
    hosting.account("ann@b.example")
    hosting.account("tim@b.example")
    hosting.alias("x@b.example", "tim@example.org")

    assert {item.text for item in found(hosting, ORG, OTHER_NAME)} == {
        "is an alias of example.org, so ann@b.example and the like get no mail",
        "is an alias of example.org, so its own aliases lead nowhere",
    }


@pytest.mark.parametrize("meant", ["gone.example", "b.example"])
def test_domain_alias_of_nothing(hosting: Hosting, meant: str) -> None:
    """It leads to no domain with addresses."""
    mend = f"mta domain add {meant}, or let it be an alias of another"
    shortcoming = Shortcoming("c.example", f"is an alias of {meant}, which has no addresses here", mend)

    assert found(hosting, ORG, OTHER_NAME, HostedDomain("c.example", alias_of=meant)) == {shortcoming}


def test_aliases_at_no_domain(hosting: Hosting) -> None:
    """A domain that left the site file leaves its aliases in the database."""
    hosting.alias("x@left.example", "tim@example.org")

    mend = "mta domain add left.example, or remove them: mta alias list --domain left.example"
    assert found(hosting, ORG) == {Shortcoming("left.example", "has aliases, but isn't hosted here", mend)}


def test_accounts_that_are_subaddresses(hosting: Hosting) -> None:
    """They could send as one another, once what sets off subaddresses is changed."""
    for name in ("tim-a-b@example.org", "tim-c@away.example", "-x@example.org"):
        hosting.account(name)

    assert {item.text for item in found(hosting, HostedDomain("example.org", subaddress="-"))} == {
        "the account tim-a-b@example.org would be a subaddress of the account tim@example.org"
    }


def test_admin_who_is_nobody(hosting: Hosting) -> None:
    """Mail to postmaster would wait for somebody to be the admin."""
    (shortcoming,) = found(hosting, ORG, admin="root@example.org")

    assert shortcoming.domain is None
    assert shortcoming.text.startswith("root@example.org is nobody here who takes mail")
