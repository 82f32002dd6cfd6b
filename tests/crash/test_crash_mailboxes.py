"""A whole server killed while it delivers: every acknowledged message is in each of its mailboxes, once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import apsw
import pytest
from crash_site import ACCOUNT, ACCOUNTS, content, state_of
from running_site import RunningSite, wait_until
from typist import Typist

from twistedmail_mta.control.client import tell
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.sync import SyncDatabase

HOME = "home.test"
SENDERS = 20
LIST = 1000
SITE = f'[domains."{HOME}"]\n[queue]\nretry = ["1s"]\nretry_cap = "1s"\n'
LISTENER = """
[listen.mx]
endpoint = "tcp:0:interface=127.0.0.1"
role = "mx"
limits = { connections_per_client = 1000 }
"""
ARRIVED = """
SELECT b.account, c.header, o.data, o.file FROM mail m JOIN mailbox b ON b.id = m.mailbox
JOIN content c ON c.id = m.content JOIN body o ON o.id = c.body
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[RunningSite]:
    """A site that keeps the mail of home.test."""
    site = RunningSite(tmp_path / "site", SITE, LISTENER).start()
    yield site
    site.stop()
    assert "Traceback" not in site.log


def add_accounts(site: RunningSite, count: int, alias: str | None = None) -> None:
    """Add accounts, and an alias that leads to all of them, faster than operators can."""

    def add(tx: Transaction) -> None:
        names = [(number, f"u{number}@{HOME}") for number in range(1, count + 1)]
        list(tx.executemany(ACCOUNT, names))
        if alias is not None:
            sql = "INSERT INTO aliases (folded, address, target) VALUES (?1, ?1, ?2)"
            list(tx.executemany(sql, [(f"{alias}@{HOME}", name) for _, name in names]))

    with SyncDatabase(site.state / "mta.db") as database:
        database.write(add)
    tell(site.state, "directory.changed")


