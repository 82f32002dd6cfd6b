"""`mta explain` and real sessions say the same, and dry runs leave no trace."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from mail_sink import Sink, running_sink
from name_server import NameServer
from running_site import RunningSite, environment, wait_until
from typist import Typist

from twistedmail_mta.control.client import ControlClient
from twistedmail_mta.explain.question import Question
from twistedmail_mta.history import tables
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.sync import SyncDatabase

ANN, BOB, SUE, PASSWORD = "ann@example.org", "bob@example.org", "sue@example.org", "correct horse"
PLUGIN = """
from zope.interface import implementer

from twistedmail_mta.model import Reply
from twistedmail_mta.stages import (
    AddHeader, FileInto, IConnectPolicy, IHeaderPolicy, IHelloPolicy, IMailPolicy, IMessagePolicy, IRecipientPolicy,
    IRoutePolicy,
)


@implementer(IConnectPolicy, IHelloPolicy, IMailPolicy, IRecipientPolicy, IHeaderPolicy, IMessagePolicy, IRoutePolicy)
class Picky:
    def __init__(self, options, kit):
        self.counted = 0

    async def connected(self, client):
        return Reply(554, "5.7.1", "not from there") if client.host == "127.9.9.9" else None

    async def greeted(self, client):
        return Reply(550, "5.7.1", "a bad name") if client.helo == "bad.test" else None

    async def sender(self, client, mail):
        return Reply(451, "4.7.1", "not now") if mail.sender.local == "later" else None

    async def recipient(self, client, mail, recipient):
        self.counted += 1
        if recipient.address.local == "broken":
            raise RuntimeError("broken")
        return Reply(550, "5.7.1", "nobody writes to him") if recipient.address.local == "hermit" else None

    async def header(self, client, envelope, header):
        return Reply(554, "5.6.0", "a bad subject") if b"bad" in (header.get(b"Subject") or b"") else None

    async def message(self, client, message):
        body = await message.body.read(0, 1000)
        if b"virus" in body:
            return Reply(554, "5.7.1", "a virus")
        return (AddHeader("X-Picky", "yes"), FileInto("Junk")) if b"offer" in body else None

    async def routed(self, leaving):
        return Reply(550, "5.7.1", "never") if leaving.recipient.local == "never" else None
"""


def toml(sink: Sink, names: NameServer, folder: Path) -> str:
    return f"""
