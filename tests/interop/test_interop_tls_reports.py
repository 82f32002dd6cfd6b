"""TLS reports: hosts that are Postfix, right and wrong, under DANE, MTA-STS and nothing; what their domains are told.

Zones are signed by knot and validated by unbound, policies and posted reports go over real HTTPS.  The address that
gets reports by mail has a host that promises TLS by its TLSA records and has none: only reports get there.
"""

from __future__ import annotations

import gzip
import json
import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from chain_made import Made, chain_file, made
from dkim_made import verdicts
from interop_daemons import DNS_PORT, SMTP_PORT, LoopbackNetwork, eventually
from interop_peers import Peer, start_postfix
from interop_policies import Page, running_policies
from interop_posts import Posted, running_inbox
from interop_signed import UNBOUND, Signed, Zone, start_signed
from mail_sink import Received, running_sink
from running_site import ACCOUNT, PASSWORD, RunningSite
from test_interop_dane import deferred, delivered, submit

from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.store.files import DATABASE_NAME

WEB, INBOX, BAD_INBOX, GOOD, EXPIRED, STRANGE, CLEAR, SINK = 60, 61, 62, 70, 71, 72, 73, 74
FAR = 2e9
POLICY = b"version: STSv1\r\nmode: %s\r\nmx: %s.rpt.test\r\nmax_age: 86400\r\n"


@dataclass(frozen=True)
class Case:
    """A domain, whose MX host has the same name with `mx-` before it.

    Attributes:
        host: a face of Postfix.
        record: of that host.
        page: the domain's policy.
        gets: whether it gets mail.
        kind: the type of the policy that is told.
        result: what is told of it; empty: a success.
    """

    host: int
    record: TLSA | None = None
    page: bytes = b""
    gets: bool = True
    kind: str = "no-policy-found"
    result: str = ""


class World:
    """Certificates, and the domains."""

    def __init__(self) -> None:
        self.authority = made("Authority", is_authority=True)
        names = [f"mx-{name}.rpt.test" for name in ("dane", "plain", "sts", "silent")]
        self.good = made("good", self.authority, names=names)
        self.expired = made("expired", self.authority, names=["mx-expired.rpt.test"], age=100)
        self.strange = made("strange", self.authority, names=["other.example"])
        other = made("other").record(3)
        self.cases = {
            "dane": Case(GOOD, self.good.record(3), kind="tlsa"),
            "wrong": Case(GOOD, other, gets=False, kind="tlsa", result="validation-failure"),
            "sts": Case(GOOD, page=POLICY % (b"enforce", b"mx-sts"), kind="sts"),
            "strange": Case(
                STRANGE,
                page=POLICY % (b"enforce", b"mx-strange"),
                gets=False,
                kind="sts",
                result="certificate-host-mismatch",
            ),
            "expired": Case(
                EXPIRED, page=POLICY % (b"testing", b"mx-expired"), kind="sts", result="certificate-expired"
            ),
            "plain": Case(GOOD),
            "clear": Case(CLEAR, result="starttls-not-supported"),
            "silent": Case(GOOD),
        }

    def zone(self, network: LoopbackNetwork) -> str:
        """Return the zone."""
        lines = [
            f"in MX 10 mx-in\nmx-in A {network.address(SINK)}",
            tlsa("mx-in", self.good.record(3)),
            f"web A {network.address(INBOX)}\nbad-web A {network.address(BAD_INBOX)}",
        ]
        for name, case in self.cases.items():
            lines.append(f"{name} MX 10 mx-{name}\nmx-{name} A {network.address(case.host)}")
            if case.record is not None:
                lines.append(tlsa(f"mx-{name}", case.record))
            if case.page:
                lines.append(f'mta-sts.{name} A {network.address(WEB)}\n_mta-sts.{name} TXT "v=STSv1; id=1;"')
            if name != "silent":
                lines.append(f'_smtp._tls.{name} TXT "v=TLSRPTv1; rua={rua(name)}"')
        return "\n".join(lines)


