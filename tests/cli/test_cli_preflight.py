"""`mta check` as a preflight: with a name server and a host to call in this process, and against a running server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import pytest_twisted
from dns_responder import Responder, silent
from mail_sink import running_sink
from mta_command import Command
from running_site import RunningSite, environment
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread

from twistedmail_mta.checks.finding import Finding
from twistedmail_mta.cli.offline import finished
from twistedmail_mta.cli.preflight import EACH_WITHIN, FIRST_WITHIN, Callee, as_callee, in_time
from twistedmail_mta.tasks import Task

OURS = "192.0.2.1"


@pytest.fixture
def responder() -> Iterator[Responder]:
    """A name server that knows this host by name, has it on one list, and knows no domain."""
    responder = Responder()
    responder.add("mail.example.org", "A", OURS)
    responder.add("1.2.0.192.bl.spamcop.net", "A", "127.0.0.2")
    responder.start(reactor)
    yield responder
    pytest_twisted.blockon(Deferred.fromCoroutine(responder.stop()))


def prepared(command: Command, responder: Responder) -> None:
    """Let the site ask the name server, take any port, and have a domain."""
    own = f'[dns]\ndnssec = "off"\nnameservers = ["{responder.address}"]\nport = {responder.port}\ntimeout = "1s"\n'
    text = command.file.read_text().replace('[dns]\ndnssec = "off"\n', own)
    text = text.replace('hostname = "mail.example.org"', f'hostname = "mail.example.org"\naddresses = ["{OURS}"]')
    command.file.write_text(text.replace("tcp:2525", "tcp:0") + '[domains."example.org"]\n')


async def checked(command: Command, responder: Responder, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit status and the findings, as JSON has them."""
    if responder.address not in command.file.read_text():
        prepared(command, responder)
    base = [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(command.file), "check", "--json"]
    result = await deferToThread(
        subprocess.run, [*base, *arguments], env=environment(), capture_output=True, text=True, check=False
    )
    assert not result.stderr
    return result.returncode, json.loads(result.stdout)["findings"]


def texts(findings: list[dict[str, Any]], subject: str, level: str = "warning") -> str:
    """Return what is said of a subject."""
    return "\n".join(each["text"] for each in findings if (each["subject"], each["level"]) == (subject, level))


@pytest_twisted.ensureDeferred
async def test_what_others_say(command: Command, responder: Responder) -> None:
    """The DNS, a host that is called, and lists: faults with how to mend them, none of which stops a start."""
    with running_sink() as sink:
        status, findings = await checked(command, responder, "--call", f"127.0.0.1:{sink.port}")

    assert status == 0
    assert "example.org MX: isn't in the DNS" in texts(findings, "dns")
    assert "mail.example.org A" not in texts(findings, "dns")
    assert f"127.0.0.1 [127.0.0.1], port {sink.port}, answers by IPv4" in texts(findings, "outbound", "note")
    assert "192.0.2.1 is in bl.spamcop.net (127.0.0.2)" in texts(findings, "blocklists")
    assert all(each["mend"] for each in findings if each["level"] != "note")


@pytest_twisted.ensureDeferred
async def test_port_that_is_closed(command: Command, responder: Responder) -> None:
    """The call fails, in the words that the queue would have."""
    with running_sink() as sink:
        port = sink.port

    _, findings = await checked(command, responder, "--call", f"127.0.0.1:{port}")

    assert "can't be reached by IPv4: The host refuses connections" in texts(findings, "outbound")


@pytest_twisted.ensureDeferred
async def test_name_server_that_is_silent(command: Command, responder: Responder) -> None:
    """Nothing else is asked in vain."""
    responder.script(".", silent)

    _, findings = await checked(command, responder)

    assert f"the name server {responder.address} doesn't answer" in texts(findings, "resolver")
    assert {asked.name for asked in responder.asked} == {"."}
    assert not {"dns", "outbound", "blocklists"} & {each["subject"] for each in findings}