plugin_path = ["{folder}"]
[dns]
nameservers = ["127.0.0.1"]
port = {names.port}
timeout = "500ms"
dnssec = "off"
[domains."example.org"]
aliases_file = "{folder}/aliases"
[domains."relayed.test"]
relay_to = "smtp://127.0.0.1:{sink.port}"
[domains."any.test"]
relay_to = "smtp://127.0.0.1:{sink.port}"
recipients = "any"
[relay]
plugins = ["office"]
[plugins.office]
use = "relay_networks"
networks = ["127.8.8.8"]
[plugins.picky]
use = "picky:Picky"
[plugins.grey]
use = "greylist"
exempt_networks = ["127.0.0.0/16", "127.8.0.0/16", "127.9.0.0/16"]
[plugins.limits]
use = "limits"
account.day.messages = 3
account.day.new_recipients = "none"
[plugins.brake]
use = "brake"
[[route]]
match = {{ to_domain = ["refused.test"] }}
via = "error:550 5.1.2 not there"
[[route]]
match = {{ to_domain = ["*.lab.test"], from = ["sue@example.org"] }}
via = "smtp://127.0.0.1:{sink.port}"
tls = "required"
[outbound]
allow_networks = ["127.0.0.0/8"]
port = {sink.port}
"""


LISTENERS = """
[listen.mx]
endpoint = "tcp:0:interface=127.0.0.1"
role = "mx"
plugins = ["picky", "grey"]
[listen.submission]
endpoint = "tcp:0:interface=127.0.0.1"
role = "submission"
plugins = ["picky", "limits", "brake"]
plaintext_login = ["127.0.0.0/8"]
[listen.submissions]
endpoint = "tcp:0:interface=127.0.0.1"
role = "submission"
tls = "implicit"
[listen.local]
endpoint = "tcp:0:interface=127.0.0.1"
role = "lmtp"
"""


@pytest.fixture(scope="module")
def own_sink() -> Iterator[Sink]:
    """A next hop that notes whatever is said to it."""
    with running_sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    """The DNS of some domains elsewhere."""
    server = NameServer()
    add = server.responder.add
    add("else.test", "MX", "20 mx2.else.test.", "10 mx1.else.test.")
    add("mx1.else.test", "A", "127.0.0.1")
    add("mx2.else.test", "A", "127.0.0.1")
    add("else.test", "TXT", '"v=spf1 -all"')
    add("nomail.test", "MX", "0 .")
    yield server
    server.close()


def made(directory: Path, sink: Sink, names: NameServer) -> RunningSite:
    """A site, not started, with accounts, aliases and keys."""
    folder = directory / "plugins"
    folder.mkdir(parents=True)
    (folder / "picky.py").write_text(PLUGIN)
    (folder / "aliases").write_text("loop: pool\npool: loop\ngone: nobody\n")
    site = RunningSite(directory, "", listeners="")
    site.config.write_text(
        site.config.read_text().replace("config_version = 1\n", "") + LISTENERS + toml(sink, names, folder)
    )
    text = site.config.read_text()
    first, rest = text.split("[server]", 1)
    path = re.search(r"^plugin_path.*$", rest, re.MULTILINE)
    assert path is not None
    site.config.write_text(f"config_version = 1\n{path[0]}\n{first}[server]{rest.replace(path[0], '', 1)}")
    for account in (ANN, BOB, SUE):
        site.add_account(account, PASSWORD)
    site.mta("account", "set", BOB, "--disable")
    site.mta("account", "set", SUE, "--send-as", "sales@example.org")
    site.mta("alias", "add", "both@example.org", ANN, "joe@else.test")
    return site


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, own_sink: Sink, names: NameServer) -> Iterator[RunningSite]:
    """The site, started."""
    site = made(tmp_path_factory.mktemp("running"), own_sink, names).start()
    yield site
    assert site.stop() == 0


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, own_sink: Sink, names: NameServer) -> RunningSite:
    """The same site, which nobody has ever started."""
    return made(tmp_path_factory.mktemp("stopped"), own_sink, names)


@dataclass(frozen=True)
class Situation:
    """A session."""

    to: tuple[str, ...]
    sender: str = "eve@else.test"
    listener: str = "mx"
    ip: str = "127.0.0.1"
    helo: str = "client.test"
    account: str | None = None
    tls: bool = False
    text: str | None = None
    size: int | None = None

    @property
    def question(self) -> Question:
        data = None if self.text is None else self.text.encode()
        return Question(
            self.to, self.sender, self.listener, self.ip, self.helo, self.tls, self.account, self.size, data
        )  # fmt: skip


def message(subject: str = "hello", body: str = "text", author: str = ANN) -> str:
    return f"From: {author}\r\nSubject: {subject}\r\n\r\n{body}\r\n"


SUBMITTED: dict[str, Any] = {"listener": "submission", "account": ANN, "sender": ANN}

SITUATIONS = [
    Situation((ANN,)),
    Situation((ANN,), text=message()),
    Situation((ANN, "nobody@example.org", "joe@else.test")),
    Situation(("joe@else.test",)),
    Situation(("user%else.test@example.org",)),
    Situation(("both@example.org",), text=message()),
    Situation(("loop@example.org",)),
    Situation(("gone@example.org",)),
    Situation((BOB,)),
    Situation(("postmaster",)),
    Situation(("postmaster@example.org",)),
    Situation(("x@any.test",)),
    Situation(("joe@else.test",), ip="127.8.8.8"),
    Situation((ANN,), ip="127.9.9.9"),
    Situation((ANN,), ip="127.1.1.1"),
    Situation((ANN,), helo="bad.test"),
    Situation((ANN,), sender="later@else.test"),
    Situation(("hermit@any.test",)),
    Situation(("broken@any.test",)),
    Situation((ANN,), text=message(subject="bad")),
    Situation((ANN,), text=message(body="a virus")),
    Situation((ANN,), text=message(body="an offer")),
    Situation((ANN,), text=message().replace("\r\n\r\n", "\r\n" + "Received: x\r\n" * 200 + "\r\n", 1)),
    Situation((ANN,), size=1 << 40),
    Situation((ANN,), tls=True),
    Situation((ANN,), sender="no address"),
    Situation((ANN,), sender="", text=message()),
    Situation((ANN,), account=ANN, tls=True),
    Situation((ANN,), listener="submission"),
    Situation(("joe@else.test",), **SUBMITTED, text=message()),
    Situation(("joe@else.test",), **SUBMITTED, tls=True, text=message()),
    Situation(("joe@else.test",), **(SUBMITTED | {"listener": "submissions"}), text=message()),
    Situation(("joe@else.test",), **(SUBMITTED | {"account": BOB}), tls=True),
    Situation(("joe@else.test",), **(SUBMITTED | {"account": "none@example.org"}), tls=True),
    Situation(("joe@else.test",), **(SUBMITTED | {"sender": "eve@example.org"}), tls=True),
    Situation(("joe@else.test",), **SUBMITTED, tls=True, text=message(author="eve@example.org")),
    Situation(("joe@else.test",), **SUBMITTED, tls=True, text=message()),
    Situation(("joe@else.test",), **SUBMITTED, tls=True, text=message()),
    Situation((ANN, "both@example.org"), listener="local", text=message()),
    Situation(("x@any.test",), listener="local"),
]


def held(site: RunningSite, situation: Situation) -> list[str]:
    """Hold the session for real, as a client that goes on until it is refused; return the replies."""
    replies: list[str] = []
    with Typist(site.ports[situation.listener], source=situation.ip) as typist:
        if situation.listener == "submissions":
            typist.start_tls()

        def goes(line: str | None) -> bool:
            replies.append(typist.reply() if line is None else typist.type(line))
            return replies[-1][:1] in ("2", "3")

        hello = f"{'LHLO' if situation.listener == 'local' else 'EHLO'} {situation.helo}"
        lines: list[str | None] = [None, hello]
        if situation.tls and situation.listener != "submissions":
            lines += ["STARTTLS", hello]
        if situation.account is not None:
            plain = base64.b64encode(f"\0{situation.account}\0{PASSWORD}".encode()).decode()
            lines.append(f"AUTH PLAIN {plain}")
        size = "" if situation.size is None else f" SIZE={situation.size}"
        lines.append(f"MAIL FROM:<{situation.sender}>{size}")
        for line in lines:
            if not goes(line):
                return replies
            if line == "STARTTLS":
                typist.start_tls()
        taken = sum(goes(f"RCPT TO:<{each}>") for each in situation.to)
        if taken and situation.text is not None and goes("DATA"):
            typist.send(situation.text.encode() + b".\r\n")
            replies += [typist.reply() for _ in range(taken if situation.listener == "local" else 1)]
    return replies


def asked(site: RunningSite, question: Question) -> dict[str, Any]:
    """Ask the running server."""
    with ControlClient(site.state, 60) as client:
        return client.call("explain", question.as_object())


ASK = """
import json, sys
from twistedmail_mta.cli.explain_asking import answers_to
from twistedmail_mta.cli.site import Invocation
from twistedmail_mta.explain.question import question_of

