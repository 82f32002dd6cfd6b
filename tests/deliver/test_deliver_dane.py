"""Deliveries to hosts with TLSA records: who gets the mail, who doesn't, and who is asked about at all."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from chain_made import Made, made, server_context
from scripted_host import DNS_DOWN, DROP, Scene, ScriptedHost, message_to

from twistedmail_mta.dane.records import TLSA
from twistedmail_mta.deliver.dane import DANE
from twistedmail_mta.deliver.demands import Demands
from twistedmail_mta.deliver.pool import Reuse
from twistedmail_mta.model import Deferred, Delivered, NextHop, Outcome

MX = "mx.example.net"
UNUSABLE = TLSA(1, 1, 1, bytes(32))


@pytest.fixture(scope="module")
def authority() -> Made:
    return made("Authority", is_authority=True)


@pytest.fixture(scope="module")
def leaf(authority: Made) -> Made:
    return made("mx", authority, names=[MX])


class Site:
    """A scene where everything is signed, and the resolver is known to validate, unless told otherwise."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.tables = scene.tables
        self.tables.insecure = set()
        self.validates = True
        self.was_asked = self.looked = 0
        scene.demands = Demands(DANE(self.tables, self))

    async def holds(self) -> bool:
        self.was_asked += 1
        return self.validates

    def look(self) -> None:
        self.looked += 1

    def host(self, *records: TLSA, name: str = MX, address: str = "127.0.0.1", **options: Any) -> ScriptedHost:
        """Start a host with TLSA records; the first host's port is that of all."""
        host = self.scene.host(address, **options)
        self.tables.address_table[name] = [address]
        self.tables.mx_table["example.net"] = [(10, name)]
        if records:
            self.tables.tlsa_table[f"_{host.port}._tcp.{name}"] = list(records)
        return host

    async def deliver(self, port: int, **options: Any) -> Outcome:
        """Deliver a message to a recipient at example.net."""
        next_hop = NextHop("example.net", port, **{"mx": True, **options})
        (outcome,) = await self.scene.deliver(message_to("bob"), next_hop)
        return outcome


@pytest.fixture
def site(scene: Scene) -> Site:
    return Site(scene)


def refused(host: ScriptedHost) -> bool:
    """Return whether a host saw no sender."""
    return not any(line.startswith(b"MAIL") for line in host.commands)


@pytest.mark.parametrize("usage", [2, 3])
@pytest_twisted.ensureDeferred
async def test_right_record(site: Site, leaf: Made, authority: Made, usage: int) -> None:
    """The certificate is the record's: the mail goes, and the outcome says by what; the name is sent (SNI)."""
    context, names = server_context(leaf, authority), []
    context.set_tlsext_servername_callback(lambda connection: names.append(connection.get_servername()))
    host = site.host((leaf if usage == 3 else authority).record(usage), context=context)

    outcome = await site.deliver(host.port)

    assert isinstance(outcome, Delivered)
    assert (outcome.encrypted, outcome.proof) == (True, "DANE")
    assert names == [MX.encode()]


@pytest_twisted.ensureDeferred
async def test_wrong_record(site: Site, leaf: Made) -> None:
    """The record means another certificate: nothing is said inside TLS, and never in clear."""
    host = site.host(made("other").record(3), context=server_context(leaf))

    outcome = await site.deliver(host.port)

    assert type(outcome) is Deferred
    assert outcome.reply.status == "4.7.5"
    assert outcome.reply.text == "DANE: TLS could not be set up: no TLSA record means the certificate"
    assert not outcome.unreached, "the host bears other mail, so its lane mustn't rest"
    assert host.commands == [b"EHLO mail.example.org", b"STARTTLS"]
    assert len(host.sessions) == 1


@pytest_twisted.ensureDeferred
async def test_no_tls(site: Site, leaf: Made) -> None:
    """Records promise TLS: without STARTTLS somebody is in between (RFC 7672 section 2.2)."""
    host = site.host(leaf.record(3))

    outcome = await site.deliver(host.port)

    assert type(outcome) is Deferred
    assert outcome.reply.text == "DANE: TLS is required and the host does not offer it"
    assert not outcome.unreached
    assert refused(host)


@pytest.mark.parametrize("answers", [{"TLS": DROP}, {"STARTTLS": DROP}, {"STARTTLS": b"454 4.7.0 not now\r\n"}])
@pytest_twisted.ensureDeferred
async def test_no_fallback(site: Site, leaf: Made, answers: dict[str, Any]) -> None:
    """A handshake that fails, or isn't wanted, is no reason to go on in clear."""
    host = site.host(leaf.record(3), context=server_context(leaf), answers=answers)

    outcome = await site.deliver(host.port)

    assert type(outcome) is Deferred
    assert refused(host)
    assert len(host.sessions) == 1


