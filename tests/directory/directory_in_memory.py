"""A directory in memory: the shipped tables, cheap hashes, and a clock that is turned by hand."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
from twisted.cred.portal import Portal
from twisted.internet.task import Clock
from zope.interface import implementer

import twistedmail_mta
from twistedmail_mta.directory.authenticator import Authenticator
from twistedmail_mta.directory.checker import PasswordChecker
from twistedmail_mta.directory.checkers import CheckerChain, InternalChecker, Place
from twistedmail_mta.directory.comparisons import Comparisons
from twistedmail_mta.directory.judge import PasswordJudge
from twistedmail_mta.directory.logins import RememberedLogins
from twistedmail_mta.directory.passwords import Cost, PasswordHash, StoredPassword
from twistedmail_mta.directory.realm import MailRealm
from twistedmail_mta.directory.tables import add_account
from twistedmail_mta.directory.throttle import Allowances, LoginThrottle
from twistedmail_mta.errors import MailError
from twistedmail_mta.interfaces import IDatabase
from twistedmail_mta.model import Reply
from twistedmail_mta.tasks import Promise, Task

CHEAP = Cost(passes=1, memory=8, scram_iterations=4096)
MIGRATIONS = Path(twistedmail_mta.__file__).parent / "store/migrations"
TIM = "tim@example.org"
PASSWORD = "correct horse"


def in_memory() -> apsw.Connection:
    """Return a database with the tables of the directory; a connection is a transaction by its methods."""
    connection = apsw.Connection(":memory:")
    connection.pragma("foreign_keys", 1)
    for name in ("0002_directory.sql", "0003_hosting.sql"):
        connection.execute((MIGRATIONS / name).read_text())
    return connection


@implementer(IDatabase)
class Database:
    """Runs functions at once on a database in memory, and counts them."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.connection = connection
        self.reads = 0
        self.broken: MailError | None = None
        self.full: MailError | None = None

    async def write(self, function: Callable[[Any], Any], urgent: bool = False) -> Any:
        if (error := self.broken or self.full) is not None:
            raise error
        with self.connection:
            return function(self.connection)

    async def read(self, function: Callable[[Any], Any]) -> Any:
        self.reads += 1
        if self.broken is not None:
            raise self.broken
        return function(self.connection)

    def refusal(self) -> Reply | None:
        return None


class Pool:
    """Runs work at once and counts it, or holds it until told; full when told so."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.hashes: list[str] = []
        self.full: MailError | None = None
        self.held: list[Promise[None]] | None = None

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        if self.full is not None:
            raise self.full
        self.calls.append(function.__name__)
        if function.__name__ == "matches":
            self.hashes.append(args[0])
        if self.held is not None:
            gate: Promise[None] = Promise()
            self.held.append(gate)
            await gate
        return function(*args)

    def let_go(self) -> None:
        """Do what was held."""
        held, self.held = self.held or [], None
        for gate in held:
            gate.resolve(None)


@dataclass
class Directory:
    """Everything a login needs, put together."""

    allowances: Allowances = field(default_factory=Allowances)
    clock: Clock = field(default_factory=Clock)
    pool: Pool = field(default_factory=Pool)
    database: Database = field(default_factory=lambda: Database(in_memory()))

    def __post_init__(self) -> None:
        self.hashes = PasswordHash(CHEAP)
        self.throttle = LoginThrottle(self.clock, self.allowances)
        self.logins = RememberedLogins(self.clock, bytes(32))
        self.put_together(self.hashes)

    def put_together(self, hashes: PasswordHash, *places: Place) -> None:
        """Judge by these hashes from now on, and ask these checkers; by default our own one."""
        self.hashes = hashes
        self.comparisons = Comparisons(hashes, self.pool, self.throttle)
        self.internal = InternalChecker(self.database, self.comparisons)
        chain = CheckerChain(places or [Place(self.internal)])
        judge = PasswordJudge(self.database, self.throttle, self.logins, chain, self.comparisons)
        self.checker = PasswordChecker(self.database, judge)
        self.authenticator = Authenticator(Portal(MailRealm(), [self.checker]), self.throttle, self.clock)

    def add(self, name: str = TIM, password: str = PASSWORD, protocols: Sequence[str] = ("smtp", "imap")) -> None:
        add_account(self.database.connection, name, self.store(password), 1.0, protocols)

    def add_external(self, name: str, protocols: Sequence[str] = ("smtp",)) -> None:
        """Add an account whose password another checker judges."""
        add_account(self.database.connection, name, None, 1.0, protocols)

    def store(self, password: str) -> StoredPassword:
        return self.hashes.store(password)

    def begin(self, name: str = TIM, password: str | bytes = PASSWORD, **given: Any) -> Task[Any]:
        """Begin to log in."""
        octets = password.encode() if isinstance(password, str) else password
        claim = {"authzid": "", "peer": "192.0.2.1", "protocol": "smtp", "tls": True} | given
        return Task("login", self.authenticator.password(name, password=octets, **claim))

    def log_in(self, name: str = TIM, password: str | bytes = PASSWORD, **given: Any) -> Any:
        """Log in, and wait as long as a failure has to; return the avatar or the reply."""
        task = self.begin(name, password, **given)
        self.clock.advance(0 if task.done else self.allowances.longest_delay)
        return outcome(task)


def outcome(task: Task[Any]) -> Any:
    """Return what a task that has ended returned, or the reply it failed with."""
    assert task.done
    return now(_outcome(task))


async def _outcome(task: Task[Any]) -> Any:
    try:
        return await task
    except MailError as error:
        return error.reply


def now(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing, and return what it returns."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")
