"""An hour of random faults between two sites that are each other's next hop: every message is accounted for."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from twisted.logger import FilteringLogObserver, LogEvent, LogLevel, LogLevelFilterPredicate, globalLogPublisher
from virtual_network import Machine, Network
from virtual_people import Copy, Home, Mail, Submission
from virtual_site import VirtualDNS, VirtualSite, make_virtual

START = 1_800_000_000.0
HOUR = 3600.0
MESSAGES = 1000
SEEDS = range(int(os.environ.get("MTA_FAULT_SEEDS", "3")))
"""More of them by the environment variable; each takes five to ten seconds."""

ADDRESSES = {"a": "192.0.2.1", "b": "192.0.2.2"}
HOMES = {"a": "192.0.2.11", "b": "192.0.2.12"}
_QUEUE_ID = re.compile(rb"^\s*by mail\.(\w)\.test with \w+ id (\w{13})\b", re.MULTILINE)
_MARK = re.compile(rb"^Subject: (mark-\w-\d+)\r$", re.MULTILINE)
_OWN_ID = re.compile(rb"^Message-ID: <(\w{13})@mail\.(\w)\.test>\r$", re.MULTILINE | re.IGNORECASE)
_UNREACHABLE = ("dead.test", "none.test")


class Hour:
    """Two sites, their homes, their users, and everything that goes wrong."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.random = Random(f"hour {seed}")
        self.network = Network(f"network {seed}", START)
        self.mails: list[Mail] = []
        self._users = Machine(self.network, "192.0.2.100")
        mx = {f"{name}.test": [(10, f"mail.{name}.test")] for name in ADDRESSES}
        hosts = {f"mail.{name}.test": address for name, address in ADDRESSES.items()}
        hosts |= {f"home.{name}.test": address for name, address in HOMES.items()} | {"mx.dead.test": "192.0.2.66"}
        self.dns = VirtualDNS(self.network, {**mx, "dead.test": [(10, "mx.dead.test")]}, hosts)
        self.homes = {name: self._home(name, address) for name, address in HOMES.items()}
        self.sites = {
            name: VirtualSite(directory, self.network, name, ADDRESSES[name], admin=admin, recipients=recipients)
            for name, admin, recipients in (("a", "bob@b.test", "any"), ("b", "bob@a.test", "callout"))
        }

    def _home(self, name: str, address: str) -> Home:
        home = Home(name, self.random)
        Machine(self.network, address).listen(25, home)
        return home

    def run(self) -> None:
        """Live through the hour, and as long after it as there is mail under way."""
        for site in self.sites.values():
            site.start()
        self._at(0.01, self._begin_trouble)
        for number in range(MESSAGES):
            self._at(self.random.uniform(10, HOUR), self._submit, number)
        for site in (*self.sites.values(),) * 4:
            self._for_a_while(120, partial(self._end, site), site.start)
            self._for_a_while(180, site.room.fill, site.room.clear)
        for address in (*ADDRESSES.values(), *HOMES.values()) * 3:
            self._for_a_while(400, partial(self.network.cut_off, address), partial(self.network.let_through, address))
        self._at(HOUR, self._end_trouble)
        self.network.clock.run_until(START + HOUR + 1)
        while not all(site.is_empty for site in self.sites.values()):
            assert self.network.clock.seconds() < START + 24 * HOUR, "something never leaves"
            self.network.clock.run_until(self.network.clock.seconds() + 600)

    def _at(self, seconds: float, call: Callable[..., object], *args: object) -> None:
        self.network.clock.callLater(seconds, call, *args)

    def _for_a_while(self, most: float, begin: Callable[[], object], end: Callable[[], object]) -> None:
        at = self.random.uniform(60, HOUR - most)
        self._at(at, begin)
        self._at(at + self.random.uniform(1, most), end)

    def _begin_trouble(self) -> None:
        self.network.misfortune, self.dns.failing = 0.3, 0.15
        for home in self.homes.values():
            home.mood = 0.1

    def _end_trouble(self) -> None:
        self.network.misfortune = self.dns.failing = 0.0
        for home in self.homes.values():
            home.mood = 0.0

    def _end(self, site: VirtualSite) -> None:
        if site.runs:
            self.random.choice((site.die, site.stop))()

    def _submit(self, number: int) -> None:
        name = self.random.choice("ab")
        other = "b" if name == "a" else "a"
        people = [f"{person}@{other}.test" for person in ("bob", "carol", "dave", "nobody")]
        people += [f"bob@{domain}" for domain in _UNREACHABLE] * (self.random.random() < 0.1)
        to = tuple(self.random.sample(people, self.random.choice((1, 1, 1, 2, 3))))
        mark = f"mark-{name}-{number}"
        lines = self.random.choice((1, 10, 60, 200))
        text = f"Subject: {mark}\r\nFrom: ann@{name}.test\r\n\r\n" + f".{mark} is the text\r\n" * lines
        mail = Mail(mark, f"ann@{name}.test", to, text.encode())
        self.mails.append(mail)
        self._users.connectTCP(ADDRESSES[name], 587, Submission(mail))