def rua(name: str) -> str:
    """Return where a domain wants its reports."""
    more = {"dane": ",https://web.rpt.test/in?of=dane", "plain": ",https://bad-web.rpt.test/in"}
    return f"mailto:{name}@in.rpt.test{more.get(name, '')}"


def tlsa(name: str, record: TLSA) -> str:
    """Return a record of a host."""
    return f"_{SMTP_PORT}._tcp.{name} TLSA {record.usage} {record.selector} {record.matching} {record.data.hex()}"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def names(root: Path, network: LoopbackNetwork, world: World) -> Iterator[Signed]:
    """Zones."""
    if not UNBOUND.exists():
        pytest.skip("not installed: unbound (tests/interop/install-peers.sh installs it)")
    home = root / "rpt"
    home.mkdir(mode=0o755)
    zones = {"rpt.test": Zone(world.zone(network), anchor="right"), "bogus.test": Zone("", anchor="wrong")}
    daemons = start_signed(home, network, zones)
    yield daemons
    daemons.stop()


@pytest.fixture(scope="module")
def host(root: Path, network: LoopbackNetwork, world: World) -> Iterator[Peer]:
    """Postfix with four faces."""

    def chain(name: str, leaf: Made) -> Path:
        return chain_file(root / f"rpt-{name}.pem", leaf, world.authority)

    more = "".join(
        f"{network.address(face)}:{SMTP_PORT} inet n - n - - smtpd -o {option}\n"
        for face, option in (
            (EXPIRED, f"smtpd_tls_chain_files={chain('expired', world.expired)}"),
            (STRANGE, f"smtpd_tls_chain_files={chain('strange', world.strange)}"),
            (CLEAR, "smtpd_tls_security_level=none"),
        )
    )
    home = root / "rpt-postfix"
    home.mkdir(mode=0o755)
    domains = " ".join(f"{name}.rpt.test" for name in world.cases)
    good = chain("good", world.good)
    peer = start_postfix(home, network, good, domains=domains, relayed="relayed.test", ways={}, host=GOOD, more=more)
    yield peer
    peer.daemon.stop()


@pytest.fixture(scope="module")
def posted(root: Path, network: LoopbackNetwork, world: World) -> Iterator[tuple[list[Posted], list[Posted]]]:
    """What is posted to the right web server, and to the one with another's certificate."""
    served = [name for name, case in world.cases.items() if case.page]
    policies = made("web", world.authority, names=[f"mta-sts.{name}.rpt.test" for name in served])
    right = made("web", world.authority, names=["web.rpt.test"])
    wrong = made("web", world.authority, names=["web.rpt.test"])
    with ExitStack() as stack:
        pages = stack.enter_context(running_policies(network.address(WEB), chain_file(root / "p.pem", policies)))
        pages.pages.update({f"mta-sts.{name}.rpt.test": Page(world.cases[name].page) for name in served})
        yield (
            stack.enter_context(running_inbox(network.address(INBOX), chain_file(root / "r.pem", right))),
            stack.enter_context(running_inbox(network.address(BAD_INBOX), chain_file(root / "w.pem", wrong))),
        )


@pytest.fixture(scope="module")
def site(  # noqa: PLR0917 - all that it talks to
    tmp_path_factory: pytest.TempPathFactory,
    network: LoopbackNetwork,
    names: Signed,
    host: Peer,
    posted: object,
    world: World,
) -> Iterator[RunningSite]:
    """A server that trusts the authority, and signs."""
    folder = tmp_path_factory.mktemp("rpt")
    (folder / "ca.pem").write_bytes(world.authority.pem)
    tables = (
        f'[dns]\nnameservers = ["{names.address}"]\nport = {DNS_PORT}\n'
        'probe = { signed = "rpt.test", broken = "bogus.test" }\n'
        f'[outbound]\nport = {SMTP_PORT}\nallow_networks = ["{network.mask}"]\nca_file = "{folder}/ca.pem"\n'
        '[queue]\nretry = ["1s"]\nretry_cap = "1s"\n[domains."example.org"]\n'
    )
    site = RunningSite(folder, tables)
    try:
        site.start()
        site.add_account(ACCOUNT, PASSWORD)
        site.mta("dkim", "create", "example.org")
        site.mta("dkim", "rotate", "example.org", "--force")
        yield site
    finally:
        site.stop()
        assert "Traceback" not in site.log