questions = [question_of(each) for each in json.load(sys.stdin)]
print(json.dumps(answers_to(Invocation(sys.argv[1], as_json=True), questions)))
"""


def asked_stopped(site: RunningSite, questions: Sequence[Question]) -> list[dict[str, Any]]:
    """Ask a site that doesn't run, as the command does, but all at once: the reactor starts once in a process."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(site.config)],
        input=json.dumps([each.as_object() for each in questions]),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def plain(replies: Sequence[str]) -> list[str]:
    """Return replies without what no two sessions share: ids, and the time of day."""
    times = [re.sub(r"in \d+ minutes?, at \d\d:\d\d", "in N minutes, at T", each) for each in replies]
    return [re.sub(r"queued as \S+", "queued as ID", each) for each in times]


def replies_of(answer: dict[str, Any]) -> list[str]:
    return [turn["reply"] for turn in answer["session"]["turns"]]


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


# What else is told


def explained(site: RunningSite, *arguments: str, accepted: bool = True) -> dict[str, Any]:
    """Run the command."""
    done = site.mta("explain", *arguments, "--json", check=False)
    assert done.stderr == ""
    assert done.returncode == (0 if accepted else 1)
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["accepted"] is accepted
    return answer


@pytest.fixture(params=["running", "stopped"])
def site(request: pytest.FixtureRequest) -> RunningSite:
    """The site, running and not."""
    found: RunningSite = request.getfixturevalue(request.param)
    return found


