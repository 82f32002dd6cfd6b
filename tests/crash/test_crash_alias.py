"""An alias to a thousand mailboxes, delivered in pieces under kill -9: nothing is lost, nothing comes twice."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mail_sink import Sink, running_sink
from running_site import RunningSite, wait_until
from typist import Typist

from twistedmail_mta.directory.tables import add_account
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.sync import SyncDatabase

MAILBOXES = 1000
MESSAGES = 4
KILLS = 4
LISTENERS = '[listen.mx]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "mx"\n'


@pytest.fixture
def sink() -> Iterator[Sink]:
    with running_sink() as sink:
        yield sink


@pytest.fixture
def site(tmp_path: Path, sink: Sink) -> Iterator[RunningSite]:
    """A site with a thousand accounts, and an alias for all of them and somebody elsewhere."""
    aliases = tmp_path / "aliases"
    targets = [f"u{number}@home.test" for number in range(MAILBOXES)]
    aliases.write_text(f"all@home.test {', '.join([*targets, 'eve@else.test'])}\n")
    site = RunningSite(
        tmp_path / "site",
        f'[domains."home.test"]\naliases_file = "{aliases}"\n'
        f'[queue]\nretry = ["1s"]\n[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.1:{sink.port}"\n',
        LISTENERS,
    )
    site.start().stop()

    def add(tx: Transaction) -> None:
        for target in targets:
            add_account(tx, target, None, 0.0)

    with SyncDatabase(site.state / DATABASE_NAME) as database:
        database.write(add)
    yield site
    site.stop()


def rows(site: RunningSite, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{site.state / DATABASE_NAME}?mode=ro", uri=True, timeout=10)) as database:
        return database.execute(sql).fetchall()


def count(site: RunningSite, table: str) -> int:
    ((number,),) = rows(site, f"SELECT count(*) FROM {table}")
    assert isinstance(number, int)
    return number


def send(site: RunningSite, subject: str) -> None:
    with Typist(site.ports["mx"]) as typist:
        typist.reply()
        typist.type("EHLO me")
        typist.type("MAIL FROM:<joe@strangers.test>")
        assert typist.type("RCPT TO:<all@home.test>").startswith("250")
        typist.type("DATA")
        assert typist.type(f"Subject: {subject}\r\n\r\nHello\r\n.").startswith("250")


def test_thousand_mailboxes_get_one_copy_each(site: RunningSite, sink: Sink) -> None:
    """Killed in the middle of deliveries, again and again, until all is done."""
    site.start()
    for number in range(MESSAGES):
        send(site, f"message {number}")
    in_the_middle = 0
    for _ in range(KILLS):
        before = count(site, "mail")
        deadline = time.monotonic() + 20
        while count(site, "mail") == before and count(site, "recipient") and time.monotonic() < deadline:
            time.sleep(0.002)
        site.kill()
        in_the_middle += 0 < count(site, "mail") < MAILBOXES * MESSAGES
        site.start()
    wait_until(lambda: not count(site, "recipient"), 60)

    assert in_the_middle, "it was killed between two pieces"
    assert count(site, "mail") == MAILBOXES * MESSAGES
    copies = Counter(rows(site, "SELECT mailbox, content FROM mail"))
    assert set(copies.values()) == {1}
    assert len({mailbox for mailbox, _ in copies}) == MAILBOXES
    assert {refs for (refs,) in rows(site, "SELECT refs FROM content")} == {MAILBOXES}
    assert {refs for (refs,) in rows(site, "SELECT refs FROM body")} == {1}
    assert count(site, "delivered") == 0
    forwarded = Counter(message.data.split(b"Subject: ")[1][:9] for message in sink.messages)
    assert set(forwarded) == {f"message {number}".encode() for number in range(MESSAGES)}
