"""Whom an address stands for, rule by rule, and all rules together against a naive walk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hosting_in_memory import ORG, OTHER_NAME, Hosting
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import capturedLogs

from twistedmail_mta.directory.domains import HostedDomain
from twistedmail_mta.directory.expansion import DISABLED, MISCONFIGURED, MOST_LEVELS, NO_SUCH_ADDRESS
from twistedmail_mta.model import Address, Delivery, Expansion, Reply


@pytest.fixture
def hosting() -> Hosting:
    """Return a directory with the accounts tim@ and ann@example.org."""
    made = Hosting()
    made.account("tim@example.org")
    made.account("ann@example.org")
    return made


def test_account(hosting: Hosting) -> None:
    """An account's address stands for its mailbox, whatever the case of its letters."""
    assert hosting.resolve("Tim@example.org") == Expansion((Delivery(1, Address("tim", "example.org")),))


def test_unknown(hosting: Hosting) -> None:
    """Who isn't there is refused for good, also where the domain isn't hosted by name only."""
    assert hosting.resolve("tom@example.org") == NO_SUCH_ADDRESS
    assert hosting.resolve("tom@b.example") == NO_SUCH_ADDRESS
    assert str(NO_SUCH_ADDRESS).startswith("550 5.1.1 ")


def test_disabled_account(hosting: Hosting) -> None:
    """It takes no mail, and those who share an alias with it do."""
    hosting.account("old@example.org", enabled=False)
    hosting.alias("all@example.org", "old@example.org", "tim@example.org")

    assert hosting.resolve("old@example.org") == DISABLED
    assert hosting.resolve("old+tag@example.org") == DISABLED
    assert hosting.leads_to("all@example.org") == {"tim@example.org"}
    assert str(DISABLED).startswith("550 5.2.1 ")


def test_alias(hosting: Hosting) -> None:
    """It leads to accounts, aliases and foreign addresses; whoever is met twice gets the mail once."""
    hosting.alias("staff@example.org", "tim@example.org", "Sales@example.org", "far@away.example")
    hosting.alias("sales@example.org", "ann@example.org", "tim@example.org", "far@away.example")

    assert hosting.leads_to("STAFF@example.org") == {"tim@example.org", "ann@example.org", "->far@away.example"}
    found = hosting.resolve("staff@example.org")
    assert isinstance(found, Expansion)
    assert len(found.deliveries) == 2


def test_first_name_of_an_account_counts(hosting: Hosting) -> None:
    """An alias that leads to it by several subaddresses delivers once, for the first of them."""
    hosting.alias("all@example.org", "tim+A@example.org", "tim+b@example.org", "tim@example.org")

    assert hosting.resolve("all@example.org") == Expansion((Delivery(1, Address("tim+A", "example.org")),))


def test_alias_of_one(hosting: Hosting) -> None:
    """To lead to one address only is no expansion of the kind that reports speak of."""
    hosting.alias("t@example.org", "tim@example.org")
    hosting.alias("far@example.org", "far@away.example")

    assert hosting.resolve("t@example.org") == Expansion((Delivery(1, Address("tim", "example.org")),))
    assert hosting.resolve("far@example.org") == Expansion((), (Address("far", "away.example"),))


def test_alias_before_account(hosting: Hosting) -> None:
    """An alias with an account's name takes its mail; leading to itself it keeps a copy there."""
    hosting.alias("tim@example.org", "ann@example.org")
    hosting.alias("ann@example.org", "Ann@b.example", "far@away.example")

    assert hosting.leads_to("tim@example.org") == {"ann@example.org", "->far@away.example"}


def test_loops(hosting: Hosting) -> None:
    """A loop that leads elsewhere too is only that; one that leads nowhere else delays the mail."""
    hosting.alias("a@example.org", "b@example.org", "tim@example.org")
    hosting.alias("b@example.org", "a@example.org")
    hosting.alias("c@example.org", "d@example.org")
    hosting.alias("d@example.org", "c@b.example")

    assert hosting.leads_to("b@example.org") == {"tim@example.org"}
    assert hosting.resolve("c@example.org") == MISCONFIGURED
    assert str(MISCONFIGURED).startswith("451 4.3.5 ")


