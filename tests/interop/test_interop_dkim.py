"""Hundreds of messages between OpenDKIM and us: it verifies what we sign, we verify what it signs."""

from __future__ import annotations

import random
import smtplib
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dkim_made import AT, DOMAIN, awkward_letter, ed25519_key, pem_of, rsa_key, signers, verdicts, zone
from interop_daemons import Daemon, eventually
from interop_milters import OPENDKIM, need, unix
from interop_milters import running as listening
from interop_peers import write
from mail_sink import Received, Sink, running_sink
from running_site import RunningSite

from twistedmail_mta.dkim.body import hash_of
from twistedmail_mta.dkim.fields import fields_of
from twistedmail_mta.dkim.signing import signature_fields
from twistedmail_mta.mail.header import Header, split

NOW = 2e9
"""A time after every signature of this test."""
MESSAGES = 150
"""Of each kind."""

KINDS = {
    "rr": ("r", "rsa-sha256", "relaxed/relaxed"),
    "ss": ("r", "rsa-sha256", "simple/simple"),
    "rs": ("e", "ed25519-sha256", "relaxed/simple"),
}
"""What OpenDKIM signs with: selector, algorithm, canonical forms."""


@dataclass
class Site:
    """A server with a listener for each OpenDKIM, and where its mail goes."""

    server: RunningSite
    sink: Sink

    def pass_through(self, listener: str, messages: list[bytes]) -> list[bytes]:
        """Send messages by way of a listener; return them as they arrived, in their order."""
        before = len(self.sink.messages)
        with smtplib.SMTP(self.server.host, self.server.ports[listener], "client.test", timeout=60) as client:
            for message in messages:
                client.sendmail(f"ann@{DOMAIN}", "bob@relayed.test", message, ["BODY=8BITMIME"])

        def arrived() -> list[Received] | None:
            found = self.sink.messages[before:]
            return found if len(found) == len(messages) else None

        by_id = {_message_id(each.data): each.data for each in eventually(arrived, "all messages arrive")}
        return [by_id[_message_id(message)] for message in messages]


def _message_id(message: bytes) -> bytes | None:
    return Header(split(message)[0]).get(b"Message-ID")


@contextmanager
def opendkim(home: Path, name: str, settings: str) -> Iterator[str]:
    """Run one; return where it listens."""
    place = unix(home / f"{name}.sock")
    common = (
        f"Socket {place.libmilter}\nAuthservID mail.example.org\nAlwaysAddARHeader yes\nBackground no\nSyslog no\n"
        "RequireSafeKeys no\n"
    )
    configuration = write(home / f"{name}.conf", common + settings)
    daemon = Daemon("opendkim", [OPENDKIM, "-f", "-x", configuration], home / f"{name}.log")
    with listening(daemon, place):
        yield place.ours


def settings_of(home: Path) -> dict[str, str]:
    """Return the settings of one that verifies, and of those that sign."""
    records = write(home / "records", "".join(f"{name} {text.decode()}\n" for name, text in zone().items()))
    seed = ed25519_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    keys = {"r": write(home / "rsa", pem_of(rsa_key(2048)).decode()), "e": write(home / "ed25519", seed)}
    settings = {"v": f"Mode v\nTestPublicKeys {records}\nInternalHosts 192.0.2.1\n"}
    for name, (selector, algorithm, canons) in KINDS.items():
        keys[selector].chmod(0o600)
        settings[name] = (
            f"Mode s\nDomain {DOMAIN}\nSelector {selector}\nKeyFile {keys[selector]}\nInternalHosts 127.0.0.1\n"
            f"SignatureAlgorithm {algorithm}\nCanonicalization {canons}\nOversignHeaders From\n"
        )
    return settings


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A server that asks an OpenDKIM of each kind."""
    need(OPENDKIM)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mta-dkim-")))
        home.chmod(0o755)
        places = {name: stack.enter_context(opendkim(home, name, text)) for name, text in settings_of(home).items()}
        sink = stack.enter_context(running_sink())
        plugins = "".join(
            f'[plugins.{name}]\nuse = "milter"\nendpoint = "{place}"\nlook_up_names = false\n'
            for name, place in places.items()
        )
        listeners = "".join(
            f'[listen.{name}]\nendpoint = "tcp:0:interface=127.0.0.1"\nrole = "mx"\nplugins = ["{name}"]\n'
            for name in places
        )
        relayed = f'[domains."relayed.test"]\nrelay_to = "smtp://127.0.0.1:{sink.port}"\nrecipients = "any"\n'
        server = RunningSite(home / "site", relayed + plugins, listeners)
        stack.callback(server.stop)
        yield Site(server.start(), sink)


@pytest.mark.parametrize("kind", KINDS)
def test_we_verify_what_it_signs(site: Site, kind: str) -> None:
    """Every message passes, and none once a word of it is another."""
    source = random.Random(kind)
    messages = [awkward_letter(source) for _ in range(MESSAGES)]

    for message in site.pass_through(kind, messages):
        (result,) = verdicts(message, zone(), NOW, cut=7)
        assert (result.word, result.algorithm) == ("pass", KINDS[kind][1]), message
        assert verdicts(message.replace(b"words", b"swords"), zone(), NOW)[0].word == "fail"
        assert verdicts(message + b"more\r\n", zone(), NOW)[0].word == "fail"


def test_it_verifies_what_we_sign(site: Site) -> None:
    """Both signatures of every message pass there, and fail where a word is another."""
    source = random.Random(1)
    messages = [_signed(awkward_letter(source)) for _ in range(2 * MESSAGES)]
    changed = [_signed(awkward_letter(source)).replace(b"words", b"swords") for _ in range(10)]

    good, bad = site.pass_through("v", messages), site.pass_through("v", changed)

    for message in good:
        said = _results(message)
        assert said.count(b"dkim=pass") == 2, (said, message)
        assert b"header.b=" in said
    for message in bad:
        assert b"dkim=pass" not in _results(message)


def _signed(message: bytes) -> bytes:
    header, body = split(message)
    return signature_fields(fields_of(Header(header)), hash_of(body), signers(), AT) + message


def _results(message: bytes) -> bytes:
    return b"".join(Header(split(message)[0]).get_all(b"Authentication-Results"))
