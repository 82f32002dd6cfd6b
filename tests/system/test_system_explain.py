"""`mta explain` and real sessions say the same, and dry runs leave no trace."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from explained_site import ANN, explained, made
from mail_sink import Sink
from name_server import NameServer
from running_site import RunningSite, wait_until
from situations import SITUATIONS, asked, asked_stopped, held, message, plain, replies_of

from twistedmail_mta.explain.question import Question
from twistedmail_mta.history import tables
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.sync import SyncDatabase


def test_dry_runs_and_real_sessions_get_the_same_replies(running: RunningSite) -> None:
    """In order, the refusal after the third message of a day included: whatever drifts apart is seen here."""
    seen = []
    for situation in SITUATIONS:
        dry, real = replies_of(asked(running, situation.question)), held(running, situation)
        assert plain(dry) == plain(real), situation
        seen.append(real[-1][:3])
    assert {"250", "450", "451", "530", "535", "550", "552", "553", "554"} <= set(seen), sorted(set(seen))


def test_the_stopped_site_says_the_same(running: RunningSite, stopped: RunningSite) -> None:
    """But for what the running one has learnt since: nobody has used up his limits there."""
    questions = [each.question for each in SITUATIONS if each.account is None]
    for question, answer in zip(questions, asked_stopped(stopped, questions), strict=True):
        assert plain(replies_of(answer)) == plain(replies_of(asked(running, question))), question


# No traces


def contents(state: Path) -> dict[str, str]:
    """Return a hash of each table, but of those in which the server notes that it lives, and which day it is."""

    def read(tx: Transaction) -> dict[str, str]:
        names = [name for (name,) in tx.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        return {
            name: hashlib.sha256(repr(list(tx.execute(f'SELECT * FROM "{name}"'))).encode()).hexdigest()
            for name in names
            if name not in {"owner", "downtime", "report_day"}
        }

    with SyncDatabase(state / DATABASE_NAME) as database:
        found = database.read(read)
    history = state / tables.NAME
    if history.exists():
        with closing(sqlite3.connect(history)) as connection:
            found["history"] = repr(connection.execute("SELECT * FROM story").fetchall())
    return found


def files(state: Path) -> set[str]:
    return {str(path.relative_to(state)) for path in state.rglob("*") if path.is_file()}


LARGE = message(body="x" * 70 + "\r\n" * 5000)


def test_a_running_server_is_left_as_it_is(
    tmp_path: Path, own_sink: Sink, other_names: NameServer
) -> None:  # fmt: skip
    """Its database, its files, its log of mail, what it says it has counted, and the next hop, which hears nothing."""
    site = made(tmp_path / "site", own_sink, other_names).start()
    heard: list[str] = []
    own_sink.answer = heard.append  # type: ignore[assignment] # it returns None
    questions = [replace(each.question, callout=False) for each in SITUATIONS] + [Question((ANN,), data=LARGE.encode())]
    wait_until(lambda: contents(site.state) == contents(site.state))
    before, before_files, log = contents(site.state), files(site.state), site.log

    answers = [asked(site, each) for each in questions]

    assert contents(site.state) == before
    assert files(site.state) == before_files
    assert [each["recipients"][0]["recipient"] for each in answers] == [each.recipients[0] for each in questions]
    assert not re.findall("accepted|refused|logged in|ended", site.log.removeprefix(log))
    assert heard == []
    limits = json.loads(site.mta("limits", "show", ANN, "--json").stdout)["limits"]
    assert {each["used"] for each in limits} == {0.0}
    counts = json.loads(site.mta("plugin", "list", "--json").stdout)
    assert not any(each.get("calls") for each in counts)
    own_sink.answer = lambda _: None
    assert site.stop() == 0


def test_a_stopped_site_is_left_as_it_is(stopped: RunningSite) -> None:
    """Octet for octet."""
    before = {name: (stopped.state / name).read_bytes() for name in files(stopped.state)}
    asked_stopped(stopped, [each.question for each in SITUATIONS] + [Question((ANN,), data=LARGE.encode())])
    assert {name: (stopped.state / name).read_bytes() for name in files(stopped.state)} == before


def test_a_site_without_a_state_directory(
    tmp_path: Path, own_sink: Sink, other_names: NameServer
) -> None:  # fmt: skip
    """As a site file is checked where it is written: nothing is made by asking."""
    site = made(tmp_path / "site", own_sink, other_names)
    shutil.rmtree(site.state)
    answer = explained(site, "rcpt", "x@any.test")
    assert answer["reply"] == "250 2.1.5 Recipient OK"
    assert not site.state.exists()
