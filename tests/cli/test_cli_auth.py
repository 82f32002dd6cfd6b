"""`mta auth spf`, as a process, asking a name server of this one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_twisted
from click.testing import CliRunner
from dns_responder import Responder, rcode
from mta_command import Command
from running_site import environment
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from twistedmail_mta.cli.main import mta


@pytest.fixture
def responder() -> Iterator[Responder]:
    """A name server with records of some domains."""
    responder = Responder()
    responder.add("example.org", "TXT", '"v=spf1 include:a.example " "-all exp=why.example"', '"another text"')
    responder.add("a.example", "TXT", '"v=spf1 mx/24 -all"')
    responder.add("a.example", "MX", "10 mx.a.example.")
    responder.add("mx.a.example", "A", "192.0.2.7")
    responder.add("why.example", "TXT", '"%{i} is no host of %{o}, says %{r}"')
    for name, qualifier in {"soft": "~", "none": "?"}.items():
        responder.add(f"{name}.example", "TXT", f'"v=spf1 {qualifier}all"')
    responder.add("wrong.example", "TXT", '"v=spf1 ipv4:192.0.2.7 -all"')
    responder.script("broken.example", rcode("SERVFAIL"))
    responder.start(reactor)
    yield responder
    pytest_twisted.blockon(Deferred.fromCoroutine(responder.stop()))


@dataclass
class Auth:
    """`mta auth spf` on a site whose name server that is."""

    file: Path

    async def __call__(self, *arguments: str) -> tuple[int, str]:
        """Return the exit status, and what was printed."""
        program = [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(self.file), "auth", "spf"]
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


@pytest.fixture
def auth(command: Command, responder: Responder) -> Auth:
    table = f'[dns]\nnameservers = ["{responder.address}"]\nport = {responder.port}\n'
    command.file.write_text(command.file.read_text().replace("[dns]\n", table))
    return Auth(command.file)


@pytest_twisted.ensureDeferred
async def test_pass(auth: Auth) -> None:
    """The result, the terms that led to it, and every question with what came of it; status 0."""
    status, printed = await auth("--ip", "192.0.2.1", "--from", "ann@example.org", "--helo", "client.example")

    assert status == 0
    assert printed == (
        "pass: 192.0.2.1 as ann@example.org\n"
        "  decided by include:a.example > mx/24\n"
        "  asked TXT example.org: found\n"
        "  asked TXT a.example: found\n"
        "  asked MX a.example: found\n"
        "  asked A mx.a.example: found\n"
    )


@pytest_twisted.ensureDeferred
async def test_fail(auth: Auth) -> None:
    """With the domain's own words, told as such; status 13."""
    status, printed = await auth("--ip", "2001:db8::1", "--from", "<ann@example.org>")

    assert status == 13
    assert printed == (
        "fail: 2001:db8::1 as ann@example.org\n"
        "  decided by -all\n"
        "  example.org says: 2.0.0.1.0.D.B.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1"
        " is no host of example.org, says mail.example.org\n"
        "  asked TXT example.org: found\n"
        "  asked TXT a.example: found\n"
        "  asked MX a.example: found\n"
        "  asked AAAA mx.a.example: empty\n"
        "  asked TXT why.example: found\n"
    )


@pytest_twisted.ensureDeferred
async def test_json(auth: Auth) -> None:
    """The same for programs, with what Authentication-Results would say."""
    status, printed = await auth("--ip", "192.0.2.1", "--helo", "Example.org", "--json")

    assert status == 0
    assert json.loads(printed) == {
        "result": "pass",
        "identity": "helo",
        "value": "Example.org",
        "domain": "example.org",
        "decided_by": ["include:a.example", "mx/24"],
        "explanation": "",
        "problem": "",
        "asked": [
            {"type": "TXT", "name": "example.org", "outcome": "found"},
            {"type": "TXT", "name": "a.example", "outcome": "found"},
            {"type": "MX", "name": "a.example", "outcome": "found"},
            {"type": "A", "name": "mx.a.example", "outcome": "found"},
        ],
        "properties": {"smtp.helo": "Example.org"},
    }


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("domain", "status", "result", "why"),
    [
        ("gone.example", 10, "none", "asked TXT gone.example: missing"),
        ("none.example", 11, "neutral", "decided by ?all"),
        ("soft.example", 12, "softfail", "decided by ~all"),
        ("broken.example", 14, "temperror", "the DNS gives no answer about broken.example (TXT)"),
        ("wrong.example", 15, "permerror", "in the record of wrong.example: 'ipv4:192.0.2.7' is no mechanism"),
    ],
)
async def test_other_results(auth: Auth, domain: str, status: int, result: str, why: str) -> None:
    """Each has an exit status of its own."""
    found, printed = await auth("--ip", "192.0.2.1", "--from", f"ann@{domain}")

    assert found == status
    assert printed.startswith(f"{result}: 192.0.2.1 as ann@{domain}\n  {why}\n")


@pytest_twisted.ensureDeferred
async def test_without_site_file(tmp_path: Path) -> None:
    """None is needed where the system's name servers are to be asked; what needs no question shows it."""
    place = tmp_path / "empty"
    place.mkdir()
    program = "import os; os.chdir(os.sys.argv.pop(1)); from twistedmail_mta.cli.main import main; main()"
    done = await deferToThread(
        subprocess.run,
        [sys.executable, "-c", program, str(place), "auth", "spf", "--ip", "192.0.2.1", "--helo", "localhost"],
        capture_output=True,
        text=True,
        env={name: value for name, value in environment().items() if name != "MTA_CONFIG"},
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (10, "none: 192.0.2.1 as HELO localhost\n", "")
    assert not list(place.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Missing option '--ip'"),
        (("--ip", "192.0.2.256", "--helo", "x.example"), "'192.0.2.256' is no IP address"),
        (("--ip", "192.0.2.1"), "--from or --helo is needed; the null sender is checked by --helo"),
        (("--ip", "192.0.2.1", "--from", "<>"), "--from or --helo is needed; the null sender is checked by --helo"),
        (("--ip", "192.0.2.1", "--from", "ann"), "Domain missing in address"),
    ],
)
def test_wrong_questions(command: Command, arguments: tuple[str, ...], words: str) -> None:
    """Are refused with words, before anything is asked."""
    result = command("auth", "spf", *arguments)

    assert result.exit_code == 2
    assert words in result.output


def test_help_tells_the_exit_statuses() -> None:
    """Scripts need them."""
    text = " ".join(CliRunner().invoke(mta, ["auth", "spf", "--help"]).output.split())

    assert "0: pass, 10: none, 11: neutral, 12: softfail, 13: fail, 14: temperror, 15: permerror" in text