@pytest_twisted.ensureDeferred
async def test_host_that_is_down(site: Site, leaf: Made) -> None:
    """Nobody answers there: that is no matter of proof, and the lane rests."""
    host = site.host(leaf.record(3), context=server_context(leaf), answers={"GREETING": DROP})

    outcome = await site.deliver(host.port)

    assert type(outcome) is Deferred
    assert outcome.unreached
    assert "DANE" not in outcome.reply.text


@pytest_twisted.ensureDeferred
async def test_unusable_records_demand_tls(site: Site, leaf: Made) -> None:
    """Records of no use prove nobody's identity, but TLS is promised (RFC 7672 section 2.2)."""
    host = site.host(UNUSABLE, context=server_context(leaf))
    plain = site.host(UNUSABLE, address="127.0.0.2")

    site.tables.mx_table["example.net"] = [(10, MX)]
    site.tables.address_table[MX] = ["127.0.0.1"]
    encrypted = await site.deliver(host.port)
    site.tables.address_table[MX] = ["127.0.0.2"]
    clear = await site.deliver(plain.port)

    assert isinstance(encrypted, Delivered)
    assert (encrypted.encrypted, encrypted.proof) == (True, "")
    assert type(clear) is Deferred
    assert refused(plain)


@pytest_twisted.ensureDeferred
async def test_no_records(site: Site) -> None:
    """A signed zone without TLSA records promises nothing."""
    host = site.host()

    outcome = await site.deliver(host.port)

    assert isinstance(outcome, Delivered)
    assert outcome.proof == ""
    assert site.tables.asked == [f"_{host.port}._tcp.{MX}"]


@pytest.mark.parametrize("insecure", ["example.net", MX])
@pytest_twisted.ensureDeferred
async def test_insecure_way(site: Site, insecure: str) -> None:
    """Where the MX records or the addresses aren't signed, nobody asks for TLSA, nor waits to hear who validates."""
    host = site.host(made("other").record(3))
    site.tables.insecure = {insecure}

    assert isinstance(await site.deliver(host.port), Delivered)
    assert (site.tables.asked, site.was_asked, site.looked) == ([], 0, 1)


@pytest_twisted.ensureDeferred
async def test_insecure_records(site: Site) -> None:
    """Records that the resolver doesn't vouch for are none."""
    host = site.host(made("other").record(3))
    site.tables.insecure = {f"_{host.port}._tcp.{MX}"}

    assert isinstance(await site.deliver(host.port), Delivered)


@pytest_twisted.ensureDeferred
async def test_resolver_that_does_not_validate(site: Site) -> None:
    """What calls itself authentic there proves nothing, so mail goes as if there was no DANE, and isn't delayed."""
    host = site.host(made("other").record(3))
    site.validates = False

    assert isinstance(await site.deliver(host.port), Delivered)
    assert site.tables.asked == []


@pytest_twisted.ensureDeferred
async def test_bogus_records(site: Site) -> None:
    """Whether there are records can't be told: the mail waits, and the reason is DANE (RFC 7672 section 2.1.2)."""
    host = site.host()
    site.tables.tlsa_table[f"_{host.port}._tcp.{MX}"] = DNS_DOWN

    outcome = await site.deliver(host.port)

    assert type(outcome) is Deferred
    assert outcome.reply.text.startswith("DANE: ")
    assert host.sessions == []


@pytest_twisted.ensureDeferred
async def test_next_host_where_one_fails(site: Site, leaf: Made) -> None:
    """A host that can't be trusted is passed over; one of a worse preference that can gets the mail."""
    good = site.host(leaf.record(3), name="b.example.net", context=server_context(leaf))
    bogus = site.scene.host("127.0.0.2", good.port, context=server_context(leaf))
    wrong = site.scene.host("127.0.0.3", good.port, context=server_context(leaf))
    site.tables.address_table |= {"a.example.net": ["127.0.0.2"], "c.example.net": ["127.0.0.3"]}
    site.tables.mx_table["example.net"] = [(5, "a.example.net"), (7, "c.example.net"), (10, "b.example.net")]
    site.tables.tlsa_table |= {
        f"_{good.port}._tcp.a.example.net": DNS_DOWN,
        f"_{good.port}._tcp.c.example.net": [made("other").record(3)],
    }

    outcome = await site.deliver(good.port)

    assert isinstance(outcome, Delivered)
    assert outcome.remote == "b.example.net [127.0.0.1]"
    assert bogus.sessions == []
    assert refused(wrong)


