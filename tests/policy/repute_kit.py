"""What the policies about strangers are tried with: a kit, a resolver that knows what it was told, clients."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.task import Clock
from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.cli.offline import ImmediateDatabase
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDatabase, IResolver
from twistedmail_mta.mail.header import Header
from twistedmail_mta.model import Address, Answer, Envelope, MXRecord, Recipient, Reply
from twistedmail_mta.plugins import Kit
from twistedmail_mta.policy.running import table_prefix
from twistedmail_mta.smtp.address import parse_address
from twistedmail_mta.stages import Arriving, Client, MailFrom
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.tasks import Promise, Task, TaskGroup

T = TypeVar("T")

BROKEN = Reply(451, "4.4.3", "broken")


@implementer(IResolver)
@dataclass
class Names:
    """A DNS of one's own, by (name, type); what is in `silent` never answers, what is in `broken` fails."""

    tables: dict[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    waiting: int = 0

    def add(self, name: str, rdtype: str, *records: Any) -> None:
        """Add records."""
        self.tables[name, rdtype] = records

    async def mx(self, domain: str) -> Answer[MXRecord]:
        return await self._answer(domain, "MX")

    async def addresses(self, host: str, family: str) -> Answer[str]:
        return await self._answer(host, family)

    async def host_names(self, address: str) -> Answer[str]:
        return await self._answer(address, "PTR")

    async def texts(self, name: str) -> Answer[bytes]:
        return await self._answer(name, "TXT")

    async def _answer(self, name: str, rdtype: str) -> Answer[Any]:
        self.asked.append(name)
        if name in self.broken:
            raise TemporaryError(BROKEN)
        if name in self.silent:
            self.waiting += 1
            try:
                await Promise[None]()
            finally:
                self.waiting -= 1
        found = self.tables.get((name, rdtype))
        if found is not None:
            return Answer(found, "found", authentic=False)
        known = any(each == name for each, _ in self.tables)
        return Answer((), "empty" if known else "missing", authentic=False)


class Lab:
    """A clock, a DNS, and what plugins are made with."""

    def __init__(self, folder: Path | None = None) -> None:
        self.clock, self.names, self.tasks = Clock(), Names(), TaskGroup()
        self.log = Log()
        self._database = SyncDatabase(folder / "mta.db") if folder is not None else None

    @property
    def kit(self) -> Kit:
        """What a plugin is made with."""
        database: Any = ImmediateDatabase(self._database) if self._database is not None else None
        return self.kit_with(database)

    def kit_with(self, database: IDatabase) -> Kit:
        """What a plugin is made with, and a database."""
        now: Callable[[], float] = lambda: 1_800_000_000.0 + self.clock.seconds()  # noqa: E731
        known: dict[str, Any] = {
            "name": "test",
            "hostname": "mail.example.org",
            "clock": self.clock,
            "now": now,
            "resolver": self.names,
            "database": database,
            "tasks": self.tasks,
            "log": self.log,
            "prefix": table_prefix("test"),
        }
        return Kit(**{each.name: known.get(each.name) for each in fields(Kit)})

    def started(self, coroutine: Coroutine[Any, Any, T]) -> Task[T]:
        """Begin to ask a plugin."""
        return Task("test", coroutine)

    def ask(self, coroutine: Coroutine[Any, Any, T], within: float = 60.0) -> T:
        """Ask a plugin; return its answer, however long it takes."""
        task = self.started(coroutine)
        for _ in range(1000):
            if task.done:
                break
            self.clock.advance(within / 1000)
        return result(task)


class Log(Logger):
    """Keeps the texts."""

    def __init__(self) -> None:
        super().__init__("test")
        self.said: list[str] = []

    def emit(self, level: Any, format: str | None = None, **fields: Any) -> None:  # noqa: A002
        self.said.append((format or "").format(**fields))


def result(task: Task[T]) -> T:
    """What has come of a task that has ended."""
    assert task.done
    failure = task._outcome._failure
    if failure is not None:
        raise failure
    return task._outcome._result  # type: ignore[return-value]


def stranger(host: str = "192.0.2.99", helo: str = "client.test", **known: Any) -> Client:
    """Somebody at the door."""
    return Client(session="s", listener="mx", role="mx", host=host, helo=helo, extended=True, **known)


def mail(sender: str = "ann@sender.test") -> MailFrom:
    """What MAIL said."""
    return MailFrom("id", parse_address(sender))


def to(recipient: str = "bob@example.org") -> Recipient:
    """What RCPT said."""
    return Recipient(parse_address(recipient))


def arriving(header: bytes = b"Subject: hi\r\n\r\n", sender: str = "ann@sender.test", *recipients: str) -> Arriving:
    """A message."""
    body: Any = None
    envelope = Envelope(parse_address(sender), tuple(map(to, recipients or ("bob@example.org",))))
    return Arriving("id", envelope, Header(header), body, len(header))


def status(reply: Reply | None) -> str:
    """The code and the enhanced code, or nothing."""
    return "" if reply is None else f"{reply.code} {reply.status}"


__all__ = ["Address", "Lab", "arriving", "mail", "result", "status", "stranger", "to"]
