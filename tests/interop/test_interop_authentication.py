"""Mail that strangers bring to the real server: signed by OpenDKIM or by us, forged, or while the DNS is in trouble.

Names come from a knot of this test, clients from several addresses of its loopback
network, and what OpenDMARC makes of the same messages is compared with what we do.
"""

from __future__ import annotations

import email
import email.policy
import imaplib
import smtplib
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from dkim_made import DOMAIN, ed25519_key, pem_of, rsa_key, zone
from interop_daemons import DNS_PORT, Daemon, LoopbackNetwork, eventually
from interop_milters import OPENDKIM, Place, need, opendmarc, unix
from interop_milters import running as listening
from interop_peers import start_knot, write
from mail_sink import Sink, running_sink
from running_site import PASSWORD, RunningSite

from twistedmail_mta.dkim.body import hash_of
from twistedmail_mta.dkim.fields import fields_of
from twistedmail_mta.dkim.signing import Signer, signature_fields
from twistedmail_mta.mail.authentication_results import read
from twistedmail_mta.mail.header import Header, split

ANN = f"ann@{DOMAIN}"
BOB = "bob@home.test"
HONEST, EVIL = 41, 42
KNOT = 54
WISHES = {"reject.test": "p=reject", "suspect.test": "p=quarantine", "trying.test": "p=reject; t=y"}


def letter(author: str = ANN, subject: str = "hello") -> bytes:
    """Return a message."""
    return (
        f"From: Ann <{author}>\r\nTo: {BOB}\r\nSubject: {subject}\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
        f"Message-ID: <{time.monotonic_ns()}@{DOMAIN}>\r\n\r\nHello  there,\r\n\r\n\tthis is it. \r\n\r\n"
    ).encode()


def signed(text: bytes, domain: str = DOMAIN) -> bytes:
    """Return it with both of our signatures."""
    header, body = split(text)
    signers = [Signer(domain, "r", rsa_key(2048)), Signer(domain, "e", ed25519_key())]
    return signature_fields(fields_of(Header(header)), hash_of(body), signers, int(time.time())) + text


@dataclass
class Site:
    """A server that judges strangers, whose loopback clients are some."""

    server: RunningSite
    sink: Sink
    network: LoopbackNetwork

    def send(self, text: bytes, host: int, sender: str, listener: str = "mx", to: str = BOB) -> tuple[int, str]:
        """Send a message from a host of the network; return the answer."""
        source = (self.network.address(host), 0)
        at = (self.server.host, self.server.ports[listener])
        with smtplib.SMTP(*at, local_hostname="client.test", timeout=60, source_address=source) as client:
            client.ehlo()
            client.mail(sender)
            client.rcpt(to)
            code, words = client.data(text)
        return code, words.decode()

    def signed_by_opendkim(self, text: bytes) -> bytes:
        """Return a message as OpenDKIM signs it on its way through the server."""
        return self.passed_on(text, HONEST, ANN, "signing", b"DKIM-Signature:")

    def passed_on(self, text: bytes, host: int, sender: str, listener: str, begin: bytes) -> bytes:
        """Send a message that goes on to the sink; return it as it came there, from a field on."""
        before = len(self.sink.messages)
        code, words = self.send(text, host, sender, listener, "bob@relayed.test")
        assert code == 250, words
        octets = self.came(text, before)
        return octets[octets.index(begin) :]

    def came(self, text: bytes, before: int) -> bytes:
        """Return what the sink got of a message, after so many others."""
        mark = next(line for line in text.split(b"\r\n") if line.startswith(b"Message-ID:"))

        def find() -> list[bytes]:
            return [each.data for each in self.sink.messages[before:] if mark in each.data]

        return eventually(find, "a message comes")[0]

    def arrived(self, subject: str) -> tuple[str, dict[str, str]]:
        """Return the mailbox that a message is in, and the results by method, of one field."""
        with imaplib.IMAP4(self.server.host, self.server.ports["imap"]) as mail:
            mail.login(BOB, PASSWORD)
            for mailbox in ("INBOX", "Junk"):
                if mail.select(mailbox, readonly=True)[0] != "OK":
                    continue
                (numbers,) = mail.search(None, "SUBJECT", f'"{subject}"')[1]
                if numbers:
                    octets = mail.fetch(numbers.split()[-1].decode(), "(BODY.PEEK[HEADER])")[1][0][1]
                    return mailbox, _results(octets)
        raise AssertionError(f"{subject} is in neither mailbox")


def _results(octets: bytes) -> dict[str, str]:
    header = email.message_from_bytes(octets, policy=email.policy.compat32)
    (value,) = header.get_all("Authentication-Results")
    found = read(value.encode())
    assert found is not None
    assert found.service == "mail.example.org"
    return {each.method: each.result for each in reversed(found.statements)}