@pytest.mark.parametrize(
    ("arguments", "gone"),
    [
        (["--offline"], {"resolver", "dns", "outbound", "blocklists"}),
        (["--skip=outbound", "--skip=dns"], {"outbound", "dns"}),
        (["--offline", "--skip=disk", "--skip=clock"], {"disk", "clock", "dns"}),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_is_left_out(command: Command, responder: Responder, arguments: list[str], gone: set[str]) -> None:
    """It isn't even asked."""
    _, findings = await checked(command, responder, *arguments)

    assert not gone & {each["subject"] for each in findings}
    assert bool(responder.asked) == ("--offline" not in arguments)


@pytest_twisted.ensureDeferred
async def test_strict(command: Command, responder: Responder) -> None:
    """Warnings count for the exit status then; notes never do."""
    few = ["--offline", *(f"--skip={each}" for each in ("ports", "machine", "disk", "clock"))]
    calm, _ = await checked(command, responder, *few, "--strict")
    (command.file.parent / "key.pem").chmod(0o644)
    status, findings = await checked(command, responder, *few, "--strict")

    assert calm == 0
    assert "is open to everybody" in texts(findings, "certificates")
    assert status == 1


async def never() -> list[Finding]:
    """Wait for an answer that doesn't come."""
    await Deferred()
    return []


def test_an_inquiry_that_takes_too_long() -> None:
    """It is broken off, so that the whole takes half a minute at most, and that is told."""
    clock = Clock()
    task = Task("inquiry", in_time(clock, "dns", never(), leave_out=False))

    clock.advance(EACH_WITHIN - 1)
    assert not task.done
    clock.advance(1)

    (found,) = finished(outcome(task))
    assert (found.level, found.subject) == ("note", "dns")
    assert "within 18 seconds" in found.text
    assert FIRST_WITHIN + EACH_WITHIN < 30


async def outcome(task: Task[list[Finding]]) -> list[Finding]:
    return await task


def test_ports_of_a_running_server(tmp_path: Path) -> None:
    """They are its own: no error while it runs, and one for another site that wants the same ports."""
    site = RunningSite(tmp_path / "one").start()
    port = site.ports["mx"]
    try:
        fixed = site.config.read_text().replace("tcp:0", f"tcp:{port}", 1)
        site.config.write_text(fixed)
        other = RunningSite(tmp_path / "two")
        other.config.write_text(fixed.replace(str(site.state), str(other.state)))

        process = site.process.pid if site.process else 0
        ours, theirs = (each.mta("check", "--offline", check=False) for each in (site, other))
    finally:
        site.stop()

    assert f"note: listen: the running server of this site, process {process}, has 127.0.0.1:{port}" in ours.stdout
    assert (ours.returncode, theirs.returncode) == (0, 1)
    assert f"error: listen.mx.endpoint: 127.0.0.1:{port} is held by " in theirs.stdout
    assert f"(process {process})" in theirs.stdout


@pytest.mark.parametrize(
    ("text", "callee"),
    [
        ("gmail.com", Callee("gmail.com")),
        ("mx.example:2525", Callee("mx.example", 2525)),
        ("2001:db8::1", Callee("2001:db8::1")),
        ("[2001:db8::1]:2525", Callee("2001:db8::1", 2525)),
    ],
)
def test_whom_to_call(text: str, callee: Callee) -> None:
    """Hosts and addresses, with a port and without."""
    context = click.Context(click.Command("check"))

    assert as_callee(context, click.Option(["--call"]), text) == callee


@pytest.mark.parametrize("text", ["", ":25", "mx.example:0", "mx.example:99999"])
def test_nobody_to_call(text: str) -> None:
    """What is neither is refused."""
    context = click.Context(click.Command("check"))

    with pytest.raises(click.BadParameter, match="must be a host"):
        as_callee(context, click.Option(["--call"]), text)
