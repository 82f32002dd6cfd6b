"""What a plugin under test is given: time, names, web services and a database that a test has in its hands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from twisted.internet.task import Clock
from twisted.logger import Logger
from zope.interface import implementer

from twistedmail_mta.dmarc.report import Case, Published
from twistedmail_mta.errors import HTTPError, TemporaryError
from twistedmail_mta.interfaces import (
    IAccountMail,
    IDatabase,
    IEvaluations,
    IHTTPClient,
    INotices,
    IResolver,
    ReadInPieces,
    Transaction,
)
from twistedmail_mta.model import Address, Answer, HTTPAnswer, MXRecord, Reply
from twistedmail_mta.store.schema import migrate, shipped_migrations
from twistedmail_mta.store.sqlite import complete, connect
from twistedmail_mta.tasks import Promise

T = TypeVar("T")

START: Final = 1_800_000_000.0
"""What time it is when a test begins, in seconds since the epoch."""

NO_ANSWER: Final = Reply(451, "4.4.3", "The DNS doesn't answer, please try again later")


class Surroundings:
    """What plugins are given; those that share one share its time and its database.

    Attributes:
        clock: stands still until it is advanced.
        names: the DNS.
        web: all web services.
        database: empty but for the server's own tables.
        account_mail: the queued mail of accounts.
        notices: what the administrator was told.
        evaluations: what DMARC was counted to have found.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.names = Names()
        self.web = Web()
        self.database = MemoryDatabase()
        self.account_mail = AccountMail()
        self.notices = Notices()
        self.evaluations = Evaluations()

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        return START + self.clock.seconds()


@implementer(IDatabase)
class MemoryDatabase:
    """A database in memory, whose answers are there at once.

    Every function that writes runs twice, what it did the first time being
    undone: the server's may run twice, too, when others share its commit, so one
    that does more than run SQL and return shows it here.

    Attributes:
        failure: what every question is answered with; None: it works.
    """

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self._connection = connect(Path(":memory:"))
        migrate(self._connection, shipped_migrations())

    def copied(self) -> MemoryDatabase:
        """Return another one that holds the same now."""
        other = MemoryDatabase()
        with other._connection.backup("main", self._connection, "main") as backup:
            backup.step()
        return other

    async def write(self, function: Callable[[Transaction], T], urgent: bool = False, size: int = 0) -> T:
        """Run `function` in a transaction."""
        self._run(function, "ROLLBACK")
        return self._run(function, "COMMIT")

    async def read(self, function: Callable[[Transaction], T]) -> T:
        """Run `function`; what it writes is undone."""
        return self._run(function, "ROLLBACK")

    def refusal(self) -> Reply | None:
        """There is room."""
        return None

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query, for a test to look at."""
        return list(self._connection.execute(sql, cast(tuple[Any, ...], parameters)))

    def _run(self, function: Callable[[Transaction], T], end: str) -> T:
        if self.failure is not None:
            raise self.failure
        self._connection.execute("BEGIN")
        try:
            result = complete(function(cast(Transaction, self._connection)))
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute(end)
        return result


@implementer(IResolver)
class Names:
    """A DNS that knows what it was told.

    Attributes:
        asked: what was asked, in order, as "name TYPE".
        broken: names whose questions fail, as where no server answers.
        silent: names whose questions stay without an answer, until who asks is cancelled.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        self._records: dict[tuple[str, str], tuple[Any, ...]] = {}

    def add(self, name: str, kind: str, *records: object) -> None:
        """Let there be records.

        Args:
            name: in lower case; of a PTR record the address.
            kind: "A", "AAAA", "MX", "PTR" or "TXT".
            records: texts; octets for TXT, `MXRecord`s for MX.
        """
        self._records[name, kind] = records

    async def mx(self, domain: str) -> Answer[MXRecord]:
        """Return MX records."""
        return await self._answer(domain, "MX")

    async def addresses(self, host: str, family: str) -> Answer[str]:
        """Return addresses."""
        return await self._answer(host, family)

    async def host_names(self, address: str) -> Answer[str]:
        """Return names of an address."""
        return await self._answer(address, "PTR")

    async def texts(self, name: str) -> Answer[bytes]:
        """Return TXT records."""
        return await self._answer(name, "TXT")

    async def _answer(self, name: str, kind: str) -> Answer[Any]:
        self.asked.append(f"{name} {kind}")
        if name in self.broken:
            raise TemporaryError(NO_ANSWER)
        if name in self.silent:
            await Promise[None]()
        if (records := self._records.get((name, kind))) is not None:
            return Answer(records, "found", authentic=False)
        known = any(name == each for each, _ in self._records)
        return Answer((), "empty" if known else "missing", authentic=False)


