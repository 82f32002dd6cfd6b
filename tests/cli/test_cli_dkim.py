"""`mta dkim`: keys made, shown, put to use and retired; the DNS asked, by a process, of a name server of this one."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.zone
import pytest
import pytest_twisted
from click.testing import Result
from dns_responder import Responder, rcode
from mta_command import Command
from running_site import environment
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from twistedmail_mta.dkim.keys import parse_key
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.sync import SyncDatabase

DOMAIN = "example.com"
YEAR = str(time.gmtime().tm_year)
FIRST, SECOND = f"{YEAR}a", f"{YEAR}b"


@pytest.fixture
def hosting(command: Command) -> Command:
    """A site that keeps mail for a domain."""
    command("domain", "add", DOMAIN)
    return command


def words(result: Result) -> str:
    """Return what is printed of an error; those that aren't click's are printed by `main`."""
    assert result.exit_code != 0
    return result.output if isinstance(result.exception, SystemExit) else str(result.exception)


def states(command: Command) -> dict[str, str]:
    return {key["pair"]: key["state"] for key in command.json("dkim", "list", DOMAIN)}


def age(command: Command, pair: str, seconds: float) -> None:
    """Let a pair have come into its state earlier."""
    with SyncDatabase(command.state_dir / DATABASE_NAME) as database:
        statement = "UPDATE dkim_key SET changed_at = changed_at - ? WHERE generation = ?"
        database.write(lambda tx: list(tx.execute(statement, (seconds, pair))))


def test_create_prints_a_zone_file(hosting: Command) -> None:
    """What is printed can be put into a zone file, and holds two keys; the private ones are nowhere to be seen."""
    result = hosting("dkim", "create", DOMAIN)

    assert result.exit_code == 0, result.output
    zone = dns.zone.from_text(result.stdout, origin=f"{DOMAIN}.", relativize=False, check_origin=False)
    found = {
        name.to_text(omit_final_dot=True): b"".join(next(iter(zone.find_rdataset(name, "TXT"))).strings)
        for name in zone.nodes
    }
    assert set(found) == {f"{FIRST}._domainkey.{DOMAIN}", f"{FIRST}-ed25519._domainkey.{DOMAIN}"}
    assert [parse_key(record).kind for record in found.values()] == ["rsa", "ed25519"]
    assert "mta dkim rotate" in result.stderr
    assert states(hosting) == {FIRST: "made"}
    shown = hosting.json("dkim", "show", DOMAIN)
    assert {key["name"]: key["record"].encode() for key in shown} == found
    assert "private" not in json.dumps(shown)


def test_the_database_is_its_owners(hosting: Command) -> None:
    """Private keys are in the database alone, which nobody else can read."""
    hosting("dkim", "create", DOMAIN)

    mode = (hosting.state_dir / DATABASE_NAME).stat().st_mode

    assert stat.S_IMODE(mode) & 0o077 == 0


def test_what_cannot_be_made(hosting: Command) -> None:
    """Keys are for hosted domains and this host's own; a second new pair only once the first is in use."""
    assert "isn't hosted here" in words(hosting("dkim", "create", "far.test"))
    assert "isn't hosted here" in words(hosting("dkim", "create", "org"))
    assert hosting("dkim", "create", "example.org").exit_code == 0  # this host is mail.example.org
    hosting("dkim", "create", DOMAIN)
    assert "has new keys already" in words(hosting("dkim", "create", DOMAIN))


def test_a_whole_life(hosting: Command) -> None:
    """Made, signing, retired when the next pair signs, gone when its mail is old; no name comes twice."""
    hosting("dkim", "create", DOMAIN)
    rotated = hosting("dkim", "rotate", DOMAIN, "--force")
    assert (rotated.exit_code, rotated.output) == (0, f"Mail of {DOMAIN} is signed with {FIRST} from now on.\n")

    assert "Publish these records" in hosting("dkim", "rotate", DOMAIN).stderr
    assert states(hosting) == {FIRST: "signing", SECOND: "made"}
    assert hosting.json("dkim", "rotate", DOMAIN, "--force") == {"signing": SECOND, "retired": FIRST}
    assert states(hosting) == {FIRST: "retired", SECOND: "signing"}
    assert {key["pair"] for key in hosting.json("dkim", "show", DOMAIN)} == {FIRST, SECOND}

    assert "may still be on its way" in words(hosting("dkim", "retire", DOMAIN, FIRST))
    age(hosting, FIRST, 15 * 86400)
    assert hosting.json("dkim", "retire", DOMAIN, FIRST) == {"pair": FIRST, "state": "gone"}
    assert "given up already" in words(hosting("dkim", "retire", DOMAIN, FIRST))
    assert "aren't needed any more" in words(hosting("dkim", "show", DOMAIN, FIRST))
    assert {key["pair"] for key in hosting.json("dkim", "show", DOMAIN)} == {SECOND}
    hosting("dkim", "create", DOMAIN)
    assert f"{YEAR}c" in states(hosting)


