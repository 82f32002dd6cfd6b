"""A whole site in virtual time: the parts that the composition root makes, on a virtual machine; it can die."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import pytest
from virtual_disk import Room, VirtualDatabase, VirtualPool, virtual_bodies
from virtual_network import Machine, Network
from virtual_people import PASSWORD, Copy
from zope.interface import implementer

from twistedmail_mta.app import CLAIMS_EVERY, ORPHANS_EVERY
from twistedmail_mta.composition import extending, listeners, parts, reloading, sending, settings
from twistedmail_mta.composition.parts import Parts
from twistedmail_mta.config.load import parse_site
from twistedmail_mta.crowd import Crowd
from twistedmail_mta.directory import site_logins
from twistedmail_mta.directory.alias_rows import add_targets
from twistedmail_mta.directory.aliases import make_alias
from twistedmail_mta.directory.tables import add_account
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IResolver
from twistedmail_mta.model import Answer, MXRecord, Reply, id_text
from twistedmail_mta.receive.factory import ServerFactory
from twistedmail_mta.store.files import BODIES_NAME, DATABASE_NAME
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.tasks import deferred_of, sleep

PORTS = {"mx": 25, "submission": 587}
_SITE = """
config_version = 1
[server]
hostname = "mail.{name}.test"
state_dir = "state-{name}"
admin = "{admin}"
[tls]
certificate = "none.pem"
key = "none.pem"
[domains."{name}.test"]
{domain}
[listen.mx]
endpoint = "tcp:25"
role = "mx"
[listen.submission]
endpoint = "tcp:587"
role = "submission"
plaintext_login = ["192.0.2.0/24"]
[queue]
retry = ["1m", "3m"]
retry_cap = "8m"
lifetime = "3h"
bounce_lifetime = "1d"
warn_after = []
"""


_MAIL = """
SELECT m.mailbox, m.uid, a.prefix, c.header, b.data, b.file
FROM mail m JOIN arrival a USING (mailbox, uid) JOIN content c ON c.id = m.content JOIN body b ON b.id = c.body
"""
_WAITING = """
SELECT (SELECT count(*) FROM recipient) + (SELECT count(*) FROM message) + (SELECT count(*) FROM delivered)
     + (SELECT count(*) FROM body WHERE id NOT IN (SELECT body FROM content))
