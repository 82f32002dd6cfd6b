"""A stranger's mail through an alias to another host: with a sender of ours, sealed; and the report that finds back."""

from __future__ import annotations

import json
import re
import smtplib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from arc_made import verdict_on
from mail_sink import Received, Sink, running_sink
from running_site import PASSWORD, RunningSite, wait_until
from test_system_relay import FOREIGN
from test_system_reputation import NameServer
from typist import Typist

STRANGER = "joe@strangers.test"
LONG = "bounces+123456-0a1b-alice=example.net@em1234.news.of.a.shop.test"
PERMITTING = "ann@permitting.test"
ALIAS = "away@home.test"
SOURCE = "127.0.0.9"


@pytest.fixture(scope="module")
def names() -> Iterator[NameServer]:
    """Everybody's mail goes to one host; one domain permits our address."""
    server = NameServer()
    add = server.responder.add
    for domain in ("else.test", "strangers.test", "permitting.test", "em1234.news.of.a.shop.test"):
        add(domain, "MX", "10 mx.else.test.")
    add("mx.else.test", "A", "127.0.0.3")
    add("strangers.test", "TXT", '"v=spf1 ip4:192.0.2.1 -all"')
    add("permitting.test", "TXT", f'"v=spf1 ip4:{SOURCE} -all"')
    yield server
    server.close()


@pytest.fixture(scope="module")
def world() -> Iterator[Sink]:
    """The host that all other mail goes to."""
    with running_sink(("127.0.0.3", 0)) as sink:
        yield sink


@pytest.fixture(scope="module")
def forwarding(tmp_path_factory: pytest.TempPathFactory, world: Sink, names: NameServer) -> Iterator[RunningSite]:
    """A site with an alias for an address elsewhere."""
    site = RunningSite(
        tmp_path_factory.mktemp("forwarding"),
        f'[dns]\nnameservers = ["127.0.0.1"]\nport = {names.port}\ntimeout = "2s"\n'
        f'[outbound]\nport = {world.port}\nallow_networks = ["127.0.0.3/32"]\nsource_addresses = ["{SOURCE}"]\n'
        '[domains."home.test"]\n',
    )
    site.start()
    site.mta("alias", "add", ALIAS, "eve@else.test")
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def send(site: RunningSite, sender: str, recipient: str, mark: str) -> None:
    with smtplib.SMTP("127.0.0.1", site.ports["mx"], timeout=20) as client:
        client.sendmail(sender, recipient, f"From: joe@far.test\r\nSubject: {mark}\r\n\r\nhello\r\n".encode())


def arrived(world: Sink, mark: str) -> Received:
    """Wait for the message with the mark; there is one."""
    wait_until(lambda: [each for each in world.messages if mark.encode() in each.data])
    (found,) = [each for each in world.messages if mark.encode() in each.data]
    return found


