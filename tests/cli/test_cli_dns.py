"""`mta dns`: the records of a site, and a name server of this process that has them, or doesn't."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.rdatatype
import dns.zone
import pytest
import pytest_twisted
from dns_responder import Responder, authentic, rcode
from mta_command import SITE, Command
from running_site import environment
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

TLS = '[tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n'
DOMAINS = """\
[domains."example.org"]
[domains."shop.example"]
alias_of = "example.org"
[domains."example.com"]
relay_to = "smtp://10.0.0.7:25"
[listen.imaps]
endpoint = "tcp:993"
role = "imap"
tls = "implicit"
"""
ADDRESSES = 'hostname = "mail.example.org"\naddresses = ["192.0.2.1"]'
IN_CLEAR = SITE.replace('hostname = "mail.example.org"', ADDRESSES).replace(TLS, "") + DOMAINS
ENCRYPTED = SITE.replace('hostname = "mail.example.org"', ADDRESSES) + DOMAINS
OF_HOST = """\
; mail.example.org, this host; its addresses are those of server.addresses
; mail.example.org is this host: where mail for its domains goes; what it says in EHLO must lead to where it sends \
from
mail.example.org. 3600 IN A 192.0.2.1
; 192.0.2.1 must be called what it says in EHLO, or large providers take no mail from it; only who gave you the \
address can set that
; 1.2.0.192.in-addr.arpa. 3600 IN PTR mail.example.org.
; reports have no sender, so receivers look at the name in EHLO; nobody else may use it
mail.example.org. 3600 IN TXT "v=spf1 a -all"
"""
OF_SHOP = """\

; shop.example
; no DKIM keys: mta dkim create shop.example makes some
; mail for shop.example comes to this host
shop.example. 3600 IN MX 10 mail.example.org.
; this host sends for shop.example; ~all makes mail from elsewhere suspect, and -all, once you know that nobody else \
sends, forged
shop.example. 3600 IN TXT "v=spf1 mx ~all"
; what to make of mail in the name of shop.example that isn't: nothing yet, but reports of it; p=quarantine, then \
p=reject, once they show that all of yours passes
_dmarc.shop.example. 3600 IN TXT "v=DMARC1; p=none; rua=mailto:postmaster@shop.example"
; where hosts tell of TLS that failed when they sent to shop.example
_smtp._tls.shop.example. 3600 IN TXT "v=TLSRPTv1; rua=mailto:postmaster@shop.example"
; mail programs find IMAP with TLS from the start
_imaps._tcp.shop.example. 3600 IN SRV 0 1 993 mail.example.org.
"""


def test_prints_a_zone_file(command: Command) -> None:
    """The host's records and those of one domain; nobody is asked."""
    command.file.write_text(IN_CLEAR)

    result = command("dns", "Shop.Example")

    assert (result.exit_code, result.output) == (0, OF_HOST + OF_SHOP)


def test_all_domains(command: Command) -> None:
    """Those of the site file and of the database, each once; not those that are sent on."""
    command.file.write_text(IN_CLEAR)
    assert command("domain", "add", "added.example").exit_code == 0

    told = command.json("dns")

    assert list(told["domains"]) == ["added.example", "example.org", "shop.example"]
    assert told["addresses_from"] == "those of server.addresses"
    assert told["remarks"] == []
    assert told["host"][0] == {
        "name": "mail.example.org",
        "type": "A",
        "content": "192.0.2.1",
        "zone_file": "mail.example.org. 3600 IN A 192.0.2.1",
        "why": "mail.example.org is this host: where mail for its domains goes;"
        " what it says in EHLO must lead to where it sends from",
        "is_comment": False,
    }
    assert [each["is_comment"] for each in told["host"] if each["type"] == "PTR"] == [True]


def test_keys(command: Command) -> None:
    """Those of the domains that are wanted, and of the domain above the host's name; none that is given up."""
    command.file.write_text(
        IN_CLEAR.replace('[domains."example.org"]\n', "").replace('"example.org"', '"other.example"')
        + '[domains."other.example"]\n'
    )
    for domain in ("example.org", "shop.example", "other.example"):
        command("domain", "add", domain)
    made = [command.json("dkim", "create", domain) for domain in ("other.example", "example.org")]
    command("domain", "remove", "example.org", "--yes")
    kept, _ = made[0]
    assert command("dkim", "retire", "other.example", kept["pair"], "--yes").exit_code == 0
    selectors = [each["selector"] for each in command.json("dkim", "create", "other.example")]

    told = command.json("dns", "other.example")

    keys = {each["name"]: each["content"] for each in told["domains"]["other.example"] if "_domainkey" in each["name"]}
    assert sorted(keys) == sorted(f"{selector}._domainkey.other.example" for selector in selectors)
    of_host = {each["name"]: each["content"] for each in told["host"] if "_domainkey" in each["name"]}
    assert of_host == {each["name"]: each["record"] for each in made[1]}


