"""Logins as they are in the server: the shipped cost, real threads, the real database, a SASL exchange before it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.cred.portal import Portal

from twistedmail_mta.directory.authenticator import Authenticator
from twistedmail_mta.directory.checker import PasswordChecker
from twistedmail_mta.directory.checkers import CheckerChain, InternalChecker, Place
from twistedmail_mta.directory.comparisons import BACKLOG, THREADS, Comparisons
from twistedmail_mta.directory.judge import PasswordJudge
from twistedmail_mta.directory.logins import RememberedLogins
from twistedmail_mta.directory.passwords import PasswordHash
from twistedmail_mta.directory.realm import MailRealm, Submitter
from twistedmail_mta.directory.replies import BAD_CREDENTIALS, CANNOT_JUDGE
from twistedmail_mta.directory.tables import add_account, find_account, set_password
from twistedmail_mta.directory.throttle import Allowances, LoginThrottle
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IDatabase
from twistedmail_mta.sasl.server import start
from twistedmail_mta.sasl.steps import Challenge, Refused, Success
from twistedmail_mta.store.database import open_database
from twistedmail_mta.tasks import Task, WorkerPool, deferred_of

TIM = "tim@example.org"


@dataclass
class Site:
    """A directory on disk and threads."""

    database: IDatabase
    hashes: PasswordHash
    pool: WorkerPool
    authenticator: Authenticator

    async def password(self, authcid: str, authzid: str, password: bytes) -> Any:
        return await self.authenticator.password(authcid, authzid, password, "192.0.2.1", "smtp", True)


def site_on(database: IDatabase, backlog: int) -> Site:
    from twisted.internet import reactor  # noqa: PLC0415 - not at import

    pool, hashes = WorkerPool(reactor, "argon2", THREADS, backlog), PasswordHash()
    throttle = LoginThrottle(reactor, Allowances(delay=0.001))
    logins = RememberedLogins(reactor, secrets.token_bytes(32))
    comparisons = Comparisons(hashes, pool, throttle)
    checkers = CheckerChain([Place(InternalChecker(database, comparisons))])
    checker = PasswordChecker(database, PasswordJudge(database, throttle, logins, checkers, comparisons))
    return Site(database, hashes, pool, Authenticator(Portal(MailRealm(), [checker]), throttle, reactor))


async def _result(waiting: Awaitable[Any]) -> Any:
    return await waiting


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Any]:
    """Give a database on disk with one account."""
    from twisted.internet import reactor  # noqa: PLC0415 - not at import

    database = open_database(reactor, tmp_path / "mta.db", margin=65536, ballast_size=65536)
    password = PasswordHash().store("correct horse")
    pytest_twisted.blockon(
        deferred_of(_result(database.write(partial(add_account, name=TIM, password=password, created_at=1.0))))
    )
    yield database
    pytest_twisted.blockon(deferred_of(_result(database.close())))


@pytest_twisted.ensureDeferred
async def test_dialogues_end_in_the_directory(database: Any) -> None:
    """PLAIN and LOGIN reach the accounts on disk, and a changed password counts at once."""
    site = site_on(database, BACKLOG)
    plain = b"\0tim@example.org\0correct horse"

    login = start("LOGIN", site)
    assert await login.step(None) == Challenge(b"Username:")
    assert await login.step(b"Tim@example.org") == Challenge(b"Password:")
    step = await login.step(b"correct horse")
    assert isinstance(step, Success)
    assert isinstance(step.avatar, Submitter)
    assert isinstance(await start("PLAIN", site).step(plain), Success)

    new = await site.pool.run(site.hashes.store, "new")
    await database.write(lambda transaction: set_password(transaction, TIM, new))
    assert await start("PLAIN", site).step(plain) == Refused(BAD_CREDENTIALS)
    assert isinstance(await start("PLAIN", site).step(b"\0tim@example.org\0new"), Success)
    site.pool.stop()


@pytest_twisted.ensureDeferred
async def test_full_pool_refuses_and_recovers(database: Any) -> None:
    """Past the backlog logins are refused for now; those before it are judged, and later ones again."""
    site = site_on(database, backlog=2)
    tasks = [Task("login", site.password(TIM, "", b"guess %d" % number)) for number in range(12)]

    replies = [await _reply(task) for task in tasks]

    assert set(replies) == {BAD_CREDENTIALS, CANNOT_JUDGE}
    assert isinstance(await site.password(TIM, "", b"correct horse"), Submitter)
    site.pool.stop()


async def _reply(task: Task[Any]) -> Any:
    try:
        return await task
    except Exception as error:  # noqa: BLE001 - its reply is what counts
        return getattr(error, "reply", error)


@pytest_twisted.ensureDeferred
async def test_operations_in_the_real_store(database: Any) -> None:
    """An operation that is refused leaves the group's other work alone."""
    password = PasswordHash().store("x")
    with pytest.raises(Exception, match="already"):
        await database.write(partial(add_account, name=TIM, password=password, created_at=2.0))
    await database.write(partial(add_account, name="tom@example.org", password=password, created_at=2.0))

    account = await database.read(partial(find_account, name=TIM))
    assert account is not None
    assert account.created_at == 1.0


@pytest_twisted.ensureDeferred
async def test_closed_database_is_temporary(database: Any) -> None:
    """While the server goes down, logins are told to come again."""
    site = site_on(database, BACKLOG)
    await database.close()

    with pytest.raises(TemporaryError) as caught:
        await site.password(TIM, "", b"correct horse")

    assert caught.value.reply == CANNOT_JUDGE
    site.pool.stop()
