"""Ten million events of made-up mail in a history, and how long answers take: run it by hand.

`python tests/bench/history_search.py DIRECTORY [EVENTS]`.  The file is made as the server makes it, by the same
functions, over 30 days; DIRECTORY needs 6 GB for ten million events, and is left for another run with the same file.
Each query is a process of `mta trace`, as an operator starts it, and the search alone; "cold" is the first of its kind
after the system has dropped the file from its cache.
"""

# ruff: noqa: T201 - it prints

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from running_site import environment

from twistedmail_mta.history import query, tables
from twistedmail_mta.history.keys import outcome_key, start_of
from twistedmail_mta.history.query import Query
from twistedmail_mta.history.searching import search
from twistedmail_mta.history.story import Kind, Outcome, packed
from twistedmail_mta.history.writer import Batch, write_batch
from twistedmail_mta.model import id_text
from twistedmail_mta.spool.ids import EPOCH
from twistedmail_mta.store.aside import AsideDatabase, look_aside

DAYS = 30
BATCH = 20_000
PEOPLE = 200_000
PROVIDERS = ["gmail.com"] * 30 + ["outlook.com"] * 20 + ["yahoo.com"] * 8 + ["gmx.de"] * 5
COMPANIES = [f"company{number}.example" for number in range(30_000)]
CLIENTS = [f"192.0.{number >> 8 & 255}.{number & 255}" for number in range(20_000)]
REPLY = "250 2.0.0 OK  1764547200 af79cd13be357-7c5fe8a2b10si123456785a.123 - gsmtp"
FULL = (
    "452 4.2.2 The recipient's inbox is out of storage space. Please direct the recipient to https://support.example/"
)
GONE = "550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the address"


class Mail:
    """Makes stories as a busy host would have them."""

    def __init__(self, events: int, last: float) -> None:
        self._dice = random.Random(7)
        self._left = events
        self._moment = int((last - DAYS * 86400 - EPOCH) * 1000)
        self._step = max(1, int(DAYS * 86400_000 * 2.35 / events))
        self.stories = self.steps = 0

    def batches(self) -> Iterator[Batch]:
        """Yield them in the order of time."""
        while self._left > 0:
            batch = Batch()
            while len(batch.stories) + len(batch.steps) < BATCH:
                self._add(batch)
            self._left -= len(batch.stories) + len(batch.steps)
            self.stories += len(batch.stories)
            self.steps += len(batch.steps)
            yield batch

    def _address(self) -> str:
        dice = self._dice
        domain = dice.choice(PROVIDERS) if dice.random() < 0.6 else dice.choice(COMPANIES)
        return f"person{int(dice.paretovariate(0.8)) % PEOPLE}@{domain}"

    def _add(self, batch: Batch) -> None:
        dice = self._dice
        self._moment += dice.randint(1, 2 * self._step)
        story = self._moment << 21
        at = start_of(story)
        sender, recipient, client = self._address(), self._address(), dice.choice(CLIENTS)
        visit = (client, "mail.client.example", "mx", id_text(story), "TLSv1.3 TLS_AES_256_GCM_SHA384")
        if dice.random() < 0.15:
            row = (story, at, Outcome.refused, sender, None, None, None, None, *visit, None, None, "RCPT", None, None)
            refused = packed([(recipient, "550 5.1.1 No such address here")])
            batch.stories.append((*row, refused, None, None, None, None, None, None))
            return
        message_id = f"{dice.getrandbits(64):016x}.{story:x}@{sender.partition('@')[2]}"
        row = (story, at, Outcome.accepted, sender, recipient, message_id, dice.randint(800, 90_000), "ESMTPS", *visit)
        verdicts = packed([("authentication", "message", "changed: AddHeader, Tag")])
        kept = packed([(recipient, "INBOX", dice.randint(1, 1 << 20))]) if dice.random() < 0.3 else None
        batch.stories.append(
            (*row, None, None, None, None, verdicts, None, kept, None, None, "auth.spf=pass", None, None)
        )
        self._attempts(batch, story, at, recipient)

    def _attempts(self, batch: Batch, story: int, at: float, recipient: str) -> None:
        dice, domain = self._dice, recipient.partition("@")[2]
        remote = f"mx{dice.randint(1, 4)}.{domain} [198.51.100.{dice.randint(1, 254)}]"
        tries = 1
        while dice.random() < 0.28 and tries < 8:
            self._step_of(batch, story, at, (Kind.deferred, recipient, domain, remote, None, None, FULL, tries, at))
            at += 900 * tries
            tries += 1
        if dice.random() < 0.02:
            self._step_of(batch, story, at, (Kind.failed, recipient, domain, remote, None, None, GONE, tries, None))
        else:
            self._step_of(batch, story, at, (Kind.delivered, recipient, domain, remote, 1, "DANE", REPLY, tries, None))

    @staticmethod
    def _step_of(batch: Batch, story: int, at: float, columns: tuple[object, ...]) -> None:
        kind = columns[0]
        batch.steps.append((story, int(at * 1e6) + len(batch.steps), *columns, None))
        if kind in (Kind.deferred, Kind.failed):
            batch.terms.append((story, outcome_key("bounced" if kind == Kind.failed else "deferred")))


