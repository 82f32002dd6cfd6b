"""What the directory remembers, and when it forgets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from directory_in_memory import now
from hosting_in_memory import ORG, OTHER_NAME, Hosting, reply_of, site_file
from twisted.logger import LogEvent, globalLogPublisher

from twistedmail_mta.directory import resolution
from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.directory.alias_rows import add_targets, remove_targets
from twistedmail_mta.directory.aliases import alias_key, make_alias
from twistedmail_mta.directory.cache import WeighedCache
from twistedmail_mta.directory.domain_rows import add_domain, change_domain, remove_domain
from twistedmail_mta.directory.domains import HostedDomain
from twistedmail_mta.directory.expansion import MISCONFIGURED, NO_SUCH_ADDRESS
from twistedmail_mta.directory.tables import (
    add_account,
    change_account,
    change_quotas,
    remove_account,
    set_password,
)
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDirectory
from twistedmail_mta.model import Expansion, Reply
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.tasks import Promise, Task

BROKEN = Reply(451, "4.3.0", "no")


@pytest.fixture
def hosting() -> Hosting:
    made = Hosting()
    made.account("tim@example.org")
    now(made.directory.begin())
    return made


def test_known_after_the_first_time(hosting: Hosting) -> None:
    """The second question needs no database, nor does that for an address that isn't there."""
    assert hosting.known("tim@example.org") is None
    found, refused = hosting.resolve("tim@example.org"), hosting.resolve("tom@example.org")

    assert hosting.known("tim@example.org") is found
    assert hosting.known("tom@example.org") is refused is NO_SUCH_ADDRESS
    assert hosting.known("Tim@example.org") is None
    assert IDirectory.providedBy(hosting.directory)


def trail(hosting: Hosting, address: str) -> tuple[list[tuple[str, str, list[str]]], str]:
    steps, problem = now(hosting.directory.trail(parse_address(address)))
    return [(str(each.address), each.what, [str(to) for to in each.leads_to]) for each in steps], problem


def test_the_way_from_an_address(hosting: Hosting) -> None:
    """Each step once, in the order of the walk, with where it leads and how it ends."""
    hosting.account("off@example.org", enabled=False)
    hosting.alias("a@example.org", "b@example.org", "tim+x@example.org", "joe@else.test")
    hosting.alias("b@example.org", "off@example.org", "none@example.org", "a@example.org")

    steps, problem = trail(hosting, "a@example.org")
    assert steps == [
        ("a@example.org", "alias", ["b@example.org", "joe@else.test", "tim+x@example.org"]),
        ("joe@else.test", "elsewhere", []),
        ("b@example.org", "alias", ["a@example.org", "none@example.org", "off@example.org"]),
        ("a@example.org", "before", []),
        ("tim+x@example.org", "account", ["tim@example.org"]),
        ("none@example.org", "unknown", []),
        ("off@example.org", "disabled", []),
    ]
    assert problem == "leads to none@example.org, which is no address here"


def test_the_way_of_a_role_address(hosting: Hosting) -> None:
    """That nobody has: to the administrator, whoever that is; it teaches the directory nothing, and fills no log."""
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)
    try:
        steps, _ = trail(hosting, "abuse@example.org")
        hosting.alias("loop@example.org", "pool@example.org")
        hosting.alias("pool@example.org", "loop@example.org")
        assert trail(hosting, "loop@example.org")[1] == "leads back to itself and nowhere else"
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert steps[0][:2] == ("abuse@example.org", "role")
    assert hosting.known("loop@example.org") is None
    assert events == []


def test_what_is_wrong_is_told_once(hosting: Hosting) -> None:
    """What can't be followed stays so until something changes: whoever asks again fills no log."""
    hosting.alias("a@example.org", "a2@example.org")
    hosting.alias("a2@example.org", "a@example.org")
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)
    try:
        assert hosting.resolve("a@example.org") is hosting.known("a@example.org") is MISCONFIGURED
    finally:
        globalLogPublisher.removeObserver(events.append)

    assert [(event["event"], event["recipient"]) for event in events] == [("directory.problem", "a@example.org")]
    hosting.alias("a@example.org", "tim@example.org")
    hosting.changes.tell()
    assert hosting.leads_to("a@example.org") == {"tim@example.org"}