@pytest.mark.parametrize("name", ["example.com", "gone.example"])
def test_domain_that_is_not_kept_here(command: Command, name: str) -> None:
    """What it needs isn't known here."""
    command.file.write_text(IN_CLEAR)

    result = command("dns", "example.org", name)

    assert result.exit_code == 1
    assert str(result.exception) == f"mail of {name} isn't kept here; mta domain list shows whose is"


def test_no_domain_name(command: Command) -> None:
    """It is refused with words."""
    result = command("dns", "exa mple")

    assert result.exit_code == 2
    assert "'exa mple' is no domain name" in result.output


@pytest.fixture
def responder() -> Iterator[Responder]:
    responder = Responder()
    responder.start(reactor)
    yield responder
    pytest_twisted.blockon(Deferred.fromCoroutine(responder.stop()))


@dataclass
class Asking:
    """`mta dns` on a site whose name server that is."""

    file: Path
    responder: Responder

    async def __call__(self, *arguments: str) -> tuple[int, str]:
        """Return the exit status, and what was printed."""
        program = [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(self.file), "dns"]
        done = await deferToThread(
            subprocess.run,
            [*program, *arguments],
            capture_output=True,
            text=True,
            env=environment(),
            timeout=60,
            check=False,
        )
        assert not done.stderr, done.stderr
        return done.returncode, done.stdout

    def publish(self, text: str) -> None:
        """Add records; those of addresses' names, too, which are comments."""
        lines = [line.removeprefix("; ") if " IN PTR " in line else line for line in text.split("\n")]
        zone = dns.zone.from_text("\n".join(lines), origin=".", relativize=False, check_origin=False)
        for name, records in zone.iterate_rdatasets():
            rdtype = dns.rdatatype.to_text(records.rdtype)
            self.responder.add(name.to_text(omit_final_dot=True), rdtype, *(each.to_text() for each in records))


@pytest.fixture
def asking(command: Command, responder: Responder) -> Asking:
    table = f'[dns]\nnameservers = ["{responder.address}"]\nport = {responder.port}\ntimeout = "2s"\n'
    table += '[dns.probe]\nsigned = "signed.test"\nbroken = "broken.test"\n'
    command.file.write_text(ENCRYPTED.replace('[dns]\ndnssec = "off"\n', table))
    return Asking(command.file, responder)


@pytest_twisted.ensureDeferred
async def test_published_and_right(asking: Asking, command: Command) -> None:
    """What is printed is published, and then all is right: keys as well."""
    assert command("dkim", "create", "example.org").exit_code == 0
    status, printed = await asking("example.org")
    assert status == 0
    asking.publish(printed)

    status, checked = await asking("--check", "example.org")

    states = [line.partition(":")[0] for line in checked.splitlines()]
    assert (status, states.count("right"), states.count("note")) == (0, 10, 1), checked
    assert checked.endswith("All is right.\n")
    assert "right: example.org MX: mail comes to mail.example.org\n" in checked


@pytest_twisted.ensureDeferred
async def test_nothing_is_published(asking: Asking) -> None:
    """Each record is told as missing, with what to publish; status 1."""
    status, checked = await asking("--check", "shop.example")

    assert status == 1
    assert "missing: shop.example MX: publish\n    shop.example. 3600 IN MX 10 mail.example.org.\n" in checked
    assert "note: shop.example: mail of shop.example isn't signed; mta dkim create shop.example makes keys\n" in checked
    assert checked.endswith("Something is missing or wrong.\n")
    assert checked.count("missing: ") == 6
    told = "note: _imaps._tcp.shop.example SRV: there is none; it is of use, so think of\n"
    assert f"{told}    _imaps._tcp.shop.example. 3600 IN SRV 0 1 993 mail.example.org.\n" in checked