def _text(record: bytes) -> str:
    text = record.decode()
    return " ".join(f'"{text[begin : begin + 200]}"' for begin in range(0, len(text), 200))


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder whose paths are short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="mta-auth-") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture(scope="module")
def names(home: Path, root: Path, network: LoopbackNetwork) -> Iterator[Daemon]:
    """A knot with a domain that signs, some that want things, and two in trouble; `root` skips where there is none."""
    keys = "\n".join(f"{name.removesuffix(f'.{DOMAIN}')} TXT {_text(text)}" for name, text in zone().items())
    spf = f'@ TXT "v=spf1 ip4:{network.address(HONEST)} -all"\n'
    zones: dict[str, str | None] = {
        "test": "",
        "org": "",
        DOMAIN: f'{spf}{keys}\n_dmarc TXT "v=DMARC1; p=reject; sp=quarantine; np=reject"\nnews A 192.0.2.1',
        "evil.test": f'@ TXT "v=spf1 ip4:{network.address(EVIL)} -all"\n{keys}',
        "broken.test": None,
        "sender.test": "",
    }
    zones |= {name: f'{spf}{keys}\n_dmarc TXT "v=DMARC1; {wish}"' for name, wish in WISHES.items()}
    daemon = start_knot(home, network, zones, KNOT)
    yield daemon
    daemon.stop()


def _opendkim(home: Path, place: Place) -> Daemon:
    key = write(home / "opendkim.key", pem_of(rsa_key(2048)).decode())
    key.chmod(0o600)
    settings = write(
        home / "opendkim.conf",
        f"Socket {place.libmilter}\nMode s\nDomain {DOMAIN}\nSelector r\nKeyFile {key}\nInternalHosts 127.0.0.0/8\n"
        "Canonicalization relaxed/simple\nOversignHeaders From\nBackground no\nSyslog no\nRequireSafeKeys no\n",
    )
    return Daemon("opendkim", [OPENDKIM, "-f", "-x", settings], home / "opendkim.log")


@pytest.fixture(scope="module")
def site(home: Path, network: LoopbackNetwork, names: Daemon) -> Iterator[Site]:
    """The server: one listener judges, one lets OpenDKIM sign, one asks OpenDMARC."""
    need(OPENDKIM)
    with ExitStack() as stack:
        signer, judge = unix(home / "signer.sock"), unix(home / "judge.sock")
        stack.enter_context(listening(_opendkim(home, signer), signer))
        stack.enter_context(opendmarc(home, judge, network.address(KNOT)))
        sink = stack.enter_context(running_sink())
        at = f"tcp:0:interface={network.address(20)}"
        asked = {"mx": "auth", "patient": "later", "tagging": "tags", "signing": "signer", "theirs": "judge"}
        listeners = "".join(
            f'[listen.{name}]\nendpoint = "{at}"\nrole = "mx"\nplugins = ["{plugin}"]\n'
            for name, plugin in asked.items()
        )
        listeners += f'[listen.imap]\nendpoint = "{at}"\nrole = "imap"\nplaintext_login = ["127.0.0.0/8"]\n'
        tables = (
            f'[dns]\nnameservers = ["{network.address(KNOT)}"]\nport = {DNS_PORT}\ndnssec = "off"\n'
            f'[domains."home.test"]\n'
            f'[domains."relayed.test"]\nrelay_to = "smtp://127.0.0.1:{sink.port}"\nrecipients = "any"\n'
            '[plugins.auth]\nuse = "authentication"\nexempt_networks = []\n'
            '[plugins.later]\nuse = "authentication"\nexempt_networks = []\non_temperror = "defer"\n'
            '[plugins.tags]\nuse = "authentication"\nexempt_networks = []\nreject = "tag"\nquarantine = "tag"\n'
            f'[plugins.judge]\nuse = "milter"\nendpoint = "{judge.ours}"\nlook_up_names = false\n'
            f'[plugins.signer]\nuse = "milter"\nendpoint = "{signer.ours}"\nlook_up_names = false\n'
        )
        server = RunningSite(home / "site", tables, listeners, network.address(20))
        stack.callback(server.stop)
        server.add_account(BOB, PASSWORD)
        yield Site(server.start(), sink, network)


def test_signed_by_opendkim(site: Site) -> None:
    """It passes from wherever it comes; by a word more it is a forgery."""
    text = site.signed_by_opendkim(letter(subject="theirs"))

    code, words = site.send(text, EVIL, "news@evil.test")
    assert code == 250, words
    assert site.arrived("theirs") == ("INBOX", {"spf": "pass", "dkim": "pass", "dmarc": "pass"})

    code, words = site.send(text.replace(b"this is it", b"this isn't it"), EVIL, "news@evil.test")
    assert code == 550
    assert words.startswith(f"5.7.1 Refused by the DMARC policy of {DOMAIN}: ")


def test_signed_by_us(site: Site) -> None:
    """Both signatures, RSA and Ed25519, as the DNS has their keys."""
    code, words = site.send(signed(letter(subject="ours")), EVIL, "news@evil.test")

    assert code == 250, words
    assert site.arrived("ours") == ("INBOX", {"spf": "pass", "dkim": "pass", "dmarc": "pass"})


