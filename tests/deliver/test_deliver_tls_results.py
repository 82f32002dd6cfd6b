"""How TLS went, counted with each session: what was demanded by whom, and what was wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from chain_made import Made, made, server_context
from scripted_host import DNS_DOWN, DROP, HANG_UP, Scene, ScriptedHost, message_to
from zope.interface import implementer

from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.deliver.dane import DANE
from twistedmail_mta.deliver.demands import Demands
from twistedmail_mta.deliver.pool import Reuse
from twistedmail_mta.interfaces import ITLSSessions
from twistedmail_mta.model import Delivered, Message, NextHop, Outcome
from twistedmail_mta.mta_sts.policy import Policy as STSPolicy
from twistedmail_mta.tags import DESPITE_TLS
from twistedmail_mta.tls.client import ClientTLS
from twistedmail_mta.tls_report.report import Failure, Policy

MX = "mx.example.net"
NONE = Policy("no-policy-found", "example.net")
ENFORCED = STSPolicy("enforce", 86400, (MX,))


def sts(policy: STSPolicy) -> Policy:
    """Return a policy of example.net as reports show it."""
    return Policy("sts", "example.net", policy.lines, policy.patterns)


class Policies:
    """Stands in for who fetches policies."""

    def __init__(self, policy: STSPolicy | None, trouble: Any = None) -> None:
        self._policy, self._trouble = policy, trouble

    async def policy(self, domain: str) -> STSPolicy | None:
        assert domain == "example.net"
        return self._policy

    def problem(self, domain: str) -> Any:
        return self._trouble


@implementer(ITLSSessions)
class Site:
    """Mail for example.net, over real connections; what is counted is in `sessions`."""

    def __init__(self, scene: Scene, authority: Made, folder: Path) -> None:
        (folder / "ca.pem").write_bytes(authority.pem)
        self.scene, self.authority = scene, authority
        self.sessions: list[tuple[str, Policy, Failure | None]] = []
        scene.security = ClientTLS(folder / "ca.pem")
        scene.sessions = self
        scene.demands = Demands(sessions=self)
        scene.tables.insecure = set()

    def note(self, domain: str, policy: Policy, failure: Failure | None) -> None:
        self.sessions.append((domain, policy, failure))

    def follow(self, policy: STSPolicy | None, trouble: Any = None) -> None:
        """Let the domain have an MTA-STS policy."""
        policies: Any = Policies(policy, trouble)
        self.scene.demands = Demands(sts=policies, sessions=self)

    def host(self, *records: TLSA, leaf: Made | None = None, **options: Any) -> ScriptedHost:
        """Start the only host of the domain."""
        context = None if leaf is None else server_context(leaf, self.authority)
        host = self.scene.host(context=context, **options)
        self.scene.tables.address_table[MX] = ["127.0.0.1"]
        self.scene.tables.mx_table["example.net"] = [(10, MX)]
        if records:
            self.scene.tables.tlsa_table[f"_{host.port}._tcp.{MX}"] = list(records)
            self.scene.demands = Demands(DANE(self.scene.tables, self), sessions=self)
        return host

    async def holds(self) -> bool:
        return True

    def look(self) -> None:
        """It is known."""

    async def deliver(self, port: int, message: Message | None = None, **options: Any) -> Outcome:
        next_hop = NextHop("example.net", port, **{"mx": True, **options})
        (outcome,) = await self.scene.deliver(message or message_to("bob"), next_hop)
        return outcome

    @property
    def only(self) -> tuple[Policy, str, str]:
        """Return policy, result and reason of the only session."""
        ((domain, policy, failure),) = self.sessions
        assert domain == "example.net"
        if failure is None:
            return policy, "", ""
        assert (failure.sending_ip, failure.mx_host, failure.receiving_ip) == ("127.0.0.1", MX, "127.0.0.1")
        return policy, failure.result, failure.reason


@pytest.fixture(scope="module")
def authority() -> Made:
    return made("Authority", is_authority=True)


@pytest.fixture(scope="module")
def leaf(authority: Made) -> Made:
    return made("mx", authority, names=[MX])


@pytest.fixture
def site(scene: Scene, authority: Made, tmp_path: Path) -> Iterator[Site]:
    return Site(scene, authority, tmp_path)


@pytest_twisted.ensureDeferred
async def test_nothing_demanded(site: Site) -> None:
    """Where nothing is demanded any certificate is a success."""
    host = site.host(leaf=made("anybody"))

    assert isinstance(await site.deliver(host.port), Delivered)
    assert site.only == (NONE, "", "")


@pytest_twisted.ensureDeferred
async def test_no_tls(site: Site) -> None:
    """A host without TLS is a failure, though it gets the mail; it is counted once."""
    host = site.host()

    assert isinstance(await site.deliver(host.port), Delivered)
    assert site.only == (NONE, "starttls-not-supported", "")


@pytest_twisted.ensureDeferred
async def test_tls_refused(site: Site, leaf: Made) -> None:
    """A host that offers TLS and won't do it hasn't got it."""
    host = site.host(leaf=leaf, answers={"STARTTLS": b"454 4.7.0 not now\r\n"})

    assert isinstance(await site.deliver(host.port), Delivered)
    assert site.only[1] == "starttls-not-supported"


@pytest_twisted.ensureDeferred
async def test_broken_handshake(site: Site, leaf: Made) -> None:
    """What breaks in the handshake is told in words; that the mail then goes in clear isn't another session."""
    host = site.host(leaf=leaf, answers={"TLS": [b"this is no TLS\r\n"]})

    assert isinstance(await site.deliver(host.port), Delivered)
    policy, result, reason = site.only
    assert (policy, result) == (NONE, "validation-failure")
    assert reason.startswith("TLS could not be set up: ")