def chain(text: bytes) -> list[str]:
    """Return by which ids a message was known on its way, its birth first."""
    header = text.partition(b"\r\n\r\n")[0] + b"\r\n"
    ids = [f"{site.decode()}-{found.decode()}" for site, found in reversed(_QUEUE_ID.findall(header))]
    own = _OWN_ID.search(header)
    birth = [f"{own[2].decode()}-{own[1].decode()}"] if own else []
    return birth + [each for each in ids if each not in birth]


@dataclass
class Account:
    """What arrived of a mail, and what its sender or an administrator was told."""

    delivered: set[str] = field(default_factory=set)
    reported: set[str] = field(default_factory=set)


class Books:
    """Everything that arrived at the homes of an hour."""

    def __init__(self, hour: Hour) -> None:
        self._hour = hour
        self.accounts: defaultdict[str, Account] = defaultdict(Account)
        self.births: defaultdict[str, set[str]] = defaultdict(set)
        self.hops: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self.reports: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for home in hour.homes.values():
            for copy in home.copies:
                self._enter(copy)

    def _enter(self, copy: Copy) -> None:
        ids = [*chain(copy.text), copy.id]
        for recipient in copy.recipients:
            for sender, receiver in pairwise(ids):
                self.hops[sender, recipient].add(receiver)
        if b"multipart/report" in copy.text.partition(b"\r\n\r\n")[0]:
            self._enter_report(ids[0], copy.text)
        else:
            self._enter_mail(ids[0], copy)

    def _enter_report(self, own_id: str, text: bytes) -> None:
        _, status, original = message_from_bytes(text).get_payload()
        mark = _MARK.search(original.as_bytes().replace(b"\n", b"\r\n").replace(b"\r\r\n", b"\r\n"))
        assert mark is not None, text
        about = _first_id(original.as_bytes())
        for each in status.get_payload()[1:]:
            recipient = each["Final-Recipient"].partition(";")[2].strip()
            self.accounts[mark[1].decode()].reported.add(recipient)
            self.reports[about, recipient].add(own_id)

    def _enter_mail(self, birth: str, copy: Copy) -> None:
        found = _MARK.search(copy.text)
        assert found is not None, copy
        mark = found[1].decode()
        (mail,) = [mail for mail in self._hour.mails if mail.mark == mark]
        assert copy.text.partition(b"\r\n\r\n")[2] == mail.text.partition(b"\r\n\r\n")[2]
        assert set(copy.recipients) <= set(mail.recipients)
        self.births[mark].add(birth)
        self.accounts[mark].delivered.update(copy.recipients)

    def repeated(self) -> Iterator[str]:
        """Say what was sent more often than lost answers and deaths account for."""
        deaths = self._hour.sites["a"].deaths + self._hour.sites["b"].deaths
        for (sender, recipient), receivers in self.hops.items():
            answered = [each for each in receivers if each.partition("-")[2] in self._hour.network.heard]
            if len(answered) > 1 + deaths[sender]:
                yield f"{sender} went to {recipient} as {sorted(answered)}"


def _first_id(header: bytes) -> str:
    return re.findall(rb"\bid (\w{13})\b", header)[0].decode()


def expected(mail: Mail) -> tuple[set[str], set[str]]:
    """Return who should get a mail and who should be reported on."""
    failing = {each for each in mail.recipients if each.startswith("nobody@") or each.endswith(_UNREACHABLE)}
    return set(mail.recipients) - failing, failing


@pytest.mark.parametrize("seed", SEEDS)
def test_an_hour_of_faults_loses_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """A mail that was accepted arrives, or is reported; it comes twice only where an answer was lost."""
    hour = Hour(tmp_path, seed)
    make_virtual(monkeypatch, hour.network, hour.dns)
    failures: list[LogEvent] = []
    log = FilteringLogObserver(failures.append, [LogLevelFilterPredicate(LogLevel.error)])
    globalLogPublisher.addObserver(log)

    try:
        hour.run()
    finally:
        globalLogPublisher.removeObserver(log)

    books = Books(hour)
    for mail in hour.mails:
        account = books.accounts.pop(mail.mark, Account())
        nothing = not account.delivered and not account.reported
        assert mail.fate == "accepted" or nothing or mail.fate == "unknown", mail
        if mail.fate == "accepted" or not nothing:
            assert (account.delivered, account.reported) == expected(mail), mail
        assert len(books.births[mail.mark]) <= 1
    assert not failures
    assert not books.accounts
    assert not list(books.repeated())
    assert all(len(reports) == 1 for reports in books.reports.values())