def test_alias_to_itself_without_account(hosting: Hosting) -> None:
    """There is nothing to keep a copy in."""
    hosting.alias("x@example.org", "x@example.org")

    assert hosting.resolve("x@example.org") == NO_SUCH_ADDRESS


def test_dangling_alias(hosting: Hosting) -> None:
    """Where one target is gone the others get the mail; where all are, it's refused."""
    hosting.alias("a@example.org", "gone@example.org", "tim@example.org")
    hosting.alias("b@example.org", "gone@example.org")

    assert hosting.leads_to("a@example.org") == {"tim@example.org"}
    assert hosting.resolve("b@example.org") == NO_SUCH_ADDRESS


def test_too_deep(hosting: Hosting) -> None:
    """A chain has a longest length; past it mail is delayed."""
    for number in range(MOST_LEVELS):
        hosting.alias(f"a{number}@example.org", f"a{number + 1}@example.org")
    hosting.alias(f"a{MOST_LEVELS}@example.org", "tim@example.org")

    assert hosting.resolve("a0@example.org") == MISCONFIGURED
    assert hosting.leads_to("a1@example.org") == {"tim@example.org"}


def test_too_many(hosting: Hosting, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands for too many addresses delays mail, rather than reach some of them."""
    monkeypatch.setattr("twistedmail_mta.directory.expansion.MOST_ADDRESSES", 30)
    hosting.alias("many@example.org", "tim@example.org", *(f"a{n}@away.example" for n in range(29)))
    hosting.alias("more@example.org", "many@example.org", "ann@example.org")

    assert isinstance(hosting.resolve("many@example.org"), Expansion)
    assert hosting.resolve("more@example.org") == MISCONFIGURED


def test_large_alias(hosting: Hosting) -> None:
    """Ten thousand members are found in a few reads."""
    with hosting.tables:
        hosting.tables.executemany(
            "INSERT INTO accounts (address, enabled, protocols, credential_version, created_at)"
            " VALUES (?, 1, '', 1, 1.0)",
            [(f"m{number}@example.org",) for number in range(10_000)],
        )
        hosting.alias("all@example.org", *(f"m{number}@example.org" for number in range(10_000)))

    found = hosting.resolve("all@example.org")

    assert isinstance(found, Expansion)
    assert len(found.deliveries) == 10_000
    assert hosting.database.reads <= 7


def test_domain_alias(hosting: Hosting) -> None:
    """Another name of a domain has the same addresses, and mail arrives for the first name."""
    hosting.alias("sales@example.org", "tim@b.example")

    assert hosting.leads_to("tim@b.example") == {"tim@example.org"}
    assert hosting.leads_to("sales+x@b.example") == {"tim@example.org"}


@pytest.mark.parametrize("meant", ["gone.example", "b.example"])
def test_domain_alias_of_nothing(meant: str) -> None:
    """It delays mail: whoever has set it up so didn't mean to lose any."""
    hosting = Hosting(ORG, OTHER_NAME, HostedDomain("c.example", alias_of=meant))
    hosting.account("tim@example.org")

    assert hosting.resolve("tim@c.example") == MISCONFIGURED


def test_subaddress(hosting: Hosting) -> None:
    """It goes to the base address, and what the mailbox hears of keeps the tag as it was sent."""
    assert hosting.leads_to("TIM+Shop@example.org") == {"tim+Shop@example.org"}
    assert hosting.leads_to("tim+a+b@b.example") == {"tim+a+b@example.org"}
    assert hosting.resolve("tim-a@example.org") == NO_SUCH_ADDRESS
    assert hosting.resolve("+tim@example.org") == NO_SUCH_ADDRESS


def test_exact_address_before_subaddress(hosting: Hosting) -> None:
    """An alias with a tag in its name is found first, then the longest base."""
    hosting.alias("tim+shop@example.org", "ann@example.org")

    assert hosting.leads_to("tim+shop@example.org") == {"ann@example.org"}
    assert hosting.leads_to("tim+shop+2@example.org") == {"ann@example.org"}
    assert hosting.leads_to("tim+other@example.org") == {"tim+other@example.org"}


def test_subaddress_of_an_alias(hosting: Hosting) -> None:
    """The tag ends at the alias, unless that leads to itself."""
    hosting.alias("sales@example.org", "tim@example.org")
    hosting.alias("ann@example.org", "ann@example.org", "tim@example.org")

    assert hosting.leads_to("sales+x@example.org") == {"tim@example.org"}
    assert hosting.leads_to("ann+x@example.org") == {"ann+x@example.org", "tim@example.org"}


def test_separators_of_the_domain() -> None:
    """Each of several characters sets off a subaddress; none does where there are none."""
    hosting = Hosting(HostedDomain("example.org", subaddress="-="), HostedDomain("plain.example", subaddress=""))
    for name in ("tim@example.org", "anne-marie@example.net", "tim@plain.example"):
        hosting.account(name)

    assert hosting.leads_to("tim-a@example.org") == {"tim-a@example.org"}
    assert hosting.leads_to("tim=a-b@example.org") == {"tim=a-b@example.org"}
    assert hosting.resolve("tim+a@example.org") == NO_SUCH_ADDRESS
    assert hosting.resolve("tim+a@plain.example") == NO_SUCH_ADDRESS
    assert hosting.directory.separators == {"example.org": "-=", "plain.example": ""}


def test_catch_all(hosting: Hosting) -> None:
    """It gets what is for nobody else."""
    hosting.alias("@example.org", "tim@example.org")

    assert hosting.leads_to("whoever@b.example") == {"tim@example.org"}
    assert hosting.leads_to("ann+x@example.org") == {"ann+x@example.org"}


def test_catch_all_that_leads_nowhere(hosting: Hosting) -> None:
    """One for an address that isn't there catches nothing, and that one least of all."""
    hosting.alias("@example.org", "gone@example.org")

    assert hosting.resolve("whoever@example.org") == NO_SUCH_ADDRESS
    assert hosting.resolve("gone@example.org") == NO_SUCH_ADDRESS


def test_catch_all_of_the_site_file() -> None:
    """It may stand in the site file, and lead to a foreign address."""
    hosting = Hosting(catch_alls={"example.org": "far@away.example"})

    assert hosting.leads_to("whoever@b.example") == {"->far@away.example"}


@pytest.mark.parametrize("role", ["postmaster", "POSTMASTER", "abuse", "MAILER-DAEMON"])
def test_role_of_nobody(hosting: Hosting, role: str) -> None:
    """RFC 5321 section 4.5.1, RFC 2142: it goes to the admin, before any catch-all."""
    hosting.account("admin@example.org")
    hosting.alias("@example.org", "tim@example.org")

    assert hosting.leads_to(f"{role}@b.example") == {"admin@example.org"}


def test_role_of_somebody(hosting: Hosting) -> None:
    """An alias or account of that name has it."""
    hosting.account("abuse@example.org")
    hosting.alias("postmaster@example.org", "tim@example.org", "far@away.example")

    assert hosting.leads_to("Postmaster@example.org") == {"tim@example.org", "->far@away.example"}
    assert hosting.leads_to("abuse@example.org") == {"abuse@example.org"}


def test_role_that_leads_nowhere(hosting: Hosting) -> None:
    """The admin gets what a role's own alias or account can't have."""
    hosting.account("admin@example.org")
    hosting.account("abuse@example.org", enabled=False)
    hosting.alias("postmaster@example.org", "gone@example.org")

    assert hosting.leads_to("postmaster@example.org") == {"admin@example.org"}
    assert hosting.leads_to("abuse@example.org") == {"admin@example.org"}


def test_role_without_admin(hosting: Hosting) -> None:
    """When nobody is the admin, mail to a role waits; it is never refused for good."""
    assert hosting.resolve("postmaster@example.org") == MISCONFIGURED


def test_admin_with_the_name_of_a_role() -> None:
    """The log doesn't speak of a loop where an account is missing."""
    with capturedLogs() as events:
        assert Hosting(admin="postmaster@example.org").resolve("abuse@example.org") == MISCONFIGURED

    assert "site file's admin, postmaster@example.org, and there is nobody of that name" in events[-1]["problem"]


def test_foreign_admin() -> None:
    """The admin may be anywhere."""
    assert Hosting(admin="root@away.example").leads_to("abuse@example.org") == {"->root@away.example"}


@pytest.mark.parametrize("kept", ["postmaster", "PostMaster"])
def test_role_in_a_case_sensitive_domain(kept: str) -> None:
    """RFC 5321 section 4.5.1: the case of a role's letters never counts, wherever it leads."""
    hosting = Hosting(HostedDomain("example.org", case_sensitive=True))
    hosting.account("ann@example.org")
    hosting.alias(f"{kept}@example.org", "ann@example.org", "POSTMASTER@example.org")

    for written in ("postmaster", "Postmaster", "POSTMASTER"):
        assert hosting.leads_to(f"{written}@example.org") == {"ann@example.org"}


def test_case_sensitive_domain() -> None:
    """Letters count in their case where the domain says so; account names are in lower case."""
    hosting = Hosting(HostedDomain("example.org", case_sensitive=True))
    hosting.account("tim@example.org")
    hosting.alias("Sales@example.org", "tim@example.org")
    hosting.alias("sales@example.org", "far@away.example")

    assert hosting.leads_to("tim@example.org") == {"tim@example.org"}
    assert hosting.resolve("Tim@example.org") == NO_SUCH_ADDRESS
    assert hosting.leads_to("Sales@example.org") == {"tim@example.org"}
    assert hosting.leads_to("sales@example.org") == {"->far@away.example"}
    assert hosting.resolve("SALES@example.org") == NO_SUCH_ADDRESS
    assert hosting.leads_to("tim+Tag@example.org") == {"tim+Tag@example.org"}


def test_aliases_that_differ_in_case_are_one_elsewhere(hosting: Hosting) -> None:
    """Without that setting they lead where both lead."""
    hosting.alias("Sales@example.org", "tim@example.org")
    hosting.alias("sales@example.org", "ann@example.org")

    assert hosting.leads_to("SALES@example.org") == {"tim@example.org", "ann@example.org"}


def test_utf8_local_parts() -> None:
    """However it is composed and whatever the case, a letter is that letter."""
    hosting = Hosting()
    hosting.account("jürgen@example.org")
    hosting.alias("Büro@example.org", "JU\u0308RGEN@example.org")

    assert hosting.leads_to("bu\u0308ro@b.example") == {"jürgen@example.org"}
    assert hosting.leads_to("Ju\u0308rgen+Ä@example.org") == {"jürgen+Ä@example.org"}


def test_quoted_local_part(hosting: Hosting) -> None:
    """What needs quotes can be an alias's address and target, and an @ within is no domain's."""
    hosting.alias('"a b@c"@example.org', '"x y"@example.org', '"far away@x"@away.example')
    hosting.alias('"x y"@example.org', "tim@example.org")

    assert hosting.leads_to('"A b@c"@example.org') == {"tim@example.org", '->"far away@x"@away.example'}


def test_aliases_file(tmp_path: Path) -> None:
    """Aliases of the site file's domains and of the database count together."""
    (tmp_path / "aliases").write_text("sales: tim, far@away.example\nall: sales, ann\n@example.org: ann\n")
    hosting = Hosting(files={"example.org": tmp_path / "aliases"})
    hosting.account("tim@example.org")
    hosting.account("ann@example.org")
    hosting.alias("sales@example.org", "more@away.example")

    everywhere = {"tim@example.org", "->far@away.example", "->more@away.example"}
    assert hosting.leads_to("Sales@b.example") == everywhere
    assert hosting.leads_to("all@example.org") == everywhere | {"ann@example.org"}
    assert hosting.leads_to("whoever@example.org") == {"ann@example.org"}


LOCALS = ("a", "b", "c", "d", "e", "a+t", "b+t", "postmaster")
DOMAINS = ("example.org", "b.example", "c.example", "away.example")
everybody = st.builds("{}@{}".format, st.sampled_from(LOCALS), st.sampled_from(DOMAINS))
homes = st.builds("{}@{}".format, st.sampled_from(LOCALS), st.sampled_from(("example.org", "c.example")))
keys = homes | st.sampled_from(("@example.org", "@c.example"))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    accounts=st.dictionaries(homes.filter(lambda name: "+" not in name), st.booleans(), max_size=4),
    aliases=st.dictionaries(keys, st.lists(everybody, min_size=1, max_size=3), max_size=6),
    start=everybody,
)
def test_like_a_naive_walk(accounts: dict[str, bool], aliases: dict[str, list[str]], start: str) -> None:
    """Loops, nesting, catch-alls, domain aliases, roles and subaddresses, all at once."""
    hosting = Hosting(ORG, OTHER_NAME, HostedDomain("c.example"), admin="a@example.org")
    for name, enabled in accounts.items():
        hosting.account(name, enabled=enabled)
    for name, targets in aliases.items():
        hosting.alias(name, *targets)

    found = hosting.leads_to(start)

    got = found.status if isinstance(found, Reply) else {text.replace("+t", "") for text in found}
    assert got == naive(accounts, aliases, start)