def text(mark: int, size: int) -> bytes:
    """Return a body that no other message has, in lines."""
    digits = content(mark, size // 2).hex().encode()
    return b"".join(digits[start : start + 72] + b"\r\n" for start in range(0, len(digits), 72))


class Sender(threading.Thread):
    """Sends messages over one connection until that breaks."""

    def __init__(self, port: int, chance: Random, marks: Iterator[int]) -> None:
        super().__init__(daemon=True)
        self.sent: dict[int, frozenset[int]] = {}
        self.acknowledged: set[int] = set()
        self.sizes: dict[int, int] = {}
        self._port = port
        self._chance = chance
        self._marks = marks

    def run(self) -> None:
        try:
            with Typist(self._port) as typist:
                typist.reply()
                typist.type("EHLO me")
                while True:
                    self._send(typist, next(self._marks))
        except (OSError, EOFError):
            return

    def _send(self, typist: Typist, mark: int) -> None:
        accounts = frozenset(self._chance.randrange(1, ACCOUNTS + 1) for _ in range(self._chance.randrange(1, 6)))
        size = self._chance.choices((500, 4000, 300_000), (60, 39, 1))[0]
        typist.type("MAIL FROM:<joe@strangers.test>")
        for account in accounts:
            typist.type(f"RCPT TO:<u{account}@{HOME}>")
        if not typist.type("DATA").startswith("354"):
            raise EOFError
        self.sent[mark], self.sizes[mark] = accounts, size
        typist.send(b"X-Mark: %d\r\n\r\n%s.\r\n" % (mark, text(mark, size)))
        answer = typist.reply()
        if not answer.startswith("250"):
            assert answer[:1] in {"", "4"}, answer
            raise EOFError
        self.acknowledged.add(mark)


def arrived(site: RunningSite, sizes: dict[int, int]) -> dict[int, Counter[int]]:
    """Return how often each mailbox has each message, by mark; their texts are whole."""
    found: dict[int, Counter[int]] = {}
    connection = apsw.Connection(str(site.state / "mta.db"))
    try:
        for account, header, octets, file in connection.execute(ARRIVED):
            mark = int(header.partition(b"X-Mark: ")[2].split()[0])
            found.setdefault(mark, Counter())[account] += 1
            body = octets if file is None else (site.state / "bodies" / file).read_bytes()
            assert body == text(mark, sizes[mark])
    finally:
        connection.close()
    return found


def test_kill_while_many_deliver_to_many(home: RunningSite) -> None:
    """20 connections, 50 accounts, three times kill -9: what was told to be taken is there, all else wholly or not."""
    add_accounts(home, ACCOUNTS)
    wait_until(lambda: known(home, f"u{ACCOUNTS}@{HOME}"))
    sent: dict[int, frozenset[int]] = {}
    acknowledged: set[int] = set()
    sizes: dict[int, int] = {}
    for seed, wanted in enumerate((150, 400, 250)):
        marks = iter(range(seed * 1_000_000, (seed + 1) * 1_000_000))
        senders = [Sender(home.ports["mx"], Random(100 * seed + n), marks) for n in range(SENDERS)]
        for sender in senders:
            sender.start()
        wait_until(lambda: sum(len(sender.acknowledged) for sender in senders) > wanted)  # noqa: B023 - called at once
        home.kill()
        for sender in senders:
            sender.join(30)
            sent |= sender.sent
            sizes |= sender.sizes
            acknowledged |= sender.acknowledged
        state_of(home.state)
        home.start()

    found = arrived(home, sizes)

    assert len(acknowledged) > 800
    assert acknowledged <= found.keys(), "an acknowledged message is lost"
    for mark, mailboxes in found.items():
        assert mailboxes == Counter(sent[mark]), f"message {mark} isn't once in each of its mailboxes"
    assert home.stop() == 0
    state_of(home.state)


def known(site: RunningSite, address: str) -> bool:
    """Return whether the server takes mail for an address."""
    with Typist(site.ports["mx"]) as typist:
        typist.reply()
        typist.type("EHLO me")
        typist.type("MAIL FROM:<joe@strangers.test>")
        return typist.type(f"RCPT TO:<{address}>").startswith("250")


def kill_after(site: RunningSite, count: int) -> int:
    """Kill the server as soon as more than `count` mailboxes have the message; return how many have it then."""
    connection = apsw.Connection(str(site.state / "mta.db"))
    connection.set_busy_timeout(10_000)
    deadline = time.monotonic() + 30
    while (delivered := connection.execute("SELECT count(*) FROM mail").get) <= count:
        assert time.monotonic() < deadline, delivered
    site.kill()
    delivered = connection.execute("SELECT count(*) FROM mail").get
    connection.close()
    return int(delivered)


def test_kill_while_an_alias_to_a_thousand_is_delivered(home: RunningSite) -> None:
    """It goes in pieces; however often the server is killed in between, each mailbox gets it, once."""
    add_accounts(home, LIST, "all")
    wait_until(lambda: known(home, f"all@{HOME}"))
    with Typist(home.ports["mx"]) as typist:
        typist.reply()
        for line in ("EHLO me", "MAIL FROM:<joe@strangers.test>", f"RCPT TO:<all@{HOME}>", "DATA"):
            assert typist.type(line)[:1] in "23"
        typist.send(b"X-Mark: 1\r\n\r\n%s.\r\n" % text(1, 4000))
        assert typist.reply().startswith("250")

    kills = []
    for count in (0, 200, 500):
        kills.append(kill_after(home, count))
        state_of(home.state)
        home.start()
    wait_until(lambda: home.mta("--json", "queue", "list").stdout.strip() == "[]")

    assert any(0 < count < LIST for count in kills), kills
    assert arrived(home, {1: 4000}) == {1: Counter(range(1, LIST + 1))}
    assert home.stop() == 0
    state_of(home.state)