@pytest.mark.parametrize("names", [["mx.example.net"], ["example.net"]])
@pytest_twisted.ensureDeferred
async def test_names_below_an_authority(site: Site, authority: Made, names: list[str]) -> None:
    """The certificate may be for the host or for the domain (RFC 7672 section 3.2.2)."""
    context = server_context(made("x", authority, names=names), authority)
    host = site.host(authority.record(2), context=context)

    outcome = await site.deliver(host.port)

    assert isinstance(outcome, Delivered)
    assert outcome.proof == "DANE"


@pytest_twisted.ensureDeferred
async def test_wrong_name_below_an_authority(site: Site, authority: Made) -> None:
    """A certificate of the same authority for somebody else is none."""
    context = server_context(made("x", authority, names=["mx.example.org"]), authority)
    host = site.host(authority.record(2), context=context)

    outcome = await site.deliver(host.port)

    assert "not for mx.example.net or example.net" in outcome.reply.text


@pytest.mark.parametrize("at", ["end.example.org", MX])
@pytest_twisted.ensureDeferred
async def test_alias(site: Site, authority: Made, at: str) -> None:
    """Of a host that is an alias the records at the end count, else those at its own name (RFC 7672 section 2.2.3)."""
    context, names = server_context(made("x", authority, names=[at]), authority), []
    context.set_tlsext_servername_callback(lambda connection: names.append(connection.get_servername()))
    host = site.host(context=context)
    site.tables.address_table = {"end.example.org": ["127.0.0.1"]}
    site.tables.aliases = {MX: "end.example.org"}
    site.tables.tlsa_table = {f"_{host.port}._tcp.{at}": [authority.record(2)]}

    outcome = await site.deliver(host.port)

    assert isinstance(outcome, Delivered)
    assert (outcome.proof, names) == ("DANE", [at.encode()])


@pytest_twisted.ensureDeferred
async def test_alias_to_an_unsigned_zone(site: Site, leaf: Made) -> None:
    """The alias itself is signed, so records at its name count; those at the end can't be believed."""
    host = site.host(leaf.record(3), context=server_context(leaf))
    site.tables.address_table = {"end.example.org": ["127.0.0.1"]}
    site.tables.aliases = {MX: "end.example.org"}
    site.tables.insecure = {"end.example.org"}

    outcome = await site.deliver(host.port)

    assert isinstance(outcome, Delivered)
    assert outcome.proof == "DANE"
    assert site.tables.asked == [f"_{host.port}._tcp.{MX}"]


@pytest_twisted.ensureDeferred
async def test_unsigned_alias(site: Site) -> None:
    """Anybody may have made it, so neither of its ends is asked about (RFC 7672 section 2.2.3)."""
    host = site.host(made("other").record(3))
    site.tables.address_table = {"end.example.org": ["127.0.0.1"]}
    site.tables.aliases = {MX: "end.example.org"}
    site.tables.insecure = {MX, "end.example.org"}

    assert isinstance(await site.deliver(host.port), Delivered)
    assert site.tables.asked == []


@pytest_twisted.ensureDeferred
async def test_explicit_host(site: Site, leaf: Made) -> None:
    """A next hop that the site names has records, too, unless the site says itself what it demands."""
    host = site.host(made("other").record(3), name="example.net", context=server_context(leaf))

    assert type(await site.deliver(host.port, mx=False)) is Deferred
    assert isinstance(await site.deliver(host.port, mx=False, tls="none"), Delivered)
    assert len(site.tables.asked) == 1


@pytest_twisted.ensureDeferred
async def test_kept_connection_is_not_for_stricter_demands(site: Site, leaf: Made) -> None:
    """A connection from before there were records doesn't carry mail that demands them."""
    host = site.host(context=server_context(leaf))
    agent = site.scene.agent(Reuse())
    message, next_hop = message_to("bob"), NextHop("example.net", host.port, mx=True)

    def deliver() -> Any:
        return agent.deliver(message, message.envelope.recipients, next_hop, lambda _: True)

    await deliver()
    await deliver()
    assert len(host.sessions) == 1
    site.tables.tlsa_table[f"_{host.port}._tcp.{MX}"] = [leaf.record(3)]
    (first,) = await deliver()
    (second,) = await deliver()

    assert len(host.sessions) == 2
    assert (first.proof, second.proof) == ("DANE", "DANE")