def test_retire_what_signs(hosting: Command) -> None:
    """It is asked before mail goes unsigned; a pair that never signed is simply given up."""
    hosting("dkim", "create", DOMAIN)
    hosting("dkim", "rotate", DOMAIN, "--force")
    assert hosting("dkim", "retire", DOMAIN, FIRST).exit_code != 0
    assert states(hosting) == {FIRST: "signing"}

    assert hosting("dkim", "retire", DOMAIN, FIRST, "--yes").exit_code == 0
    hosting("dkim", "create", DOMAIN)
    assert hosting("dkim", "retire", DOMAIN, SECOND).exit_code == 0

    assert states(hosting) == {FIRST: "retired", SECOND: "gone"}
    assert "there are no keys nothing" in words(hosting("dkim", "retire", DOMAIN, "nothing"))


def test_list(hosting: Command) -> None:
    """A table of all keys; words where there are none."""
    assert hosting("dkim", "list").output.startswith("There are no keys")
    assert "has no keys" in words(hosting("dkim", "show", DOMAIN))
    hosting("dkim", "create", DOMAIN)

    lines = hosting("dkim", "list").output.splitlines()

    assert lines[1].split()[:5] == [DOMAIN, FIRST, FIRST, "rsa", "made"]
    assert lines[2].split()[:5] == [DOMAIN, FIRST, f"{FIRST}-ed25519", "ed25519", "made"]


# With the DNS


@pytest.fixture
def responder() -> Iterator[Responder]:
    """A name server without records."""
    responder = Responder()
    responder.start(reactor)
    yield responder
    pytest_twisted.blockon(Deferred.fromCoroutine(responder.stop()))


class Asking:
    """`mta dkim` as a process, on a site whose name server is this one's."""

    def __init__(self, file: Path, responder: Responder) -> None:
        self.file = file
        table = f'[dns]\nnameservers = ["{responder.address}"]\nport = {responder.port}\ntimeout = "2s"\n'
        file.write_text(file.read_text().replace("[dns]\n", table))

    async def __call__(self, *arguments: str) -> Any:
        program = [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(self.file), "dkim", *arguments]
        return await deferToThread(
            subprocess.run, program, capture_output=True, text=True, env=environment(), timeout=60, cwd=self.file.parent
        )


def publish(responder: Responder, command: Command, *kinds: str) -> None:
    """Put records of the keys into the DNS, in strings of 200 octets."""
    for key in command.json("dkim", "show", DOMAIN):
        if key["kind"] in kinds:
            text = key["record"]
            strings = " ".join(f'"{text[begin : begin + 200]}"' for begin in range(0, len(text), 200))
            responder.add(key["name"], "TXT", strings)


@pytest_twisted.ensureDeferred
async def test_never_switched_before_the_dns_shows_it(hosting: Command, responder: Responder) -> None:
    """One record of two isn't enough; with both the pair signs."""
    hosting("dkim", "create", DOMAIN)
    asking = Asking(hosting.file, responder)

    nothing = await asking("rotate", DOMAIN)
    publish(responder, hosting, "rsa")
    half = await asking("rotate", DOMAIN, "--json")

    assert nothing.returncode == half.returncode == 1
    assert nothing.stdout.count("the DNS doesn't show it") == 2
    assert "Not switched" in nothing.stderr
    assert [key["in_dns"] for key in json.loads(half.stdout)] == ["yes", "no"]
    assert states(hosting) == {FIRST: "made"}

    publish(responder, hosting, "ed25519")
    whole = await asking("rotate", DOMAIN)

    assert whole.returncode == 0, whole.stderr
    assert states(hosting) == {FIRST: "signing"}


@pytest_twisted.ensureDeferred
async def test_show_asks_the_dns(hosting: Command, responder: Responder) -> None:
    """Exit status and words say what the DNS shows: another key, nothing, no answer, and at last what it should."""
    hosting("dkim", "create", DOMAIN)
    asking = Asking(hosting.file, responder)
    names = [key["name"] for key in hosting.json("dkim", "show", DOMAIN)]
    responder.add(names[0], "TXT", '"v=DKIM1; p="')
    responder.script(names[1], rcode("SERVFAIL"))

    wrong = await asking("show", DOMAIN, "--check", "--json")
    responder.records.clear()
    responder.scripts.clear()
    publish(responder, hosting, "rsa", "ed25519")
    right = await asking("show", DOMAIN, "--check")

    assert wrong.returncode == 1
    assert [key["in_dns"] for key in json.loads(wrong.stdout)] == ["differs", "unknown"]
    assert right.returncode == 0
    assert right.stdout.count("the DNS shows it") == 2
