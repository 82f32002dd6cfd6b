"""MTA-STS policies: when they are fetched, how long they count, and what they demand of hosts."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from chain_made import made, server_context
from scripted_host import DNS_DOWN, DROP, Authorities, Scene, Tables, message_to
from twisted.internet.task import Clock

from twistedmail_mta.cli.offline import ImmediateDatabase
from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.deliver.dane import DANE
from twistedmail_mta.deliver.demands import Demands
from twistedmail_mta.deliver.sts import FAILED_FOR, REFRESH_INTERVAL, STS
from twistedmail_mta.deliver.sts_rows import keep_policy
from twistedmail_mta.errors import HTTPError, UntrustedServerError
from twistedmail_mta.model import Deferred, Delivered, HTTPAnswer, NextHop, Outcome
from twistedmail_mta.mta_sts.policy import Policy
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.tasks import Promise, Task, TaskGroup
from twistedmail_mta.tls.client import ClientTLS

DAY = 86400.0
TEXT = b"version: STSv1\nmode: %s\nmx: mx.example.net\nmax_age: 864000\n"
ENFORCE, TESTING = TEXT % b"enforce", TEXT % b"testing"
PLAIN = {"content-type": "text/plain; charset=utf-8"}


class Web:
    """A web that has policies, by host; an exception is raised, a promise is waited for."""

    def __init__(self) -> None:
        self.pages: dict[str, Any] = {}
        self.asked: list[str] = []

    async def request(self, method: str, url: str, **limits: Any) -> HTTPAnswer:
        assert (method, limits) == ("GET", {"timeout": 60.0, "most": 65536})
        self.asked.append(url)
        page = self.pages.get(url.removeprefix("https://").partition("/")[0], HTTPError("nobody is there"))
        if isinstance(page, Promise):
            page = await page
        if isinstance(page, Exception):
            raise page
        return page if isinstance(page, HTTPAnswer) else HTTPAnswer(200, PLAIN, page)


class Lab:
    """Policies of a DNS and a web of one's own, kept in a real database."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.names, self.web, self.tasks = Clock(), Tables(), Web(), TaskGroup()
        self._rows = SyncDatabase(folder / "mta.db")
        self.restart()

    def restart(self) -> None:
        """Forget what is in memory."""
        database: Any = ImmediateDatabase(self._rows)
        web: Any = self.web
        self.sts = STS(self.names, web, database, self.clock, self.now, self.tasks)

    def now(self) -> float:
        return 1_800_000_000.0 + self.clock.seconds()

    def announce(self, text: bytes | HTTPAnswer | Exception, policy_id: bytes = b"1") -> None:
        """Let example.net have a policy."""
        self.names.text_table["_mta-sts.example.net"] = [b"v=STSv1; id=" + policy_id]
        self.web.pages["mta-sts.example.net"] = text

    def policy(self) -> Policy | None:
        """Return what is known of example.net."""
        return done(self.sts.policy("example.net"))

    def refresh(self) -> None:
        done(self.sts.refresh())

    def rows(self) -> int:
        ((count,),) = self._rows.read(lambda tx: list(tx.execute("SELECT count(*) FROM mta_sts_policy")))
        return int(count)

    def write(self, function: Any) -> None:
        self._rows.write(function)

    def close(self) -> None:
        self._rows.close()