@pytest.mark.parametrize("answers", [{"GREETING": b"554 no\r\n"}, {"GREETING": DROP}, {"EHLO": b"550 no\r\n"}])
@pytest_twisted.ensureDeferred
async def test_never_came_to_tls(site: Site, leaf: Made, answers: Any) -> None:
    """A host that says nothing of TLS, and one that can't be reached, aren't told of."""
    host = site.host(leaf=leaf, answers=answers)

    await site.deliver(host.port)
    await site.deliver(1)
    assert site.sessions == []


@pytest_twisted.ensureDeferred
async def test_failed_behind_tls(site: Site, leaf: Made) -> None:
    """What goes wrong once TLS is there is no failure of TLS."""
    host = site.host(leaf=leaf, answers={"EHLO": [None, b"421 not now\r\n"]})

    await site.deliver(host.port)
    assert site.only == (NONE, "", "")


def certificates(authority: Made) -> dict[str, Made]:
    return {
        "": made("mx", authority, names=[MX]),
        "certificate-host-mismatch": made("mx", authority, names=["other.example.net"]),
        "certificate-expired": made("mx", authority, names=[MX], age=20, days=10),
        "certificate-not-trusted": made("mx", names=[MX]),
    }


@pytest.mark.parametrize("mode", ["enforce", "testing"])
@pytest.mark.parametrize("result", ["", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted"])
@pytest_twisted.ensureDeferred
async def test_certificates_of_a_policy(site: Site, authority: Made, mode: Any, result: str) -> None:
    """A policy's demands are told with its lines, enforced or only tested."""
    policy = replace(ENFORCED, mode=mode)
    host = site.host(leaf=certificates(authority)[result])
    site.follow(policy)

    outcome = await site.deliver(host.port)

    assert isinstance(outcome, Delivered) == (mode == "testing" or not result)
    assert site.only[:2] == (sts(policy), result)
    assert sts(policy).lines == ("version: STSv1", f"mode: {mode}", f"mx: {MX}", "max_age: 86400")


@pytest.mark.parametrize("mode", ["enforce", "testing"])
@pytest_twisted.ensureDeferred
async def test_policy_and_no_tls(site: Site, mode: Any) -> None:
    """A host without TLS fails its policy."""
    policy = replace(ENFORCED, mode=mode)
    host = site.host()
    site.follow(policy)

    await site.deliver(host.port)
    assert site.only == (sts(policy), "starttls-not-supported", "")


@pytest_twisted.ensureDeferred
async def test_host_that_a_tested_policy_names_not(site: Site, leaf: Made) -> None:
    """It gets the mail, and the domain is told; nothing is said of its proof."""
    policy = replace(ENFORCED, mode="testing", patterns=("other.example.net",))
    host = site.host(leaf=leaf)
    site.follow(policy)

    outcome = await site.deliver(host.port)

    assert isinstance(outcome, Delivered)
    assert outcome.proof == ""
    assert site.only == (sts(policy), "validation-failure", "the policy names other hosts")


@pytest_twisted.ensureDeferred
async def test_host_that_a_policy_names_not(site: Site, leaf: Made) -> None:
    """It isn't even tried; the domain learns that."""
    host = site.host(leaf=leaf)
    site.follow(replace(ENFORCED, patterns=("other.example.net",)))

    await site.deliver(host.port)

    ((domain, policy, failure),) = site.sessions
    assert (domain, policy) == ("example.net", Policy("sts", "example.net"))
    assert failure is not None
    assert (failure.result, failure.mx_host) == ("validation-failure", MX)
    assert host.sessions == []


@pytest_twisted.ensureDeferred
async def test_policy_that_cant_be_had(site: Site, leaf: Made) -> None:
    """The mail goes as if there was none, which is told, and so is why there was none."""
    host = site.host(leaf=leaf)
    site.follow(None, ("sts-policy-invalid", "a line of it is no field"))

    await site.deliver(host.port)

    assert site.sessions == [
        ("example.net", Policy("sts", "example.net"), Failure("sts-policy-invalid", reason="a line of it is no field")),
        ("example.net", NONE, None),
    ]


@pytest_twisted.ensureDeferred
async def test_policy_that_nobody_needs(site: Site, leaf: Made) -> None:
    """Where DANE says all, nobody asks for a policy, and that there is none is no failure."""
    host = site.host(leaf.record(3), leaf=leaf)
    policies: Any = Policies(None, ("sts-policy-invalid", "a line of it is no field"))
    site.scene.demands = replace(site.scene.demands, sts=policies)

    await site.deliver(host.port)

    assert site.only[0].type == "tlsa"


@pytest_twisted.ensureDeferred
async def test_right_record(site: Site, leaf: Made) -> None:
    """DANE is told with the records as they were published, those of no use too, at the name they were found at."""
    useless, right = TLSA(1, 1, 1, bytes(32)), leaf.record(3)
    host = site.host(useless, right, leaf=leaf)

    assert isinstance(await site.deliver(host.port), Delivered)
    assert site.only == (Policy("tlsa", MX, (f"1 1 1 {'00' * 32}", f"3 1 1 {right.data.hex()}")), "", "")


@pytest.mark.parametrize(
    ("usage", "subject", "result"),
    [
        (3, "other", "validation-failure"),
        (2, "other", "validation-failure"),
        (2, "expired", "certificate-not-trusted"),
        (2, "named", "certificate-host-mismatch"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_wrong_record(site: Site, authority: Made, usage: int, subject: str, result: str) -> None:
    """A certificate that no record means; one that the record's authority doesn't stand for; one of another host."""
    leaves = {
        "other": made("mx", authority, names=[MX]),
        "expired": made("mx", authority, names=[MX], age=20, days=10),
        "named": made("mx", authority, names=["other.example.net"]),
    }
    record = made("Stranger", is_authority=True).record(usage) if subject == "other" else authority.record(usage)
    host = site.host(record, leaf=leaves[subject])

    await site.deliver(host.port)
    policy, found, reason = site.only
    assert (policy.type, policy.domain, found) == ("tlsa", MX, result)
    assert reason


@pytest_twisted.ensureDeferred
async def test_records_of_no_use(site: Site, leaf: Made) -> None:
    """They demand TLS with anybody, and their owner is told that they prove nothing."""
    host = site.host(TLSA(1, 1, 1, bytes(32)), leaf=leaf)

    assert isinstance(await site.deliver(host.port), Delivered)
    assert site.only[0].type == "tlsa"
    assert site.only[1] == "tlsa-invalid"


@pytest_twisted.ensureDeferred
async def test_records_that_cant_be_had(site: Site, leaf: Made) -> None:
    """A host whose records the DNS can't give isn't tried; the domain learns that."""
    host = site.host(leaf.record(3), leaf=leaf)
    site.scene.tables.tlsa_table[f"_{host.port}._tcp.{MX}"] = DNS_DOWN

    await site.deliver(host.port)

    ((domain, policy, failure),) = site.sessions
    assert (domain, policy) == ("example.net", Policy("tlsa", MX))
    assert failure is not None
    assert (failure.result, failure.mx_host) == ("dnssec-invalid", MX)


@pytest.mark.parametrize(
    "options", [{"mx": False, "host": MX}, {"tls": "required"}, {"tls": "none"}, {"mx": False, "host": "127.0.0.1"}]
)
@pytest_twisted.ensureDeferred
async def test_ways_of_the_site_file(site: Site, leaf: Made, options: dict[str, Any]) -> None:
    """Routes of its own, and where it demands TLS or forbids it, are nobody else's business."""
    host = site.host(leaf=leaf)
    next_hop = replace(NextHop("example.net", host.port, mx=True), **options)

    await site.scene.deliver(message_to("bob"), next_hop)

    assert len(host.sessions) == 1
    assert site.sessions == []


@pytest_twisted.ensureDeferred
async def test_one_session_for_many_messages(site: Site, leaf: Made) -> None:
    """A connection that carries several messages is one session."""
    host = site.host(leaf=leaf)
    agent = site.scene.agent(Reuse(messages=2))
    message, next_hop = message_to("bob"), NextHop("example.net", host.port, mx=True)

    for _ in range(2):
        await agent.deliver(message, message.envelope.recipients, next_hop, lambda _: True)

    assert len(host.messages) == 2
    assert len(site.sessions) == 1


@pytest.mark.parametrize("policy", ["tlsa", "sts", "unnamed", "broken"])
@pytest_twisted.ensureDeferred
async def test_reports_themselves(site: Site, leaf: Made, policy: str) -> None:
    """A report gets there whatever is wrong with TLS, in clear if need be, and isn't counted (RFC 8460 section 3)."""
    answers = {"TLS": [HANG_UP]} if policy == "broken" else {}
    records = [made("other").record(3)] if policy == "tlsa" else []
    host = site.host(*records, leaf=leaf if policy == "broken" else made("stranger"), answers=answers)
    if policy != "tlsa":
        site.follow(replace(ENFORCED, patterns=("other.example.net",)) if policy == "unnamed" else ENFORCED)

    refused = await site.deliver(host.port)
    counted = len(site.sessions)
    if policy == "broken":
        host.answers["TLS"] = [HANG_UP]
    outcome = await site.deliver(host.port, replace(message_to("bob"), tags=(DESPITE_TLS,)))

    assert not isinstance(refused, Delivered)
    assert isinstance(outcome, Delivered)
    assert len(site.sessions) == counted == 1