def fill(path: Path, events: int) -> None:
    """Make the file."""
    database = AsideDatabase(path, tables.MIGRATIONS)
    mail, begin = Mail(events, time.time()), time.monotonic()
    for batch in mail.batches():
        database.write(partial(write_batch, batch=batch))
        print(f"\r{mail.stories + mail.steps:,} events, {time.monotonic() - begin:.0f} s", end="", file=sys.stderr)
    took = time.monotonic() - begin
    print(f"\n{mail.stories:,} stories, {mail.steps:,} steps in {took:.0f} s: {database.used >> 20} MiB")
    database.close()


def questions(path: Path) -> dict[str, tuple[Query, list[str]]]:
    """Return what is asked, by its name: the query, and the arguments of `mta trace`."""
    middle = look_aside(
        path,
        tables.MIGRATIONS,
        lambda tx: next(
            iter(
                tx.execute(
                    "SELECT id, sender, recipients, message_id, peer, at FROM story"
                    " WHERE id > (SELECT (min(id) + max(id)) / 2 FROM story) AND recipients LIKE '%@company%' LIMIT 1"
                )
            )
        ),
    )
    assert middle is not None
    story, sender, recipient, message_id, client, at = middle
    since, until = at - 3600, at + 3600
    stamps = [time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each)) for each in (since, until)]
    both = (query.sender(sender), query.recipient(recipient))
    return {
        "queue id": (Query(ids=(story,)), [id_text(story)]),
        "Message-ID": (Query((query.message_id(message_id),)), ["--message-id", message_id]),
        "sender": (Query((query.sender(sender),)), ["--from", sender]),
        "recipient": (Query((query.recipient(recipient),)), ["--to", recipient]),
        "sender and recipient": (Query(both), ["--from", sender, "--to", recipient]),
        "an address, whatever it is": (query.anything(recipient), [recipient]),
        "busy domain": (Query((query.domain("gmail.com"),)), ["--domain", "gmail.com"]),
        "small domain": (Query((query.domain("company7.example"),)), ["--domain", "company7.example"]),
        "client": (Query((query.client(client),)), ["--client", client]),
        "client, busy domain, bounced": (
            Query((query.client(client), query.domain("gmail.com"), query.outcome("bounced"))),
            ["--client", client, "--domain", "gmail.com", "--outcome", "bounced"],
        ),
        "bounced, two hours": (
            Query((query.outcome("bounced"),), since=since, until=until),
            ["--outcome", "bounced", "--since", stamps[0], "--until", stamps[1]],
        ),
        "two hours": (Query(since=since, until=until), ["--since", stamps[0], "--until", stamps[1]]),
        "nobody": (Query((query.sender("nobody@nowhere.example"),)), ["--from", "nobody@nowhere.example"]),
        "small domain, never held": (
            Query((query.domain("company7.example"), query.outcome("held"))),
            ["--domain", "company7.example", "--outcome", "held"],
        ),
        "two busy domains, one client": (
            Query((query.domain("gmail.com"), query.domain("yahoo.com"), query.client(client))),
            ["--domain", "gmail.com", "--client", client],  # the command takes one domain
        ),
    }


def forget(path: Path) -> None:
    """Let the system drop the file from its cache."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main(directory: str, events: int = 10_000_000) -> None:
    """Make the file unless it is there, and ask."""
    home = Path(directory)
    home.mkdir(parents=True, exist_ok=True)
    path = home / tables.NAME
    if not path.exists():
        fill(path, events)
    site = home / "mta.toml"
    site.write_text(
        f'config_version = 1\n[server]\nhostname = "mail.example.org"\nstate_dir = "{home}"\nadmin = "me@example.org"\n'
        '[listen.mx]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "mx"\n'
    )
    command = [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(site), "--json", "trace"]
    print(f"{'what':<42}{'found':>6}{'cold':>10}{'search':>10}{'mta trace':>11}")
    for name, (wanted, arguments) in questions(path).items():
        forget(path)
        times: list[float] = []
        number = 0
        for _ in range(2):
            begin = time.perf_counter()
            found = look_aside(path, tables.MIGRATIONS, lambda tx: search(tx, wanted, 20))  # noqa: B023 - called at once
            times.append(time.perf_counter() - begin)
            assert found is not None
            number = len(found.stories)
        begin = time.perf_counter()
        subprocess.run([*command, *arguments], env=environment(), capture_output=True, check=False)
        whole = time.perf_counter() - begin
        print(
            f"{name:<42}{number:>6}{times[0] * 1000:>7.0f} ms{times[1] * 1000:>7.0f} ms{whole * 1000:>8.0f} ms",
            flush=True,
        )


if __name__ == "__main__":
    folder, *rest = sys.argv[1:]
    main(folder, *map(int, rest))