def address(text: str) -> str:
    """The address of what followed MAIL FROM: or RCPT TO:."""
    found = re.match(r"<([^>]*)>", text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(("sender", "mark"), [(STRANGER, "first"), (LONG, "second")])
def test_there_and_back(forwarding: RunningSite, world: Sink, sender: str, mark: str) -> None:
    """It leaves with a sender that SPF can't object to; the report to that reaches the stranger, once, as a report."""
    send(forwarding, sender, ALIAS, mark)
    gone = arrived(world, mark)
    rewritten = address(gone.sender)

    assert [address(each) for each in gone.recipients] == ["eve@else.test"]
    assert re.fullmatch(r"SRS0=[A-Z2-7]{8}=[A-Z2-7]{2}=\S+@home\.test", rewritten)
    assert len(rewritten.partition("@")[0]) <= 64
    assert f"is forwarded from <{rewritten}> instead of <{sender}>" in forwarding.log

    send(forwarding, "", rewritten.lower(), f"report about {mark}")

    back = arrived(world, f"report about {mark}")
    assert address(back.sender) == ""
    assert [address(each) for each in back.recipients] == [sender]


def test_spf_lets_it_pass(forwarding: RunningSite, world: Sink) -> None:
    """Then the sender stays."""
    send(forwarding, PERMITTING, ALIAS, "permitted")

    assert address(arrived(world, "permitted").sender) == PERMITTING


def test_reports_are_forwarded_as_reports(forwarding: RunningSite, world: Sink) -> None:
    """The null sender stays null, so that no report is ever answered by one."""
    send(forwarding, "", ALIAS, "from nobody")

    assert address(arrived(world, "from nobody").sender) == ""


def test_what_another_forwarded_before(forwarding: RunningSite, world: Sink) -> None:
    """Its sender goes back to the first host that rewrote it."""
    send(forwarding, "SRS0=abcd=2W=strangers.test=joe@permitting.test", ALIAS, "twice")
    once = address(arrived(world, "twice").sender)
    assert once == "SRS0=abcd=2W=strangers.test=joe@permitting.test"  # SPF permits

    send(forwarding, "SRS0=abcd=2W=far.test=joe@strangers.test", ALIAS, "thrice")
    rewritten = address(arrived(world, "thrice").sender)
    assert re.fullmatch(r"SRS1=[A-Z2-7]{8}=strangers\.test==abcd=2W=far\.test=joe@home\.test", rewritten)

    send(forwarding, "", rewritten, "report about the third")
    back = arrived(world, "report about the third")
    assert [address(each) for each in back.recipients] == ["SRS0=abcd=2W=far.test=joe@strangers.test"]


def test_nobody_relays_by_it(forwarding: RunningSite, world: Sink) -> None:
    """A good address made into one for somebody else, and what was never one: refused, however it is tried."""
    send(forwarding, STRANGER, ALIAS, "for the hash")
    good = address(arrived(world, "for the hash").sender)
    begin, day, *_ = good.removeprefix("SRS0=").split("=")
    hostile = [
        good.replace("joe", "eve"),
        good.replace("strangers.test", "foreign.test"),
        good.replace("strangers.test=joe", "strangers.tes=tjoe"),
        good.replace("SRS0", "SRS1"),
        good.replace(f"={day}=", "=AA="),
        f"SRS1={begin}=foreign.test==user@home.test",
        f"SRS0={begin}={day}==user@home.test",
        "SRS0=@home.test",
        "SRS1=@home.test",
        good.replace("home.test", "foreign.test"),
        *(f'"SRS0={begin}={day}=foreign.test={path}"@home.test' for path in ("user", "user@foreign.test")),
        *FOREIGN,
    ]
    before = len(world.messages)
    for path in hostile:
        with Typist(forwarding.ports["mx"]) as typist:
            typist.reply()
            typist.type("EHLO me")
            typist.type("MAIL FROM:<>")
            assert typist.type(f"RCPT TO:<{path}>")[:5] in ("550 5", "501 5", "553 5"), path
            assert typist.type("DATA")[:3] in ("503", "554"), path
    with Typist(forwarding.ports["mx"]) as typist:
        typist.reply()
        typist.type("EHLO me")
        for sender in (STRANGER, "postmaster@home.test", good):
            typist.type(f"MAIL FROM:<{sender}>")
            assert typist.type(f"RCPT TO:<{good}>").startswith("550 5.7.1"), sender
            typist.type("RSET")
    assert len(world.messages) == before


def test_domain_that_is_not_hosted(tmp_path: Path) -> None:
    """No report would come back there: the server doesn't start, and says which key it was."""
    site = RunningSite(tmp_path / "site", '[forwarding]\ndomain = "foreign.test"\n')

    with pytest.raises(AssertionError, match=r"forwarding\.domain: foreign\.test isn't hosted here"):
        site.start()


def test_secret_that_is_too_short(tmp_path: Path) -> None:
    """It could be guessed."""
    site = RunningSite(tmp_path / "site", '[forwarding]\nsecret_file = "secret"\n')
    (site.directory / "secret").write_text("short\n")

    with pytest.raises(AssertionError, match=r"forwarding\.secret_file: .*at least 16 characters"):
        site.start()


def test_never(tmp_path: Path, world: Sink, names: NameServer) -> None:
    """The sender stays whatever SPF says, and nothing is taken for rewritten ones."""
    site = RunningSite(
        tmp_path / "site",
        f'[dns]\nnameservers = ["127.0.0.1"]\nport = {names.port}\n[forwarding]\nsrs = "never"\n'
        f'[domains."home.test"]\n[[route]]\nmatch = {{}}\nvia = "smtp://127.0.0.3:{world.port}"\n',
    ).start()
    site.mta("alias", "add", ALIAS, "eve@else.test")

    send(site, STRANGER, ALIAS, "never")

    assert address(arrived(world, "never").sender) == STRANGER
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(site, "", "SRS0=AAAAAAAA=2W=strangers.test=joe@home.test", "nothing")
    assert site.stop() == 0


@pytest.fixture(scope="module")
def sealing(tmp_path_factory: pytest.TempPathFactory, world: Sink, names: NameServer) -> Iterator[RunningSite]:
    """A site that examines mail, files forgeries, and has keys for the alias's domain."""
    add = names.responder.add
    add("_dmarc.bank.test", "TXT", '"v=DMARC1; p=reject"')
    add("bank.test", "TXT", '"v=spf1 ip4:192.0.2.1 -all"')
    add("bank.test", "MX", "10 mx.else.test.")
    site = RunningSite(
        tmp_path_factory.mktemp("sealing"),
        f'[dns]\nnameservers = ["127.0.0.1"]\nport = {names.port}\ntimeout = "2s"\n'
        f'[outbound]\nport = {world.port}\nallow_networks = ["127.0.0.3/32"]\n[domains."home.test"]\n'
        '[plugins.auth]\nuse = "authentication"\nreject = "junk"\nexempt_networks = []\n',
        '[listen.mx]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "mx"\nplugins = ["auth"]\n',
    )
    site.add_account("ann@home.test", PASSWORD)
    site.start()
    site.mta("alias", "add", ALIAS, "eve@else.test")
    site.mta("dkim", "create", "home.test")
    site.mta("dkim", "rotate", "home.test", "--force")
    yield site
    assert site.stop() == 0
    assert "Traceback" not in site.log


def test_forwards_are_sealed(sealing: RunningSite, world: Sink, names: NameServer) -> None:
    """The next hop learns what was found here, from a chain that holds; what comes back and goes again has two sets."""
    shown = json.loads(sealing.mta("dkim", "show", "home.test", "--json").stdout)
    records = {key["name"]: key["record"] for key in shown}
    for name, record in records.items():
        names.responder.add(name, "TXT", " ".join(f'"{record[n : n + 200]}"' for n in range(0, len(record), 200)))
    zone = {name: record.encode() for name, record in records.items()}
    send(sealing, STRANGER, ALIAS, "to be sealed")

    once = arrived(world, "to be sealed").data
    world.messages.clear()
    with smtplib.SMTP("127.0.0.1", sealing.ports["mx"], timeout=20) as client:
        client.sendmail(STRANGER, ALIAS, once)
    twice = arrived(world, "to be sealed").data

    verdict = verdict_on(once, zone, time.time())
    assert (verdict.validation, verdict.sealers) == ("pass", ("home.test",))
    assert verdict.sets[0].assessment.startswith(b"mail.example.org;")
    assert b"spf=fail" in verdict.sets[0].assessment
    again = verdict_on(twice, zone, time.time())
    assert (again.validation, again.sealers) == ("pass", ("home.test", "home.test")), again.reason
    assert b"arc=pass" in again.sets[1].assessment


def test_forgeries_stay_here(sealing: RunningSite, world: Sink) -> None:
    """Where they are filed as junk; whoever would be sent them elsewhere isn't, and the client hears so."""
    forgery = b"From: ann@bank.test\r\nSubject: a forgery\r\n\r\nhello\r\n"
    with smtplib.SMTP("127.0.0.1", sealing.ports["mx"], timeout=20) as client:
        client.sendmail(STRANGER, "ann@home.test", forgery)
        with pytest.raises(smtplib.SMTPDataError, match="would be forwarded elsewhere"):
            client.sendmail(STRANGER, ALIAS, forgery)

    assert not [each for each in world.messages if b"a forgery" in each.data]
