"""What a hostile domain can make a delivery ask, of the DNS and of web servers: all by counts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from time import process_time
from typing import Any

import pytest
from scripted_host import Tables
from twisted.internet.task import Clock

from twistedmail_mta.cli.offline import ImmediateDatabase, finished
from twistedmail_mta.dane.records import MAX_RECORDS, TLSA
from twistedmail_mta.deliver.dane import DANE
from twistedmail_mta.deliver.demands import Demands
from twistedmail_mta.deliver.mx import MAX_HOSTS, MAX_TARGETS, Hosts
from twistedmail_mta.deliver.networks import Reach
from twistedmail_mta.deliver.sts import FAILED_FOR, MOST_FETCHES, STS
from twistedmail_mta.deliver.target import Target
from twistedmail_mta.errors import HTTPError, TemporaryError
from twistedmail_mta.model import HTTPAnswer, NextHop
from twistedmail_mta.mta_sts.policy import MAX_PATTERNS, MAX_SIZE, parse_policy
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.tasks import Promise, Task, TaskGroup

HOSTS = [f"h{number}.example" for number in range(1000)]
DOMAIN = NextHop("example.net", 25, mx=True)


class Counting(Tables):
    """A DNS that counts what it is asked."""

    def __init__(self, *, with_addresses: bool = True) -> None:
        mx: Any = [(number % 7, host) for number, host in enumerate(HOSTS)]
        super().__init__({"example.net": mx}, {host: ["192.0.2.1", "192.0.2.2"] for host in HOSTS if with_addresses})
        self.insecure = set()
        self.counted: Counter[str] = Counter()

    async def mx(self, domain: str) -> Any:
        self.counted["MX"] += 1
        return await super().mx(domain)

    async def addresses(self, host: str, family: str) -> Any:
        self.counted["addresses"] += 1
        return await super().addresses(host, family)

    async def tlsa(self, name: str) -> Any:
        self.counted["TLSA"] += 1
        return await super().tlsa(name)

    async def cname(self, name: str) -> Any:
        self.counted["CNAME"] += 1
        return await super().cname(name)

    async def texts(self, name: str) -> Any:
        self.counted["TXT"] += 1
        return await super().texts(name)


class Validates:
    """Name servers that do."""

    async def holds(self) -> bool:
        return True

    def look(self) -> None:
        """It is known."""


class Web:
    """Web servers of which none has a policy; with a promise they all keep silent."""

    def __init__(self, promise: Promise[HTTPAnswer] | None = None) -> None:
        self.asked: Counter[str] = Counter()
        self._promise = promise

    async def request(self, _method: str, url: str, **_limits: Any) -> HTTPAnswer:
        self.asked[url] += 1
        if self._promise is not None:
            return await self._promise
        raise HTTPError("nobody is there")


def policies(names: Tables, folder: Path, web: Any, clock: Clock) -> STS:
    """Return what asks for policies."""
    database: Any = ImmediateDatabase(SyncDatabase(folder / "mta.db"))
    return STS(names, web, database, clock, lambda: 1e9 + clock.seconds(), TaskGroup())


def targets(names: Tables, sts: STS) -> list[Target]:
    """Return where an attempt goes."""
    hosts = Hosts(names, Reach(), Random(1), demands=Demands(DANE(names, Validates()), sts))
    return list(finished(hosts.targets(DOMAIN)))


def test_many_hosts_with_records(tmp_path: Path) -> None:
    """A thousand MX hosts with addresses and TLSA records: only those that are tried are asked about."""
    names = Counting()
    for host in HOSTS:
        names.tlsa_table[f"_25._tcp.{host}"] = [TLSA(3, 1, 1, bytes([number]) * 32) for number in range(200)]

    found = targets(names, policies(names, tmp_path, Web(), Clock()))

    assert len(found) == MAX_TARGETS
    assert all(each.demand is not None and len(each.demand.records) == MAX_RECORDS for each in found)
    assert names.counted["MX"] == 1
    assert names.counted["addresses"] <= 2 * MAX_HOSTS
    assert names.counted["TLSA"] <= MAX_TARGETS
    assert names.counted["CNAME"] == 0
    assert names.counted["TXT"] == 0


def test_many_hosts_without_addresses(tmp_path: Path) -> None:
    """Of those without an address no more than 20 are asked about, and nothing else."""
    names = Counting(with_addresses=False)

    with pytest.raises(TemporaryError):
        targets(names, policies(names, tmp_path, Web(), Clock()))

    assert names.counted == Counter({"MX": 1, "addresses": 2 * MAX_HOSTS})


def test_announced_policy_that_nobody_has(tmp_path: Path) -> None:
    """A TXT record for each attempt, which the resolver caches; but a web server is asked once in five minutes."""
    names, web, clock = Counting(), Web(), Clock()
    names.text_table["_mta-sts.example.net"] = [b"v=STSv1; id=1"]
    sts = policies(names, tmp_path, web, clock)

    for _ in range(100):
        clock.advance(FAILED_FOR / 200)
        assert targets(names, sts)

    assert sum(web.asked.values()) == 1
    assert names.counted["TXT"] == 100


def test_many_domains_whose_web_servers_keep_silent(tmp_path: Path) -> None:
    """A sender's list of domains keeps so many fetches open and no more; the mail of the others goes on."""
    names, web, clock = Counting(), Web(Promise()), Clock()
    sts = policies(names, tmp_path, web, clock)
    domains = [f"d{number}.example" for number in range(MOST_FETCHES + 20)]
    for domain in domains:
        names.text_table[f"_mta-sts.{domain}"] = [b"v=STSv1; id=1"]

    tasks = [Task("test", sts.policy(domain)) for domain in domains]

    assert len(web.asked) == MOST_FETCHES
    assert sum(task.done for task in tasks) == 20
    for task in tasks:
        task.cancel()
    sts.stop()


def test_policy_as_large_as_it_may_be() -> None:
    """It is read in a few milliseconds, with as many hosts as count."""
    line = b"mx: *.aaaaaaaaaaaaaaaaaaaaaaaaaa.example\n"
    head = b"version: STSv1\nmode: enforce\nmax_age: 86400\n"
    text = head + line * ((MAX_SIZE - len(head)) // len(line))

    begin = process_time()
    policy = parse_policy(text)

    assert process_time() - begin < 0.02
    assert len(policy.patterns) <= MAX_PATTERNS