def test_change_of_another_process(hosting: Hosting) -> None:
    """It is looked up anew, and a new domain is hosted at once."""
    hosting.resolve("tim@example.org")
    hosting.resolve("tom@example.org")
    hosting.alias("tim@example.org", "far@away.example")
    hosting.account("tom@example.org")
    hosting.domain(HostedDomain("new.example"))

    hosting.changes.tell()

    assert hosting.known("tim@example.org") is None
    assert hosting.leads_to("tim@example.org") == {"->far@away.example"}
    assert hosting.leads_to("tom@example.org") == {"tom@example.org"}
    assert hosting.directory.hosts("new.example")
    assert not hosting.directory.hosts("newer.example")


def test_domain_that_goes(hosting: Hosting) -> None:
    """It isn't hosted any more, and what sets off its subaddresses is forgotten in place."""
    separators = hosting.directory.separators
    hosting.domain(HostedDomain("new.example", subaddress="-"))
    now(hosting.directory.refresh())
    assert separators == {"new.example": "-"}

    change_domain(hosting.tables, HostedDomain("new.example", subaddress="="))
    now(hosting.directory.refresh())
    assert separators == {"new.example": "="}

    remove_domain(hosting.tables, "new.example")
    now(hosting.directory.refresh())
    assert separators == {}
    assert hosting.directory.synonyms == {"b.example": "example.org"}
    assert not hosting.directory.hosts("new.example")
    assert hosting.directory.hosts("b.example")


def test_answer_of_before_a_change_is_not_remembered(hosting: Hosting) -> None:
    """What was read before a change and comes back after it is answered, and then forgotten."""
    gate = hosting.database.gate = Promise[None]()
    task = Task("resolve", hosting.directory.resolve(parse_address("tom@example.org")))
    hosting.account("tom@example.org")
    hosting.changes.tell()

    gate.resolve(None)

    assert task.done
    assert hosting.known("tom@example.org") is None
    assert isinstance(hosting.resolve("tom@example.org"), Expansion)


def test_questions_asked_together(hosting: Hosting) -> None:
    """They share one answer, which one of them may stop waiting for; after a change it is asked anew."""
    gate = hosting.database.gate = Promise[None]()
    tim, reads = parse_address("tim@example.org"), hosting.database.reads
    tasks = [Task("resolve", hosting.directory.resolve(tim)) for _ in range(3)]
    tasks[0].cancel()
    assert hosting.database.reads == reads + 1

    hosting.database.gate = None
    hosting.alias("tim@example.org", "far@away.example")
    now(hosting.directory.refresh())
    later = hosting.resolve("tim@example.org")
    gate.resolve(None)

    assert hosting.database.reads == reads + 3
    assert [task.done for task in tasks] == [True] * 3
    assert hosting.known("tim@example.org") is later