def naive(accounts: dict[str, bool], aliases: dict[str, list[str]], start: str) -> set[str] | str:
    """Follow every step until nothing new is found; say where it ended."""
    reached, ends = {start}, set[str]()
    while True:
        steps = [step(accounts, aliases, address) for address in reached]
        ends = set[str]().union(*(found for _, found in steps))
        further = reached.union(*(found for found, _ in steps))
        if further == reached:
            break
        reached = further
    taken = {end for end in ends if "@" in end}
    if not taken and start.startswith("postmaster@") and start != "postmaster@away.example":
        other = naive(accounts, aliases, "a@example.org")
        return "4.3.5" if isinstance(other, str) else other
    if taken:
        return taken
    return "5.2.1" if "5.2.1" in ends else "5.1.1" if "5.1.1" in ends else "4.3.5"


def step(accounts: dict[str, bool], aliases: dict[str, list[str]], address: str) -> tuple[set[str], set[str]]:
    """Return where one step leads, and where it ends."""
    local, _, domain = address.replace("b.example", "example.org").partition("@")
    if domain == "away.example":
        return set(), {f"->{address}".replace("+t", "")}
    for base in (local, local.removesuffix("+t")):
        name = f"{base}@{domain}"
        if name in aliases:
            targets = {target.replace("b.example", "example.org") for target in aliases[name]}
            itself = targets & {name, f"{local}@{domain}"}
            return targets - itself, mailbox(accounts, name) if itself else set()
        if name in accounts:
            return set(), mailbox(accounts, name)
    if local == "postmaster":
        return {"a@example.org"}, set()
    if f"@{domain}" in aliases:
        targets = {target.replace("b.example", "example.org") for target in aliases[f"@{domain}"]}
        itself = targets & {f"{local}@{domain}"}
        return targets - itself, {"5.1.1"} if itself else set()
    return set(), {"5.1.1"}


def mailbox(accounts: dict[str, bool], name: str) -> set[str]:
    if name not in accounts:
        return {"5.1.1"}
    return {name} if accounts[name] else {"5.2.1"}