def done(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns that waits for nothing."""
    return _result(Task("test", coroutine))


def _result(task: Task[Any]) -> Any:
    try:
        task.__await__().send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made_here = Lab(tmp_path)
    yield made_here
    made_here.close()


def mode(policy: Policy | None) -> str | None:
    return policy and policy.mode


def test_fetched_once(lab: Lab) -> None:
    """What was announced and fetched is kept, over a restart too; nobody asks the web again."""
    lab.announce(ENFORCE)

    assert mode(lab.policy()) == "enforce"
    assert mode(lab.policy()) == "enforce"
    lab.restart()
    assert mode(lab.policy()) == "enforce"
    assert lab.web.asked == ["https://mta-sts.example.net/.well-known/mta-sts.txt"]


@pytest.mark.parametrize(
    "texts", ["missing", "empty", [b"v=spf1 -all"], [b"v=STSv1; id=1", b"v=STSv1; id=2"], DNS_DOWN]
)
def test_not_announced(lab: Lab, texts: Any) -> None:
    """Without one TXT record nothing is fetched."""
    lab.names.text_table["_mta-sts.example.net"] = texts

    assert lab.policy() is None
    assert lab.web.asked == []


def test_another_id(lab: Lab) -> None:
    """A new id makes us fetch, and the new policy replaces the old one."""
    lab.announce(ENFORCE)
    lab.policy()
    lab.announce(TESTING, b"2")

    assert mode(lab.policy()) == "testing"
    lab.restart()
    assert mode(lab.policy()) == "testing"
    assert lab.rows() == 1


@pytest.mark.parametrize("texts", ["missing", DNS_DOWN, [b"v=STSv1; id=2"]])
def test_kept_until_its_time_is_over(lab: Lab, texts: Any) -> None:
    """Neither a TXT record that is gone nor a web server that fails takes a policy away before that."""
    lab.announce(ENFORCE)
    lab.policy()
    lab.names.text_table["_mta-sts.example.net"] = texts
    lab.web.pages.clear()

    lab.clock.advance(10 * DAY - 1)
    assert mode(lab.policy()) == "enforce"
    lab.restart()
    assert mode(lab.policy()) == "enforce"
    lab.clock.advance(1)
    assert lab.policy() is None


@pytest.mark.parametrize(
    "page",
    [
        HTTPError("the certificate is not for mta-sts.example.net"),
        HTTPAnswer(301, {**PLAIN, "location": "https://example.net/"}, ENFORCE),
        HTTPAnswer(404, PLAIN, ENFORCE),
        HTTPAnswer(204, PLAIN, b""),
        HTTPAnswer(200, {"content-type": "text/html"}, ENFORCE),
        HTTPAnswer(200, {}, ENFORCE),
        HTTPAnswer(200, PLAIN, b"<html>"),
    ],
)
def test_what_is_no_policy(lab: Lab, page: Any) -> None:
    """Mail goes as if there was none, and the web server is left alone for a while (RFC 8461 section 3.3)."""
    lab.announce(page)

    assert lab.policy() is None
    assert lab.policy() is None
    assert len(lab.web.asked) == 1

    lab.clock.advance(FAILED_FOR)
    lab.announce(ENFORCE)
    assert mode(lab.policy()) == "enforce"


@pytest.mark.parametrize(
    ("page", "result"),
    [
        (UntrustedServerError("the certificate is another's"), "sts-webpki-invalid"),
        (HTTPError("nobody is there"), "sts-policy-fetch-error"),
        (HTTPAnswer(404, PLAIN, ENFORCE), "sts-policy-fetch-error"),
        (HTTPAnswer(200, {"content-type": "text/html"}, ENFORCE), "sts-policy-fetch-error"),
        (HTTPAnswer(200, PLAIN, b"<html>"), "sts-policy-invalid"),
    ],
)
def test_problem_as_reports_tell_it(lab: Lab, page: Any, result: str) -> None:
    """What kept a policy from being had is known by its name in reports, until it is asked for again."""
    assert lab.sts.problem("example.net") is None
    lab.announce(page)
    lab.policy()
    problem = lab.sts.problem("example.net")

    assert problem is not None
    assert problem[0] == result
    assert problem[1]
    lab.clock.advance(FAILED_FOR)
    assert lab.sts.problem("example.net") is None


def test_time_that_is_over_at_once(lab: Lab) -> None:
    """A policy with an age of nothing counts for nothing."""
    lab.announce(ENFORCE.replace(b"864000", b"0"))

    assert lab.policy() is None


def test_one_fetch_for_all(lab: Lab) -> None:
    """Deliveries that come meanwhile wait for the same answer."""
    answer: Promise[bytes] = Promise()
    lab.announce(answer)  # type: ignore[arg-type]
    tasks = [Task("test", lab.sts.policy("example.net")) for _ in range(3)]
    assert not any(task.done for task in tasks)

    answer.resolve(ENFORCE)

    assert [mode(_result(task)) for task in tasks] == ["enforce"] * 3
    assert len(lab.web.asked) == 1


def test_given_up(lab: Lab) -> None:
    """A stop leaves nobody waiting."""
    lab.announce(Promise())  # type: ignore[arg-type]
    task = Task("test", lab.sts.policy("example.net"))

    lab.sts.stop()

    assert task.done


def test_refreshed(lab: Lab) -> None:
    """Past half its time a policy is fetched anew, though nobody sends mail there."""
    lab.announce(ENFORCE)
    lab.policy()
    lab.clock.advance(5 * DAY - 1)
    lab.refresh()
    assert len(lab.web.asked) == 1

    lab.clock.advance(2)
    lab.refresh()
    assert len(lab.web.asked) == 2
    lab.clock.advance(9 * DAY)
    lab.names.text_table.clear()
    assert mode(lab.policy()) == "enforce"


def test_refreshed_every_hour(lab: Lab) -> None:
    """Without anybody asking, until it is stopped."""
    lab.announce(ENFORCE)
    lab.policy()
    lab.sts.start()

    lab.clock.advance(5 * DAY)
    assert len(lab.web.asked) == 1
    lab.clock.advance(REFRESH_INTERVAL)
    assert len(lab.web.asked) == 2
    lab.sts.stop()
    assert len(lab.tasks) == 0
    assert not lab.clock.getDelayedCalls()


def test_refresh_that_fails(lab: Lab) -> None:
    """It changes nothing: the old policy counts until its own end; nor is one fetched that isn't announced."""
    lab.announce(ENFORCE)
    lab.policy()
    lab.clock.advance(6 * DAY)
    lab.web.pages.clear()
    lab.refresh()
    lab.names.text_table.clear()
    lab.refresh()

    assert len(lab.web.asked) == 2
    assert mode(lab.policy()) == "enforce"
    lab.clock.advance(4 * DAY)
    assert lab.policy() is None


def test_refresh_of_many(lab: Lab) -> None:
    """All of them, some at a time."""
    now = lab.now()
    for number in range(45):
        domain = f"d{number:02}.example"
        lab.write(lambda tx, domain=domain: keep_policy(tx, domain, "1", ENFORCE, (now - 10, now + 5)))
        lab.names.text_table[f"_mta-sts.{domain}"] = [b"v=STSv1; id=1"]
        lab.web.pages[f"mta-sts.{domain}"] = ENFORCE

    lab.refresh()

    assert len(lab.web.asked) == 45


def test_what_is_over_goes(lab: Lab) -> None:
    """Rows whose time is over are gone when another is written."""
    now = lab.now()
    lab.write(lambda tx: keep_policy(tx, "old.example", "1", ENFORCE, (now - 20, now - 10)))
    lab.announce(ENFORCE)

    lab.policy()

    assert lab.rows() == 1


class Validates:
    """A resolver that does."""

    async def holds(self) -> bool:
        return True

    def look(self) -> None:
        """It is known."""


class Site:
    """Mail for example.net, whose policy names mx.example.net, over real connections."""

    def __init__(self, scene: Scene, lab: Lab, authorities: Authorities) -> None:
        self.scene, self.lab = scene, lab
        scene.security = ClientTLS(authorities.trusted)
        scene.tables = lab.names
        scene.demands = Demands(sts=lab.sts)

    async def deliver(self, port: int, *mx: str) -> Outcome:
        for place, name in enumerate(mx):
            self.scene.tables.address_table[name] = [f"127.0.0.{place + 1}"]
        self.scene.tables.mx_table["example.net"] = [(place, name) for place, name in enumerate(mx)]
        (outcome,) = await self.scene.deliver(message_to("bob"), NextHop("example.net", port, mx=True))
        return outcome


@pytest.fixture
def site(scene: Scene, lab: Lab, authorities: Authorities) -> Site:
    return Site(scene, lab, authorities)


@pytest_twisted.ensureDeferred
async def test_right_host(site: Site, authorities: Authorities) -> None:
    """The policy names the host, and an authority vouches for its certificate."""
    host = site.scene.host(context=authorities.context_for("mx.example.net"))
    site.lab.announce(ENFORCE)

    outcome = await site.deliver(host.port, "mx.example.net")

    assert isinstance(outcome, Delivered)
    assert (outcome.encrypted, outcome.proof) == (True, "MTA-STS")


@pytest_twisted.ensureDeferred
async def test_host_that_is_not_named(site: Site, authorities: Authorities) -> None:
    """It is passed over for one that is; alone it isn't even called (RFC 8461 section 5)."""
    wrong = site.scene.host(context=authorities.context_for("evil.example"))
    right = site.scene.host("127.0.0.2", wrong.port, context=authorities.context_for("mx.example.net"))
    site.lab.announce(ENFORCE)

    second = await site.deliver(wrong.port, "evil.example", "mx.example.net")
    alone = await site.deliver(wrong.port, "evil.example")

    assert isinstance(second, Delivered)
    assert len(right.sessions) == 1
    assert type(alone) is Deferred
    assert alone.reply.text.startswith("MTA-STS: ")
    assert wrong.sessions == []


@pytest.mark.parametrize(
    ("name", "known", "words"),
    [
        ("mx.example.net", False, "no trusted authority vouches"),
        ("other.example", True, "the certificate is not for mx.example.net"),
        ("example.net", True, "the certificate is not for mx.example.net"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_wrong_certificate(site: Site, authorities: Authorities, name: str, known: bool, words: str) -> None:
    """The mail waits, and the reason says so; in testing mode it goes."""
    host = site.scene.host(context=authorities.context_for(name, known=known))
    site.lab.announce(ENFORCE)

    enforced = await site.deliver(host.port, "mx.example.net")
    site.lab.announce(TESTING, b"2")
    tested = await site.deliver(host.port, "mx.example.net")

    assert type(enforced) is Deferred
    assert enforced.reply.text.startswith("MTA-STS: TLS could not be set up: ")
    assert words in enforced.reply.text
    assert isinstance(tested, Delivered)
    assert (tested.encrypted, tested.proof) == (True, "")


@pytest.mark.parametrize("answers", [{}, {"TLS": DROP}])
@pytest_twisted.ensureDeferred
async def test_no_tls(site: Site, authorities: Authorities, answers: dict[str, Any]) -> None:
    """Not offered, or broken: no mail in clear, unless it is only tested."""
    context = authorities.context_for("mx.example.net") if answers else None
    host = site.scene.host(context=context, answers=answers)
    site.lab.announce(ENFORCE)

    enforced = await site.deliver(host.port, "mx.example.net")
    site.lab.announce(TESTING, b"2")
    tested = await site.deliver(host.port, "mx.example.net")

    assert type(enforced) is Deferred
    assert isinstance(tested, Delivered)
    assert not tested.encrypted


@pytest_twisted.ensureDeferred
async def test_testing(site: Site, authorities: Authorities) -> None:
    """A host that isn't named, and one that is all right."""
    host = site.scene.host(context=authorities.context_for("mx.example.net"))
    site.lab.announce(TESTING)

    right = await site.deliver(host.port, "mx.example.net")
    unnamed = await site.deliver(host.port, "evil.example")

    assert isinstance(right, Delivered)
    assert right.proof == "MTA-STS"
    assert isinstance(unnamed, Delivered)


@pytest_twisted.ensureDeferred
async def test_taken_back(site: Site) -> None:
    """Mode none demands nothing."""
    host = site.scene.host()
    site.lab.announce(b"version: STSv1\nmode: none\nmax_age: 864000\n")

    assert isinstance(await site.deliver(host.port, "mx.example.net"), Delivered)


@pytest_twisted.ensureDeferred
async def test_dane_goes_first(site: Site) -> None:
    """Where TLSA records prove the host, nobody asks for a policy, which would refuse it (RFC 8461 section 2)."""
    leaf = made("self-signed")
    host = site.scene.host(context=server_context(leaf))
    tables = site.scene.tables
    tables.insecure = set()
    tables.tlsa_table[f"_{host.port}._tcp.unnamed.example"] = [leaf.record(3)]

    site.scene.demands = Demands(DANE(tables, Validates()), site.lab.sts)
    site.lab.announce(ENFORCE)

    outcome = await site.deliver(host.port, "unnamed.example")

    assert isinstance(outcome, Delivered)
    assert outcome.proof == "DANE"
    assert site.lab.web.asked == []


@pytest.mark.parametrize(("text", "gets"), [(ENFORCE, False), (TESTING, True)])
@pytest_twisted.ensureDeferred
async def test_records_of_no_use_leave_it_to_the_policy(site: Site, text: bytes, gets: bool) -> None:
    """They demand TLS with anybody; a policy that is enforced demands more, one that is tested never less."""
    encrypted = site.scene.host(context=server_context(made("self-signed")))
    clear = site.scene.host("127.0.0.2", encrypted.port)
    tables = site.scene.tables
    tables.insecure = set()
    tables.tlsa_table[f"_{encrypted.port}._tcp.mx.example.net"] = [TLSA(1, 1, 1, bytes(32))]
    site.scene.demands = Demands(DANE(tables, Validates()), site.lab.sts)
    site.lab.announce(text)

    first = await site.deliver(encrypted.port, "mx.example.net")
    tables.mx_table["example.net"] = [(1, "mx.example.net")]
    tables.address_table["mx.example.net"] = ["127.0.0.2"]
    next_hop = NextHop("example.net", encrypted.port, mx=True)
    (second,) = await site.scene.deliver(message_to("bob"), next_hop)

    assert isinstance(first, Delivered) == gets
    assert type(second) is Deferred
    assert not [line for line in clear.commands if line.startswith(b"MAIL")]


@pytest_twisted.ensureDeferred
async def test_only_mail_by_mx_has_a_policy(site: Site) -> None:
    """A host that the site names itself, and an address literal, have none."""
    host = site.scene.host()
    site.lab.announce(ENFORCE)
    site.scene.tables.address_table["example.net"] = ["127.0.0.1"]
    for next_hop in (NextHop("example.net", host.port), NextHop("[127.0.0.1]", host.port, mx=True)):
        (outcome,) = await site.scene.deliver(message_to("bob"), next_hop)
        assert isinstance(outcome, Delivered)
    assert site.lab.web.asked == []