CHANGES: dict[str, Callable[[Any], object]] = {
    "account added": lambda tx: add_account(tx, "new@example.org", None, 1.0),
    "account disabled": lambda tx: change_account(tx, "tim@example.org", enabled=False),
    "quota": lambda tx: change_quotas(tx, "tim@example.org", {"quota_messages": 5}),
    "account removed": lambda tx: remove_account(tx, "tim@example.org"),
    "alias added": lambda tx: add_targets(tx, [make_alias("x@example.org", ["y@example.org"])]),
    "alias removed": lambda tx: remove_targets(tx, alias_key("a@example.org")),
    "domain added": lambda tx: add_domain(tx, HostedDomain("new.example")),
    "domain changed": lambda tx: change_domain(tx, HostedDomain("old.example", subaddress="-")),
    "domain removed": lambda tx: remove_domain(tx, "old.example"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_each_kind_of_change(hosting: Hosting, change: Callable[[Any], object]) -> None:
    """All that decides about mail makes the directory forget."""
    hosting.alias("a@example.org", "tim@example.org")
    hosting.domain(HostedDomain("old.example"))
    hosting.changes.tell()
    hosting.resolve("tim@example.org")

    change(hosting.tables)
    hosting.changes.tell()

    assert hosting.known("tim@example.org") is None


def test_other_commits(hosting: Hosting) -> None:
    """Whoever else writes, or changes a password, makes nobody ask again."""
    hosting.changes.tell()
    found = hosting.resolve("tim@example.org")

    set_password(hosting.tables, "tim@example.org", None)
    change_account(hosting.tables, "tim@example.org", protocols=["smtp"], send_as=["<>"])
    hosting.changes.tell()

    assert hosting.known("tim@example.org") is found


def test_limits_of_before_a_change_are_not_remembered(hosting: Hosting) -> None:
    """Likewise for quotas."""
    gate = hosting.database.gate = Promise[None]()
    task = Task("limits", hosting.directory.limits([1]))
    hosting.tables.execute("UPDATE accounts SET quota = 5")
    hosting.changes.tell()

    gate.resolve(None)

    assert task.done
    assert hosting.directory.known_limits([1]) == {1: None}
    assert now(hosting.directory.limits([1]))[1].octets == 5


def test_answer_by_old_domains_is_not_remembered(hosting: Hosting) -> None:
    """Nor what is resolved after the notice of a change, but before the domains are read anew."""
    hosting.domain(HostedDomain("new.example", subaddress="-"))
    now(hosting.directory.refresh())
    hosting.account("tim@new.example")
    change_domain(hosting.tables, HostedDomain("new.example", subaddress="+"))
    gate = hosting.database.gate = Promise[None]()
    hosting.changes.tell()
    hosting.database.gate = None

    assert hosting.leads_to("tim-x@new.example") == {"tim-x@new.example"}
    gate.resolve(None)

    assert hosting.known("tim-x@new.example") is None
    assert hosting.resolve("tim-x@new.example") == NO_SUCH_ADDRESS


def test_domain_in_both_places() -> None:
    """The server doesn't start with it; where it turns up later, the site file's word holds."""
    hosting = Hosting(OTHER_NAME, HostedDomain("example.org", quota=5))
    hosting.domain(HostedDomain("example.org", quota=6))

    with pytest.raises(DirectoryError, match=r"example\.org is in the site file and in the database"):
        now(hosting.directory.begin())
    assert now(hosting.directory.refresh()) == ["example.org"]
    assert hosting.directory.domains["example.org"].quota == 5


def test_relayed_domain_in_the_database() -> None:
    """Neither is its mail kept here nor does the server start, if the site file relays it."""
    hosting = Hosting(relayed=["moved.example"])
    hosting.domain(HostedDomain("moved.example"))

    with pytest.raises(DirectoryError, match=r"moved\.example is in the site file and in the database"):
        now(hosting.directory.begin())
    assert not hosting.directory.hosts("moved.example")


def test_domains_read_in_the_wrong_order(hosting: Hosting) -> None:
    """What was read before a change doesn't count when it comes back after what was read after it."""
    gate = hosting.database.gate = Promise[None]()
    early = Task("refresh", hosting.directory.refresh())
    hosting.domain(HostedDomain("new.example"))
    hosting.database.gate = None
    now(hosting.directory.refresh())

    gate.resolve(None)

    assert early.done
    assert hosting.directory.hosts("new.example")


def test_changes_while_domains_are_read(hosting: Hosting) -> None:
    """However many there are, the domains are read once more, after the last of them."""
    gate = hosting.database.gate = Promise[None]()
    hosting.changes.tell()
    reads = hosting.database.reads
    hosting.domain(HostedDomain("new.example"))
    for _ in range(5):
        hosting.changes.tell()
    assert hosting.database.reads == reads

    gate.resolve(None)

    assert hosting.database.reads == reads + 1
    assert hosting.directory.hosts("new.example")


def test_domains_that_cannot_be_read(hosting: Hosting) -> None:
    """After a change they are read as soon as they can be; until then the old ones serve."""
    hosting.domain(HostedDomain("new.example"))
    hosting.database.broken = TemporaryError(BROKEN)
    hosting.changes.tell()
    assert hosting.directory.hosts("b.example")
    assert not hosting.directory.hosts("new.example")

    hosting.database.broken = None
    hosting.clock.advance(5)

    assert hosting.directory.hosts("new.example")
    assert not hosting.clock.getDelayedCalls()


def test_database_that_fails(hosting: Hosting) -> None:
    """Nothing is known then, and nobody is refused for good."""
    hosting.database.broken = TemporaryError(BROKEN)

    assert reply_of(hosting.directory.resolve(parse_address("tim@example.org"))) == BROKEN
    assert reply_of(hosting.directory.begin()) == BROKEN


def test_another_site_file(hosting: Hosting, tmp_path: Path) -> None:
    """Its domains and aliases count from the moment on when they are taken up, those of the database beside them."""
    file = tmp_path / "aliases"
    file.write_text("a: far@away.example\n")
    hosting.domain(HostedDomain("new.example"))
    assert hosting.resolve("a@example.org") is NO_SUCH_ADDRESS

    take_up = now(hosting.directory.prepared(site_file(ORG, files={"example.org": file})))
    assert hosting.known("a@example.org") is NO_SUCH_ADDRESS
    assert hosting.directory.hosts("b.example")
    take_up()

    assert hosting.leads_to("a@example.org") == {"->far@away.example"}
    assert hosting.directory.hosts("new.example")
    assert not hosting.directory.hosts("b.example")
    assert hosting.directory.synonyms == {}
    hosting.alias("tim@example.org", "far@away.example")
    hosting.changes.tell()
    assert hosting.leads_to("tim@example.org") == {"->far@away.example"}


@pytest.mark.parametrize("relayed", [True, False])
def test_another_site_file_that_cannot_be_used(hosting: Hosting, relayed: bool) -> None:
    """A domain that is in the database, too; everything stays as it was."""
    hosting.domain(HostedDomain("new.example"))
    new = HostedDomain("new.example")
    site = site_file(ORG, relayed=["new.example"]) if relayed else site_file(ORG, new)

    with pytest.raises(DirectoryError, match=r"^the domain new\.example is in the site file and in the database"):
        now(hosting.directory.prepared(site))

    assert hosting.directory.hosts("b.example")


def test_a_domain_that_is_added_while_a_site_file_is_taken_up(hosting: Hosting) -> None:
    """It is hosted, whichever was read first."""
    take_up = now(hosting.directory.prepared(site_file(ORG)))
    hosting.domain(HostedDomain("new.example"))
    hosting.changes.tell()
    assert hosting.directory.hosts("new.example")

    take_up()

    assert hosting.directory.hosts("new.example")
    assert not hosting.directory.hosts("b.example")


def test_memory_is_bounded(hosting: Hosting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessed addresses push out one another, but none that exists."""
    monkeypatch.setattr(resolution, "_MOST_REFUSED", 20)
    small = Hosting()
    small.account("tim@example.org")
    small.resolve("tim@example.org")

    for number in range(50):
        small.resolve(f"guess{number}@example.org")

    assert small.known("tim@example.org") is not None
    assert small.known("guess0@example.org") is None
    assert small.known("guess49@example.org") is NO_SUCH_ADDRESS
    assert sum(small.known(f"guess{number}@example.org") is not None for number in range(50)) == 20


def test_cache_by_weight() -> None:
    """The weight of all is bounded, what is used stays, and one value can't push out all others."""
    cache: WeighedCache[str, str] = WeighedCache(20)
    for key in "abcdefghij":
        cache.put(key, key.upper(), 2)
    assert cache.get("a") == "A"

    cache.put("k", "K")
    assert (cache.get("a"), cache.get("b"), cache.get("k"), len(cache)) == ("A", None, "K", 10)

    cache.put("huge", "H", 21)
    assert cache.get("huge") is None
    cache.put("k", "L", 21)
    assert cache.get("k") is None
    assert cache.get("a") == "A"
    cache.put("whole", "W", 20)
    assert (cache.get("whole"), len(cache)) == ("W", 1)
    cache.clear()
    assert len(cache) == 0
    for key in "abcdefghij":
        cache.put(key, key.upper(), 2)
    assert len(cache) == 10
