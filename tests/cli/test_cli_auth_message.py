"""`mta auth message`, as a process, asking a name server of this one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_twisted
from dkim_made import rsa_key, rsa_record
from dns_responder import Responder, rcode
from mta_command import Command
from running_site import environment
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from twistedmail_mta.dkim.body import hash_of
from twistedmail_mta.dkim.fields import fields_of
from twistedmail_mta.dkim.signing import Signer, signature_fields
from twistedmail_mta.mail.header import Header, split

TEXT = b"From: Ann <ann@bank.test>\r\nTo: bob@home.test\r\nSubject: your account\r\n\r\nHello\r\n"
TRACE = b"Return-Path: <ann@bank.test>\r\nReceived: from bank.test ([192.0.2.10])\r\n\tby mail.example.org; x\r\n"


@pytest.fixture
def responder() -> Iterator[Responder]:
    """A name server with a bank."""
    responder = Responder()
    responder.add("bank.test", "TXT", '"v=spf1 ip4:192.0.2.10 -all"')
    record = rsa_record().decode()
    responder.add("r._domainkey.bank.test", "TXT", f'"{record[:200]}" "{record[200:]}"')
    responder.add("_dmarc.bank.test", "TXT", '"v=DMARC1; p=reject"')
    responder.script("_dmarc.broken.test", rcode("SERVFAIL"))
    responder.start(reactor)
    yield responder
    pytest_twisted.blockon(Deferred.fromCoroutine(responder.stop()))


@dataclass
class Auth:
    """`mta auth message` on a site whose name server that is."""

    file: Path

    async def __call__(self, text: bytes, *arguments: str) -> tuple[int, str]:
        """Return the exit status, and what was printed of a message on standard input."""
        program = [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(self.file), "auth", "message"]
        done = await deferToThread(
            subprocess.run,
            [*program, "-", *arguments],
            input=text,
            capture_output=True,
            env=environment(),
            timeout=60,
            check=False,
        )
        assert not done.stderr, done.stderr
        return done.returncode, done.stdout.decode()


@pytest.fixture
def auth(command: Command, responder: Responder) -> Auth:
    table = f'[dns]\nnameservers = ["{responder.address}"]\nport = {responder.port}\n'
    command.file.write_text(command.file.read_text().replace("[dns]\n", table))
    return Auth(command.file)


def signed(text: bytes) -> bytes:
    """Return a message with the bank's signature."""
    header, body = split(text)
    signer = Signer("bank.test", "r", rsa_key(2048))
    return signature_fields(fields_of(Header(header)), hash_of(body), [signer], int(time.time())) + text


@pytest_twisted.ensureDeferred
async def test_genuine(auth: Auth) -> None:
    """The statements of the field, a line each, and what was assumed; status 0, though the lines end with LF."""
    status, printed = await auth((TRACE + signed(TEXT)).replace(b"\r\n", b"\n"))

    assert status == 0
    lines = printed.splitlines()
    assert lines[:2] == ["spf=pass smtp.mailfrom=ann@bank.test", "spf=pass smtp.helo=bank.test"]
    assert lines[2].startswith(
        "dkim=pass header.d=bank.test header.i=@bank.test header.s=r header.a=rsa-sha256 header.b="
    )
    assert lines[3:] == [
        "dmarc=pass header.from=bank.test polrec.domain=bank.test polrec.p=reject",
        "assumed: the lines ended with CRLF, not with LF alone, when the message came",
        "assumed: the client was 192.0.2.10, 'bank.test' in HELO: from Received",
        "assumed: the sender was <ann@bank.test>: from Return-Path",
    ]


@pytest_twisted.ensureDeferred
async def test_forged(auth: Auth) -> None:
    """What the domain wants done is told; status 13."""
    status, printed = await auth(TEXT, "--ip", "192.0.2.66", "--from", "<>", "--helo", "evil.test")

    assert status == 13
    assert printed == (
        "spf=none smtp.helo=evil.test\n"
        "dkim=none\n"
        'dmarc=fail (p=reject) reason="neither SPF nor DKIM vouches for any domain" header.from=bank.test'
        " polrec.domain=bank.test polrec.p=reject\n"
        "bank.test wants such mail to be treated so: reject\n"
    )


@pytest_twisted.ensureDeferred
async def test_without_a_client(auth: Auth) -> None:
    """SPF isn't asked, and that is told."""
    status, printed = await auth(signed(TEXT))

    assert status == 0
    assert "spf" not in printed.partition("assumed")[0]
    assert "assumed: no client is known, so SPF isn't asked" in printed


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("sender", "status", "result"),
    [(b"ann@broken.test", 14, "temperror"), (b"ann@gone.test", 10, "none"), (b"a@b.test, c@d.test", 15, "permerror")],
)
async def test_other_results(auth: Auth, sender: bytes, status: int, result: str) -> None:
    """Each has an exit status of its own."""
    found, printed = await auth(b"From: " + sender + b"\r\n\r\nx\r\n")

    assert found == status
    assert f"dmarc={result}" in printed


@pytest_twisted.ensureDeferred
async def test_json(auth: Auth) -> None:
    """The same for programs."""
    status, printed = await auth(TRACE + signed(TEXT), "--json")

    assert status == 0
    found = json.loads(printed)
    assert [each["result"] for each in (*found["spf"], *found["dkim"], found["arc"], found["dmarc"])] == [
        "pass",
        "pass",
        "pass",
        "none",
        "pass",
    ]
    assert found["dmarc"]["aligned"] == ["bank.test", "bank.test"]
    assert found["client"] == {"ip": "192.0.2.10", "helo": "bank.test", "sender": "ann@bank.test"}
    assert found["authentication_results"].startswith("mail.example.org;\r\n\tspf=pass")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing.eml",), "nothing.eml"),
        (("-", "--ip", ""), "'' is no IP address"),
        (("-", "--ip", "192.0.2.256"), "'192.0.2.256' is no IP address"),
        (("-", "--from", "ann"), "Domain missing in address"),
    ],
)
def test_wrong_questions(command: Command, arguments: tuple[str, ...], words: str) -> None:
    """Are refused with words, before anything is asked."""
    result = command("auth", "message", *arguments)

    assert result.exit_code == 2
    assert words in result.output
