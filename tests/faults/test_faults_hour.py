"""An hour of random faults between two sites that are each other's MX: every message is accounted for."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import pytest
from twisted.logger import FilteringLogObserver, LogEvent, LogLevel, LogLevelFilterPredicate, globalLogPublisher
from virtual_books import Account, Books
from virtual_network import Machine, Network
from virtual_people import Home, Mail, Submission
from virtual_site import VirtualDNS, VirtualSite, make_virtual

START = 1_800_000_000.0
HOUR = 3600.0
MESSAGES = 1000
SEEDS = range(int(os.environ.get("MTA_FAULT_SEEDS", "3")))
"""More of them by the environment variable; each takes about ten seconds."""

PEOPLE = ("bob", "carol", "dave")
CROWD = [f"u{number}" for number in range(120)]
ALIASES = {
    "all@b.test": ("bob@b.test", "carol@b.test", "bob@a.test"),
    "crowd@b.test": tuple(f"{name}@b.test" for name in CROWD),
    "far@b.test": ("carol@a.test",),
}
UNREACHABLE = ("dead.test", "none.test")
RELAYED = 'relay_to = "smtp://home.a.test"\nrecipients = "{}"'
ADDRESSES = {"a": "192.0.2.1", "b": "192.0.2.2"}
HOMES = {"a": "192.0.2.11"}


class Hour:
    """Two sites, their users, and everything that goes wrong.

    Site a relays mail for its domain to a home host, site b keeps it in
    mailboxes.  What they can't deliver for strangers they tell each other's
    people about, so that reports cross, too.
    """

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
        relayed = RELAYED.format("any" if seed % 2 else "callout")
        self.sites = {
            "a": VirtualSite(directory, self.network, "a", ADDRESSES["a"], admin="bob@b.test", domain=relayed),
            "b": VirtualSite(directory, self.network, "b", ADDRESSES["b"], admin="bob@a.test", domain=""),
        }
        people = [f"{name}@b.test" for name in (*PEOPLE, *CROWD)]
        self.sites["b"].add_accounts(people, ALIASES)

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
        self.network.misfortune, self.network.sudden, self.dns.failing = 0.3, 0.004, 0.15
        for home in self.homes.values():
            home.mood = 0.1

    def _end_trouble(self) -> None:
        self.network.misfortune = self.network.sudden = self.dns.failing = 0.0
        for home in self.homes.values():
            home.mood = 0.0

    def _end(self, site: VirtualSite) -> None:
        if site.runs:
            self.random.choice((site.die, site.stop))()

    def _submit(self, number: int) -> None:
        name, to = self.random.choice("ab"), self._recipients()
        mark, sender = f"mark-{name}-{number}", f"ann@{name}.test"
        lines = self.random.choice((1, 10, 60, 200))
        text = f"Subject: {mark}\r\nFrom: {sender}\r\n\r\n" + f".{mark} is the text\r\n" * lines
        mail = Mail(mark, sender, to, text.encode(), notify=self.random.random() < 0.15)
        self.mails.append(mail)
        self._users.connectTCP(ADDRESSES[name], 587, Submission(mail))

    def _recipients(self) -> tuple[str, ...]:
        if self.random.random() < 0.1:
            return (self.random.choice(sorted(ALIASES)),)
        domain = self.random.choice(("a.test", "b.test"))
        people = [f"{person}@{domain}" for person in (*PEOPLE, "nobody")]
        people += [f"bob@{each}" for each in UNREACHABLE] * (self.random.random() < 0.1)
        return tuple(self.random.sample(people, self.random.choice((1, 1, 1, 2, 3))))

    def books(self) -> Books:
        """Return what arrived."""
        copies = [copy for home in self.homes.values() for copy in home.copies]
        return Books([*copies, *self.sites["b"].copies()])


def expected(mail: Mail) -> tuple[set[str], set[str]]:
    """Return who should get a mail and who should be reported on."""
    failing = {each for each in mail.recipients if each.startswith("nobody@") or each.endswith(UNREACHABLE)}
    whole = [ALIASES.get(each, (each,)) for each in mail.recipients if each not in failing]
    return {each for some in whole for each in some}, failing


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

    books = hour.books()
    for mail in hour.mails:
        account = books.accounts.pop(mail.mark, Account())
        nothing = not account.delivered and not account.failed
        assert mail.fate != "refused" or nothing, mail
        if mail.fate == "accepted" or not nothing:
            assert (account.delivered, account.failed) == expected(mail), mail
            assert account.confirmed == (set(mail.recipients) - account.failed if mail.notify else set()), mail
        assert account.texts <= {mail.text.partition(b"\r\n\r\n")[2]}
        assert len(account.births) <= 1
    assert not failures
    assert not books.accounts
    deaths = hour.sites["a"].deaths + hour.sites["b"].deaths
    assert not list(books.repeated(hour.network.heard, deaths))