def test_by_spf(site: Site) -> None:
    """Nothing is signed, but it comes from where the domain's mail does."""
    assert site.send(letter(subject="bare"), HONEST, ANN)[0] == 250
    assert site.arrived("bare") == ("INBOX", {"spf": "pass", "dkim": "none", "dmarc": "pass"})


@pytest.mark.parametrize(
    ("author", "code", "mailbox"),
    [
        ("ann@reject.test", 550, ""),
        ("ann@suspect.test", 250, "Junk"),
        ("ann@trying.test", 250, "Junk"),
        (f"ann@news.{DOMAIN}", 250, "Junk"),
        (f"ann@gone.{DOMAIN}", 550, ""),
        ("ann@evil.test", 250, "INBOX"),
    ],
)
def test_forged(site: Site, author: str, code: int, mailbox: str) -> None:
    """What its domain wants: p, t=y, sp for a subdomain that is there, np for one that isn't; nothing without one."""
    subject = f"forged {author}"

    told, words = site.send(letter(author, subject), EVIL, "news@sender.test")

    assert told == code, words
    if code == 250:
        assert site.arrived(subject)[0] == mailbox
    else:
        assert author.partition("@")[2] in words


def test_trouble_of_the_dns(site: Site) -> None:
    """A zone that its server can't load makes nothing fail: it is told, or the client is to come again."""
    text = letter("ann@broken.test", "in trouble")

    assert site.send(text, EVIL, "ann@broken.test")[0] == 250
    mailbox, found = site.arrived("in trouble")
    assert (mailbox, found["spf"], found["dmarc"]) == ("INBOX", "temperror", "temperror")

    code, words = site.send(text, EVIL, "ann@broken.test", "patient")
    assert (code, words[:5]) == (451, "4.4.3")


def test_a_field_in_our_name(site: Site) -> None:
    """Nobody reads what a stranger says that we had found."""
    forged = b"Authentication-Results: mail.example.org; dmarc=pass header.from=bank.test\r\n"

    assert site.send(forged + letter("ann@evil.test", "claimed"), EVIL, "ann@evil.test")[0] == 250
    assert site.arrived("claimed")[1]["dmarc"] == "none"


def test_by_hand(site: Site) -> None:
    """`mta auth message` finds the same of a file."""
    text = site.signed_by_opendkim(letter(subject="by hand"))
    file = site.server.directory / "by-hand.eml"
    file.write_bytes(text)
    where = ("--ip", site.network.address(EVIL), "--from", "news@evil.test")

    assert site.server.mta("auth", "message", str(file), *where).returncode == 0
    file.write_bytes(text.replace(b"this is it", b"this isn't it"))
    done = site.server.mta("auth", "message", str(file), *where, check=False)
    assert done.returncode == 13
    assert 'dkim=fail reason="body was changed"' in done.stdout


def _without_policy(message: bytes) -> bytes:
    """Return a message whose field has what SPF and DKIM found alone.

    OpenDMARC doesn't understand senders, only their domains (RFC 8601 section 2.7.2 has both).
    """
    header, body = split(message)
    (value,) = Header(header).get_all(b"Authentication-Results")
    begin = value.partition(b";\r\n\tdmarc=")[0].replace(b"mailfrom=ann@", b"mailfrom=")
    changed = Header(header).with_value(b"Authentication-Results", value, begin)
    assert changed is not None
    return changed.block + body


CASES = [
    (letter(), HONEST, ANN),
    (letter(), EVIL, ANN),
    (letter(), EVIL, "news@evil.test"),
    (signed(letter()), EVIL, "news@evil.test"),
    (signed(letter(), "evil.test"), EVIL, "news@evil.test"),
    (signed(letter()).replace(b"this is", b"this was"), EVIL, "news@evil.test"),
    (letter("ann@suspect.test"), HONEST, "ann@suspect.test"),
    (letter("ann@suspect.test"), HONEST, ANN),
    (signed(letter("ann@suspect.test"), "suspect.test"), EVIL, "news@sender.test"),
    (signed(letter("ann@reject.test"), "suspect.test"), EVIL, "news@sender.test"),
    (letter("ann@evil.test"), EVIL, "ann@evil.test"),
    (signed(letter("ANN@Reject.TEST"), "reject.test"), EVIL, "news@sender.test"),
]


@pytest.mark.parametrize(("text", "host", "sender"), CASES, ids=map(str, range(len(CASES))))
def test_opendmarc_thinks_the_same(site: Site, text: bytes, host: int, sender: str) -> None:
    """Given what we found of SPF and DKIM, it comes to the same of DMARC; without a policy it says so, too."""
    ours = site.passed_on(text, host, sender, "tagging", b"Authentication-Results:")
    verdict = _results(ours)["dmarc"]
    before = len(site.sink.messages)
    code, words = site.send(_without_policy(ours), host, sender, "theirs", "bob@relayed.test")

    if code == 250:
        fields = Header(split(site.came(text, before))[0]).get_all(b"Authentication-Results")
        assert any(f"dmarc={verdict}".encode() in field for field in fields), fields
    else:
        assert (code, verdict) == (550, "fail"), words