@dataclass(frozen=True, slots=True)
class Request:
    """What a web service was asked.

    Attributes:
        body: all of it, also what was read from a stream.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


WebAnswer = HTTPAnswer | Exception | Callable[[Request], HTTPAnswer]


@implementer(IHTTPClient)
class Web:
    """Web services that answer as they were told.

    Attributes:
        asked: all requests, in order.
    """

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self._answers: dict[str, WebAnswer | None] = {}

    def add(self, url: str, answer: WebAnswer | None) -> None:
        """Let there be a service.

        Args:
            url: where, in full.
            answer: what it says, or makes of a request; an exception is raised; None: it never answers.
        """
        self._answers[url] = answer

    def say(self, url: str, body: bytes | str = b"", status: int = 200, **headers: str) -> None:
        """Let there be a service that says one thing."""
        octets = body.encode() if isinstance(body, str) else body
        self.add(url, HTTPAnswer(status, headers, octets))

    async def request(  # noqa: PLR0913, PLR0917 - as IHTTPClient has it
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        stream: ReadInPieces | None = None,
        timeout: float = 10.0,  # noqa: ASYNC109 - likewise
        most: int = 1 << 20,
    ) -> HTTPAnswer:
        """Ask."""
        sent = body + (await stream.read(0, stream.size) if stream is not None else b"")
        request = Request(method, url, dict(headers or {}), sent)
        self.asked.append(request)
        answer = self._answers.get(url, HTTPError(f"{method} {url}: nobody is there"))
        if answer is None:
            await Promise[None]()
            raise AssertionError
        if isinstance(answer, Exception):
            raise answer
        found = answer if isinstance(answer, HTTPAnswer) else answer(request)
        if len(found.body) > most:
            raise HTTPError(f"{method} {url}: the answer is too large")
        return found


@implementer(IAccountMail)
class AccountMail:
    """A queue in which nothing waits.

    Attributes:
        suspended: accounts whose mail doesn't go out.
        discarded: accounts whose mail was deleted, in order.
    """

    def __init__(self) -> None:
        self.suspended: set[str] = set()
        self.discarded: list[str] = []

    async def suspend(self, account: str) -> int:
        """Let no mail of an account out."""
        self.suspended.add(account)
        return 0

    async def resume(self, account: str) -> int:
        """Let it out again."""
        self.suspended.discard(account)
        return 0

    async def discard(self, account: str) -> int:
        """Delete it."""
        self.discarded.append(account)
        return 0


@implementer(INotices)
class Notices:
    """Mail to the administrator.

    Attributes:
        sent: subjects and texts, in order.
    """

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    async def tell(self, subject: str, text: str, also: Iterable[Address] = ()) -> None:
        """Send one."""
        self.sent.append((subject, text))


class AtOnce:
    """Threads that aren't any: what they are given is done at once."""

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:  # noqa: ANN401 - the function's
        """Call a function."""
        return function(*arguments)


class Log(Logger):
    """Keeps what a plugin says.

    Attributes:
        said: the texts, in order.
    """

    def __init__(self, namespace: str) -> None:
        super().__init__(namespace)
        self.said: list[str] = []

    def emit(self, level: Any, format: str | None = None, **fields: Any) -> None:  # noqa: A002, ANN401 - Twisted's
        """Keep a text, and let it go its way."""
        self.said.append((format or "").format(**fields))
        super().emit(level, format, **fields)


@dataclass(frozen=True, slots=True)
class Noted:
    """A message that DMARC was asked about.

    Attributes:
        published: the policy that applies.
        case: what is told of it.
        is_report: it is a report itself.
    """

    published: Published
    case: Case
    is_report: bool


@implementer(IEvaluations)
class Evaluations:
    """Whoever counts what DMARC finds.

    Attributes:
        noted: all that was counted.
    """

    def __init__(self) -> None:
        self.noted: list[Noted] = []

    def note(self, published: Published, case: Case, is_report: bool) -> None:
        """Count a message."""
        self.noted.append(Noted(published, case, is_report))