def rows(site: RunningSite, sql: str) -> list[tuple[Any, ...]]:
    """Run SQL in the site's database."""
    with closing(sqlite3.connect(site.state / DATABASE_NAME, timeout=20)) as database, database:
        return database.execute(sql).fetchall()


def kill(site: RunningSite) -> None:
    """Kill the server in the midst of whatever it does."""
    site.send_signal(signal.SIGKILL)
    site.wait(signal.SIGKILL)


def die(site: RunningSite) -> None:
    """Kill the server, and start another."""
    kill(site)
    site.start()


def let_a_day_go_by(site: RunningSite) -> None:
    """Let what was counted today be yesterday's."""
    site.stop()
    rows(site, "UPDATE tls_day SET day = day - 1")
    rows(site, "DELETE FROM report_day")
    site.start()
    eventually(lambda: rows(site, "SELECT 1 FROM report_due WHERE kind = 'tls'"), "reports that are due")


def reports_due(site: RunningSite) -> int:
    """Return how many reports are to be made."""
    return int(rows(site, "SELECT count(*) FROM report_due WHERE kind = 'tls'")[0][0])


def test_a_day_is_told_once(
    site: RunningSite, network: LoopbackNetwork, world: World, posted: tuple[list[Posted], list[Posted]]
) -> None:
    """Each domain that asks is told what its hosts showed, once, though the server is killed time and again."""
    for name, case in world.cases.items():
        submit(site, f"bob@{name}.rpt.test")
        (delivered if case.gets else deferred)(site, f"bob@{name}.rpt.test")
    eventually(lambda: len(rows(site, "SELECT 1 FROM tls_day")) == len(world.cases), "all that was counted")
    die(site)
    let_a_day_go_by(site)

    some = "SELECT subject FROM report_due WHERE kind = 'tls' ORDER BY subject LIMIT 4"
    rows(site, f"UPDATE report_due SET due_at = 0 WHERE subject IN ({some})")
    die(site)  # which looks for what is due at once
    eventually(lambda: reports_due(site) <= len(world.cases) - 4, "some reports")
    rows(site, "UPDATE report_due SET due_at = 0")
    die(site)
    eventually(lambda: reports_due(site) == 0, "all reports")
    kill(site)

    with running_sink((network.address(SINK), SMTP_PORT)) as sink:
        site.start()
        asking = [name for name in world.cases if name != "silent"]
        eventually(lambda: len(sink.messages) >= len(asking), "the reports by mail")
        eventually(lambda: posted[0], "the report that is posted")
        submit(site, "dave@in.rpt.test")
        assert deferred(site, "dave@in.rpt.test").endswith("DANE: TLS is required and the host does not offer it")
        assert sorted(each.recipients[0] for each in sink.messages) == sorted(
            f"<{name}@in.rpt.test>" for name in asking
        )
        for name in asking:
            assert_told(world, network, name, report_in(only(sink.messages, name), name))
        assert_signed(site, sink.messages)
        (post,) = posted[0]
        assert (post.place, post.kind) == ("web.rpt.test/in?of=dane", "application/tlsrpt+gzip")
        assert json.loads(gzip.decompress(post.body)) == report_in(only(sink.messages, "dane"), "dane")

    assert posted[1] == []
    assert rows(site, "SELECT url, tries > 0 FROM report_post") == [("https://bad-web.rpt.test/in", 1)]
    assert "the certificate is not for bad-web.rpt.test" in site.log or "TLS failed" in site.log


