"""Senders of forwarded mail: made, kept where they are too long, and found again for a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest
from directory_in_memory import MIGRATIONS, Database
from zope.interface.verify import verifyObject

from twistedmail_mta.directory.return_paths import MOST_IN_AN_HOUR, NOT_OURS, TOO_MANY, ReturnPaths, read_secrets
from twistedmail_mta.directory.srs_rows import kept_secret
from twistedmail_mta.errors import MailError, TemporaryError
from twistedmail_mta.interfaces import IReturnPaths
from twistedmail_mta.mail.srs import DAY, MAX_AGE, MAX_LOCAL, Rewriting
from twistedmail_mta.model import Address, Reply

OURS = "home.test"
JOE = Address("joe", "strangers.test")
LONG = Address("bounces+123456-0A1b-alice=example.net", "em1234.news.of.a.shop.test")
START = 1_800_000_000.0
DISK_FULL = Reply(452, "4.3.1", "full")


class Paths:
    """What rewrites, on a database in memory, and its clock."""

    def __init__(self, *file_secrets: bytes) -> None:
        connection = apsw.Connection(":memory:")
        for name in ("0001_spool.sql", "0011_forwards.sql"):
            connection.execute((MIGRATIONS / name).read_text())
        self.now = START
        self.database = Database(connection)
        self.paths = self.again(*file_secrets)

    def again(self, *file_secrets: bytes) -> ReturnPaths:
        """What another run of the program has."""
        paths = ReturnPaths(self.database, lambda: self.now, file_secrets)
        run(paths.begin())
        return paths

    def rewritten(self, sender: Address = JOE) -> Address:
        return run(self.paths.rewritten(sender, OURS))

    def original(self, address: Address) -> Address:
        return run(self.paths.original(address))

    @property
    def stored(self) -> list[Any]:
        return list(self.database.connection.execute("SELECT local, domain FROM srs_sender ORDER BY used_at"))


def run(coroutine: Any) -> Any:
    """Return what a coroutine that never waits returns."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


@pytest.fixture
def site() -> Paths:
    return Paths()


def refused(site: Paths, address: Address) -> Reply:
    with pytest.raises(MailError) as caught:
        site.original(address)
    return caught.value.reply


def test_there_and_back(site: Paths) -> None:
    """Nothing is kept of a sender that can be written out; a restart changes nothing."""
    made = site.rewritten()

    assert verifyObject(IReturnPaths, site.paths)
    assert made.domain == OURS
    assert site.paths.claims(made)
    assert not site.paths.claims(JOE)
    assert site.original(made) == run(site.again().original(made)) == JOE
    assert site.stored == []


def test_another_site_has_another_secret(site: Paths) -> None:
    """What one made is no good at another."""
    assert refused(Paths(), site.rewritten()) == NOT_OURS


def test_secret_is_made_once(site: Paths) -> None:
    """A write may run twice, and another process may have been first."""
    tx = site.database.connection
    first = kept_secret(tx, b"x" * 32)

    assert first != b"x" * 32
    assert len(first) == 32
    assert kept_secret(tx, b"y" * 32) == first


def test_long_senders_are_kept(site: Paths) -> None:
    """Their case too, though that of the address may be lost on the way; once a day, however often they are met."""
    made = site.rewritten(LONG)

    assert len(made.local) <= MAX_LOCAL
    assert site.original(Address(made.local.lower(), OURS)) == LONG
    assert site.rewritten(LONG) == made
    assert site.stored == [(LONG.local, LONG.domain)]
    assert run(site.again().original(made)) == LONG


def test_kept_senders_last_as_long_as_their_addresses(site: Paths) -> None:
    """The one that is used again stays, the other goes with a later write; what stood for it is refused by then."""
    other = Address("x" + LONG.local, LONG.domain)
    site.rewritten(other)
    site.rewritten(LONG)
    site.now += MAX_AGE * DAY
    still = site.rewritten(other)
    made = site.rewritten(LONG)
    site.now += 2 * DAY
    for number in range(3):
        site.rewritten(Address(f"{number}{LONG.local}", LONG.domain))

    assert site.original(still) == other
    assert site.original(made) == LONG
    site.now += MAX_AGE * DAY
    site.rewritten(Address(f"later{LONG.local}", LONG.domain))
    assert [local for local, _ in site.stored if local in (LONG.local, other.local)] == []
    assert refused(site, made) == NOT_OURS


def test_key_of_nothing(site: Paths) -> None:
    """A good hash isn't enough where what it stands for is gone."""
    made = site.rewritten(LONG)
    site.database.connection.execute("DELETE FROM srs_sender")

    assert refused(site, made) == NOT_OURS


def test_trouble_delays(site: Paths) -> None:
    """What can't be kept isn't rewritten, what can't be read isn't refused for good; both work later."""
    made = site.rewritten(LONG)
    site.database.broken = TemporaryError(DISK_FULL)

    assert refused(site, made) == DISK_FULL
    with pytest.raises(TemporaryError):
        site.rewritten(Address("x" + LONG.local, LONG.domain))
    assert site.rewritten()
    site.database.broken = None
    assert site.original(made) == LONG
    other = Address("x" + LONG.local, LONG.domain)
    assert site.original(site.rewritten(other)) == other


def test_too_many_reports(site: Paths) -> None:
    """Of one sender some are taken in an hour, of others as well; then again."""
    made = site.rewritten()
    for _ in range(MOST_IN_AN_HOUR):
        site.original(made)

    assert refused(site, made) == TOO_MANY
    assert site.original(site.rewritten(LONG)) == LONG
    site.now += 3600
    assert site.original(made) == JOE


def test_secrets_of_a_file(tmp_path: Path) -> None:
    """The first makes, the others are still good, and so is the database's."""
    file = tmp_path / "secrets"
    file.write_text("the newest secret!\n\n  the older secret!  \r\n")
    assert read_secrets(file) == (b"the newest secret!", b"the older secret!")
    site = Paths()
    before = site.rewritten()

    changed = site.again(*read_secrets(file))

    made = run(changed.rewritten(JOE, OURS))
    assert Rewriting((b"the newest secret!",)).original(made.local, START) == JOE
    for address in (before, made, Rewriting((b"the older secret!",)).rewritten(JOE, OURS, START)):
        assert run(changed.original(address)) == JOE


@pytest.mark.parametrize("text", ["", "\n", "a secret long enough\nshort\n"])
def test_files_that_are_no_good(tmp_path: Path, text: str) -> None:
    """A secret that could be guessed is none."""
    file = tmp_path / "secrets"
    file.write_text(text)

    with pytest.raises(ValueError, match="must hold secrets of at least 16 characters"):
        read_secrets(file)