"""


@implementer(IResolver)
@dataclass
class VirtualDNS:
    """The DNS as a network's hosts see it, at times failing.

    Attributes:
        mx_table: preference and name, by domain.
        address_table: one address, by name.
        failing: the share of questions without an answer.
    """

    network: Network
    mx_table: dict[str, list[tuple[int, str]]]
    address_table: dict[str, str]
    failing: float = 0.0

    async def mx(self, domain: str) -> Answer[MXRecord]:
        records = tuple(MXRecord(*each) for each in self.mx_table.get(domain, ()))
        return self._answer(records, known=domain in self.mx_table)

    async def addresses(self, host: str, family: str) -> Answer[str]:
        found = (self.address_table[host],) if family == "A" and host in self.address_table else ()
        return self._answer(found, known=host in self.address_table)

    async def texts(self, name: str) -> Answer[bytes]:
        return self._answer((), known=False)

    def _answer(self, records: tuple[Any, ...], *, known: bool) -> Answer[Any]:
        if self.network.random.random() < self.failing:
            raise TemporaryError(Reply(451, "4.4.3", "SERVFAIL"))
        return Answer(records, "found" if records else "empty" if known else "missing", authentic=False)

    def stop(self) -> None:
        """Nothing is under way."""


def make_virtual(patch: pytest.MonkeyPatch, network: Network, dns: VirtualDNS) -> None:
    """Let the composition root take what is virtual where it would take what is real."""
    seconds = network.clock.seconds
    replaced: dict[str, Any] = {
        "open_database": VirtualDatabase,
        "WorkerPool": VirtualPool,
        "BodyStore": virtual_bodies,
        "make_resolver": lambda *_: dns,
        "SystemRandom": lambda: network.random,
        "time": SimpleNamespace(time=seconds, monotonic=seconds),
        "boot_name": lambda: "the only boot",
        "utc_offset": lambda _: 0,
        "is_container": lambda: False,
    }
    for module in (parts, settings, sending, extending, listeners, reloading):
        for name in replaced.keys() & vars(module).keys():
            patch.setattr(module, name, replaced[name])
    patch.setattr(site_logins, "WorkerPool", VirtualPool)


class VirtualSite:
    """A site that runs, ends and runs again on the same disk.

    Attributes:
        account: who can submit mail.
        room: what its disk has room for.
        deaths: how often it died with a message in its spool, by the message's id.
    """

    def __init__(self, directory: Path, network: Network, name: str, address: str, *, admin: str, domain: str) -> None:
        self.room = Room()
        self.deaths: Counter[str] = Counter()
        self.account = f"ann@{name}.test"
        site = parse_site(_SITE.format(name=name, admin=admin, domain=domain), directory, "test")
        self._site = site.model_copy(update={"tls": None})  # the network could not read along
        self._site.server.state_dir.mkdir()
        self._name, self._network, self._address = name, network, address
        self._machine: Machine | None = None
        self._again = False
        self._past: list[Any] = []

    def add_accounts(self, names: Iterable[str], aliases: Mapping[str, Iterable[str]]) -> None:
        """Let people have mailboxes, and aliases; before the first start."""
        with SyncDatabase(self._site.server.state_dir / DATABASE_NAME) as database:
            database.write(lambda tx: [add_account(tx, name, None, 0.0) for name in names])
            made = [make_alias(alias, targets) for alias, targets in aliases.items()]
            database.write(lambda tx: add_targets(tx, made))

    def start(self) -> None:
        """Run, on what the disk holds; after the end, if it is just about to end."""
        self._again = self.runs
        if self._again:
            return
        self._machine = machine = Machine(self._network, self._address, self.room, self._fall)
        parts = self._parts = Parts(machine, self._site, [self._address])  # type: ignore[arg-type]
        crowd = Crowd(1000)
        self._factories = {name: ServerFactory(crowd) for name in PORTS}
        self._past.append(parts)  # what never ends must not be collected as garbage, which would end it
        deferred_of(self._serve(machine, parts)).addErrback(self._give_up)

    async def _serve(self, machine: Machine, parts: Parts) -> None:
        """Do what the service does with the parts."""
        await parts.begin()
        await parts.add_login(self.account, PASSWORD)
        for name, factory in self._factories.items():
            factory.serve(parts.listener(name))
            machine.listen(PORTS[name], factory)
        for seconds, work in (
            (CLAIMS_EVERY, parts.sweep.give_back_claims),
            (ORPHANS_EVERY, parts.sweep.remove_orphans),
        ):
            parts.tasks.start("site.sweep", _repeat(machine, seconds, work))

    def _give_up(self, failure: Any) -> None:
        """End as the program does when it can't begin, to be started again by whoever watches over it."""
        failure.trap(TemporaryError)
        self.die()
        self._network.clock.callLater(20, self.start)

    def die(self) -> None:
        """Die as by kill -9; what was in the spool may be sent once more than its sender knows."""
        assert self._machine is not None
        spooled = self.rows("SELECT DISTINCT message FROM recipient")
        self.deaths.update(f"{self._name}-{id_text(message)}" for (message,) in spooled)
        self._machine.die()

    def _fall(self) -> None:
        self.die()
        self._network.clock.callLater(self._network.random.uniform(1, 20), self.start)

    def stop(self) -> None:
        """End in order, as the service does."""
        for factory in self._factories.values():
            factory.abort()
        self._parts.tasks.cancel()
        deferred_of(self._end(self._machine, self._parts))

    async def _end(self, machine: Machine | None, parts: Parts) -> None:
        await parts.close()
        if machine is not None and not machine.dead:
            machine.die()
            if self._again:
                self.start()

    @property
    def runs(self) -> bool:
        """Whether it runs."""
        return self._machine is not None and not self._machine.dead

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return what its database holds."""
        with closing(apsw.Connection(str(self._site.server.state_dir / DATABASE_NAME))) as connection:
            return list(connection.execute(sql))

    def copies(self) -> list[Copy]:
        """Return what is in its mailboxes."""
        root = self._site.server.state_dir / BODIES_NAME
        return [
            Copy(
                f"mail-{self._name}{mailbox}.{uid}", (_delivered_to(prefix),), prefix + header + _body(root, data, file)
            )
            for mailbox, uid, prefix, header, data, file in self.rows(_MAIL)
        ]

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits in its spool, and nothing lies about on its disk but what mailboxes hold."""
        ((waiting,),) = self.rows(_WAITING)
        files = {path for path in (self._site.server.state_dir / BODIES_NAME).rglob("*") if path.is_file()}
        return not waiting and len(files) == len(self.rows("SELECT 1 FROM body WHERE file IS NOT NULL"))


def _delivered_to(prefix: bytes) -> str:
    return prefix.decode().split("Delivered-To: ")[1].strip()


def _body(root: Path, data: bytes | None, file: str | None) -> bytes:
    return (root / file).read_bytes() if file is not None else data or b""


async def _repeat(machine: Machine, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    while True:
        with suppress(TemporaryError, OSError):
            await work()
        await sleep(machine, seconds)