def test_reports_arent_told_of(site: RunningSite) -> None:
    """Of the domain that all reports went to only the mail is counted that wasn't one."""
    site.stop()  # all is written then
    stored = "SELECT sum(successful), sum(failed) > 0 FROM tls_day WHERE domain = 'in.rpt.test'"

    assert rows(site, stored) == [(0, 1)]
    ((kind,),) = rows(site, "SELECT DISTINCT substr(policy, 1, 7) FROM tls_day WHERE domain = 'in.rpt.test'")
    assert kind == '["tlsa"'
    site.start()


def only(messages: list[Received], name: str) -> Received:
    """Return the message for a domain."""
    (found,) = (each for each in messages if each.recipients == [f"<{name}@in.rpt.test>"])
    return found


def report_in(message: Received, name: str) -> Any:
    """Return the report in a mail, which has the form of RFC 8460 section 5.3."""
    parsed = message_from_bytes(message.data, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert message.sender == "<>"
    assert parsed["From"] == "postmaster@example.org"
    assert (parsed["TLS-Report-Domain"], parsed["TLS-Report-Submitter"]) == (f"{name}.rpt.test", "example.org")
    assert (parsed.get_content_type(), parsed.get_param("report-type")) == ("multipart/report", "tlsrpt")
    subject = rf"Report Domain: {name}\.rpt\.test Submitter: example\.org Report-ID: <([^@<> ]+@mail\.example\.org)>"
    found = re.fullmatch(subject, parsed["Subject"])
    assert found is not None
    words, file = parsed.iter_parts()
    assert (words.get_content_type(), file.get_content_type()) == ("text/plain", "application/tlsrpt+gzip")
    assert re.fullmatch(rf"example\.org!{name}\.rpt\.test!\d+!\d+\.json\.gz", file.get_filename() or "")
    report = json.loads(gzip.decompress(file.get_content()))
    assert report["report-id"] == found[1]
    return report


def assert_told(world: World, network: LoopbackNetwork, name: str, report: Any) -> None:
    """Demand that a report says of a domain what is so, in the form of RFC 8460 section 4.4."""
    case = world.cases[name]
    assert set(report) == {"organization-name", "date-range", "contact-info", "report-id", "policies"}
    begin, end = report["date-range"]["start-datetime"], report["date-range"]["end-datetime"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00Z", begin)
    assert end == begin.replace("T00:00:00", "T23:59:59")
    (told,) = report["policies"]
    assert told["policy"]["policy-type"] == case.kind
    assert told["policy"]["policy-domain"] == f"{'mx-' if case.kind == 'tlsa' else ''}{name}.rpt.test"
    if case.record is not None:
        assert told["policy"]["policy-string"] == [f"3 1 1 {case.record.data.hex()}"]
    if case.page:
        assert told["policy"]["policy-string"] == case.page.decode().splitlines()
        assert told["policy"]["mx-host"] == [f"mx-{name}.rpt.test"]
    summary = told["summary"]
    if not case.result:
        assert summary == {"total-successful-session-count": 1, "total-failure-session-count": 0}
        assert "failure-details" not in told
        return
    (failure,) = told["failure-details"]
    assert summary["total-successful-session-count"] == 0
    assert summary["total-failure-session-count"] == failure["failed-session-count"] >= 1
    assert failure["result-type"] == case.result
    assert failure["receiving-mx-hostname"] == f"mx-{name}.rpt.test"
    assert failure["receiving-ip"] == network.address(case.host)
    assert failure["sending-mta-ip"].startswith("127.")


def assert_signed(site: RunningSite, messages: list[Received]) -> None:
    """Demand good signatures in the name of the sender (RFC 8460 section 3)."""
    shown = json.loads(site.mta("dkim", "show", "example.org", "--json").stdout)
    zone = {key["name"]: key["record"].encode() for key in shown}
    for each in messages:
        assert {(result.word, result.domain) for result in verdicts(each.data, zone, FAR)} == {("pass", "example.org")}