def test_aliases_step_by_step(site: RunningSite) -> None:
    """An alias for a mailbox and an address elsewhere, one that goes in circles, one that leads to nobody."""
    (both,) = explained(site, "rcpt", "both@example.org")["recipients"]
    assert [(each["address"], each["is"]) for each in both["steps"]] == [
        ("both@example.org", "alias"),
        ("joe@else.test", "elsewhere"),
        (ANN, "account"),
    ]
    assert [each["address"] for each in both["mailboxes"]] == [ANN]
    assert both["forwards"] == ["joe@else.test"]

    (loop,) = explained(site, "rcpt", "loop@example.org", accepted=False)["recipients"]
    assert [(each["address"], each["is"]) for each in loop["steps"]][-1] == ("loop@example.org", "before")
    assert loop["problem"] == "leads back to itself and nowhere else"
    (gone,) = explained(site, "rcpt", "gone@example.org", accepted=False)["recipients"]
    assert gone["steps"][-1] == {"address": "nobody@example.org", "is": "unknown", "leads_to": []}


def test_the_way_of_a_forward(site: RunningSite) -> None:
    """By MX, in order of preference, with a sender that passes SPF, and what is demanded of TLS, and why."""
    answer = explained(site, "rcpt", "both@example.org", "--from", "eve@else.test", "--from-ip", "127.0.0.1")
    (way,) = answer["ways"]
    assert (way["recipient"], way["forwarded_by"], way["route"], way["key"]) == (
        "joe@else.test", "example.org", "else.test", None,
    )  # fmt: skip
    assert [(each["preference"], each["host"]) for each in way["mx"]] == [(10, "mx1.else.test"), (20, "mx2.else.test")]
    assert [each["host"] for each in way["hosts"]] == ["mx1.else.test", "mx2.else.test"]
    assert way["lane"] == "mx1.else.test"
    assert way["sender"].startswith("SRS0=")
    assert way["sender"].endswith("@example.org")
    assert "DANE is off" in way["tls"]
    assert "no MTA-STS policy" in way["tls"]


def test_which_rule_leads_where(site: RunningSite, own_sink: Sink) -> None:
    """Named by its key path; a domain that takes no mail, a plugin that sends another way, and a route that refuses."""
    send = ("send", "--account", SUE, "--from", SUE, "--to")
    ways = {
        to: explained(site, *send, to)["ways"][0]
        for to in ("x@one.lab.test", "x@any.test", "x@refused.test", "x@nomail.test", "never@else.test")
    }
    keys = [way["key"] for way in ways.values()]
    assert keys == ["route[1]", 'domains."any.test".relay_to', "route[0]", None, None]
    assert ways["x@one.lab.test"]["route"] == f"smtp://127.0.0.1:{own_sink.port}"
    assert ways["x@one.lab.test"]["tls"] == "TLS with a certificate of the host's name, as the route says"
    assert ways["x@refused.test"]["outcome"] == "fails"
    assert ways["x@nomail.test"]["reply"] == "556 5.1.10 The recipient's domain accepts no mail"
    assert ways["never@else.test"]["chosen_by"] == "picky"
    assert ways["never@else.test"]["reply"] == "550 5.7.1 never"


