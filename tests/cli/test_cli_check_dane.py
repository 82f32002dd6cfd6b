"""What `mta check` says of name servers that DANE is to rely on, asking one of this process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import pytest_twisted
from dns_responder import Responder, authentic, rcode
from mta_command import Command
from running_site import environment
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread


@pytest.fixture
def responder() -> Iterator[Responder]:
    """A name server that answers about a signed zone, without the AD bit, and not about a broken one."""
    responder = Responder()
    responder.add("signed.test", "SOA", "ns.signed.test. root.signed.test. 1 3600 900 604800 60")
    responder.script("broken.test", rcode("SERVFAIL"))
    responder.start(reactor)
    yield responder
    pytest_twisted.blockon(Deferred.fromCoroutine(responder.stop()))


async def checked(command: Command, responder: Responder, tables: str) -> str:
    """Return what `mta check` prints, with other tables for [dns] and [outbound]."""
    own = f'[dns]\nnameservers = ["{responder.address}"]\nport = {responder.port}\n{tables}'
    command.file.write_text(command.file.read_text().replace('[dns]\ndnssec = "off"\n', own))
    skipped = [f"--skip={each}" for each in ("ports", "dns", "outbound", "blocklists")]
    program = [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(command.file), "check", *skipped]
    result = await deferToThread(subprocess.run, program, env=environment(), capture_output=True, text=True, check=True)
    return result.stdout


PROBE = '[dns.probe]\nsigned = "signed.test"\nbroken = "broken.test"\n'


@pytest_twisted.ensureDeferred
async def test_server_that_does_not_validate(command: Command, responder: Responder) -> None:
    """A warning, and which server; the site can be used."""
    output = await checked(command, responder, PROBE)

    why = f"{responder.address} doesn't vouch for signed.test, which is signed"
    assert f"warning: dns.dnssec: the name servers aren't known to validate, so DANE is off: {why}\n" in output


@pytest_twisted.ensureDeferred
async def test_server_that_validates(command: Command, responder: Responder) -> None:
    """Nothing to tell."""
    responder.script("signed.test", authentic)

    assert "dns." not in await checked(command, responder, PROBE)


@pytest.mark.parametrize("tables", ['dnssec = "trust"\n', 'dnssec = "off"\n', "[outbound]\ndane = false\n"])
@pytest_twisted.ensureDeferred
async def test_nothing_to_ask(command: Command, responder: Responder, tables: str) -> None:
    """Where nobody relies on it, or the site answers for it, nobody is asked about a zone that is broken."""
    assert "dns." not in await checked(command, responder, tables)
    assert {asked.name for asked in responder.asked} == {"."}