@pytest_twisted.ensureDeferred
async def test_what_is_only_of_use(asking: Asking) -> None:
    """Without SRV and TLS-RPT nothing is at fault, and programs are told the same."""
    _, printed = await asking("shop.example")
    lines = printed.splitlines(keepends=True)
    asking.publish("".join(line for line in lines if " SRV " not in line and not line.startswith("_smtp._tls.")))

    status, checked = await asking("--check", "--json", "shop.example")

    told = json.loads(checked)
    assert (status, told["ok"]) == (0, True)
    notes = {each["name"] for each in told["findings"] if each["state"] == "note" and each["publish"]}
    assert notes == {"_imaps._tcp.shop.example", "_smtp._tls.shop.example"}


@pytest_twisted.ensureDeferred
async def test_json_of_a_check(asking: Asking) -> None:
    """The same for programs."""
    _, printed = await asking("shop.example")
    asking.publish(printed)
    asking.responder.records["shop.example", "MX"] = ["0 ."]

    status, checked = await asking("--check", "--json", "shop.example")

    told = json.loads(checked)
    assert (status, told["ok"]) == (1, False)
    assert [each for each in told["findings"] if each["type"] == "MX"] == [
        {
            "state": "wrong",
            "name": "shop.example",
            "type": "MX",
            "text": "it says that shop.example takes no mail (null MX, RFC 7505 section 3); publish instead",
            "publish": [{"name": "shop.example", "type": "MX", "content": "10 mail.example.org."}],
        }
    ]


@pytest_twisted.ensureDeferred
async def test_dns_that_fails(asking: Asking) -> None:
    """What can't be asked is told as unknown; status 2."""
    _, printed = await asking("shop.example")
    asking.publish(printed)
    asking.responder.script("_dmarc.shop.example", rcode("SERVFAIL"))

    status, checked = await asking("--check", "shop.example")

    assert status == 2
    assert "unknown: _dmarc.shop.example TXT: the DNS doesn't answer\n" in checked
    assert checked.endswith("Not all could be found out.\n")


@pytest_twisted.ensureDeferred
async def test_signed_zone(asking: Asking) -> None:
    """Where the resolver proves what it says about the name, the TLSA record is one to publish, and is missed."""
    asking.responder.script("_25._tcp.mail.example.org", authentic)
    asking.responder.add("signed.test", "SOA", "ns.signed.test. root.signed.test. 1 3600 900 604800 60")
    asking.responder.script("signed.test", authentic)
    asking.responder.script("broken.test", rcode("SERVFAIL"))

    status, printed = await asking("shop.example")
    lines = printed.splitlines()
    record = next(line for line in lines if " IN TLSA 3 1 1 " in line)
    _, checked = await asking("--check", "shop.example")

    assert status == 0
    assert record.startswith("_25._tcp.mail.example.org. 3600 IN TLSA 3 1 1 ")
    assert f"missing: _25._tcp.mail.example.org TLSA: publish\n    {record}\n" in checked


@pytest_twisted.ensureDeferred
async def test_server_that_only_says_so(asking: Asking) -> None:
    """An AD bit of a server that doesn't validate means nothing: the record stays a comment, and a remark says why."""
    asking.responder.script("_25._tcp.mail.example.org", authentic)
    asking.responder.add("signed.test", "SOA", "ns.signed.test. root.signed.test. 1 3600 900 604800 60")

    _, printed = await asking("shop.example")
    _, checked = await asking("--check", "shop.example")

    why = "the name servers aren't known to validate: 127.0.0.1 doesn't vouch for signed.test, which is signed"
    assert f"; whether zones are signed isn't known, as {why}\n" in printed
    assert "; _25._tcp.mail.example.org. 3600 IN TLSA 3 1 1 " in printed
    assert f"note: whether zones are signed isn't known, as {why}\n" in checked
    assert "note: _25._tcp.mail.example.org TLSA: there is none, and it would be of no use" in checked


@pytest_twisted.ensureDeferred
async def test_stranger_tells_control_characters(asking: Asking) -> None:
    """What others published goes to the terminal without them."""
    asking.responder.add("_dmarc.shop.example", "TXT", '"v=DMARC1; p=\\027[2J\\010"')

    _, checked = await asking("--check", "shop.example")

    assert "has a policy that is none; publish" in checked
    assert "\x1b" not in checked