def test_who_signs_and_what_is_left(site: RunningSite) -> None:
    """The keys of the author's domain, as whom the account may send, and its limits."""
    answer = explained(site, "send", "--account", SUE, "--from", SUE, "--to", "x@any.test")
    assert answer["message"]["signed_by"] == []
    assert answer["account"]["send_as"] == ["sales@example.org"]
    (limit,) = [each for each in answer["account"]["limits"] if each["measure"] == "messages"]
    assert (limit["plugin"], limit["allowed"]) == ("limits", 3)


def test_what_is_not_known_without_asking_is_said(site: RunningSite, own_sink: Sink) -> None:
    """A recipient of a relayed domain is taken to exist, unless the next hop may be asked."""
    heard: list[str] = []
    own_sink.answer = heard.append  # type: ignore[assignment] # it returns None
    answer = explained(site, "rcpt", "x@relayed.test")
    assert answer["callouts"] == {"x@relayed.test": f"smtp://127.0.0.1:{own_sink.port}"}
    assert heard == []

    own_sink.answer = lambda line: "550 5.1.1 nobody" if line.startswith("RCPT") else None
    explained(site, "rcpt", "y@relayed.test", "--callout", accepted=False)
    own_sink.answer = lambda _: None


def test_what_people_read(site: RunningSite) -> None:
    """Steps, indented, with a verdict each, the plugins' answers, and the last reply; on a pipe without colours."""
    done = site.mta("explain", "rcpt", "hermit@any.test", check=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "Session at listener mx (mx), from 192.0.2.1, in clear"
    assert "  refused   RCPT TO:<hermit@any.test>: 550 5.7.1 nobody writes to him" in lines
    assert "    plugin    picky at recipient of hermit@any.test: 550 5.7.1 nobody writes to him" in lines
    assert lines[-2:] == [
        "Would be refused: 550 5.7.1 nobody writes to him",
        "Nothing was sent or accepted: this is a dry run.",
    ]
    text = site.mta(
        "explain", "send", "--from", "eve@else.test", "--from-ip", "127.0.0.1", "--to", "both@example.org"
    ).stdout
    for line in (
        "  ok        both@example.org is an alias of ann@example.org, joe@else.test",
        "  ok        into INBOX of ann@example.org",
        "Way of joe@else.test, to whom an alias of example.org leads",
        "  ok        goes on, route else.test, by MX, as no route says otherwise",
        "  ok        MX: 10 mx1.else.test, 20 mx2.else.test",
    ):
        assert line in text.splitlines(), text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rcpt", "x@y.test", "--from-ip", "nowhere"], "is no IP address"),
        (["rcpt", "x@y.test", "--listener", "imap"], "no mail comes in by a listener 'imap'; there are: mx,"),
        (["rcpt", "x\r\nQUIT"], "can't be said in a line of SMTP"),
    ],
)
def test_what_cannot_be_asked(site: RunningSite, arguments: list[str], said: str) -> None:
    """A sentence, and no traceback."""
    done = site.mta("explain", *arguments, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# No traces


def contents(state: Path) -> dict[str, str]:
    """Return a hash of each table, but of those by which the server shows that it lives."""

    def read(tx: Transaction) -> dict[str, str]:
        names = [name for (name,) in tx.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        return {
            name: hashlib.sha256(repr(list(tx.execute(f'SELECT * FROM "{name}"'))).encode()).hexdigest()
            for name in names
            if name not in {"owner", "downtime"}
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
    tmp_path: Path, own_sink: Sink, names: NameServer
) -> None:  # fmt: skip
    """Its database, its files, its log of mail, what it says it has counted, and the next hop, which hears nothing."""
    site = made(tmp_path / "site", own_sink, names).start()
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
    tmp_path: Path, own_sink: Sink, names: NameServer
) -> None:  # fmt: skip
    """As a site file is checked where it is written: nothing is made by asking."""
    site = made(tmp_path / "site", own_sink, names)
    shutil.rmtree(site.state)
    answer = explained(site, "rcpt", "x@any.test")
    assert answer["reply"] == "250 2.1.5 Recipient OK"
    assert not site.state.exists()
