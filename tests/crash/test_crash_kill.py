"""A process killed with SIGKILL: at every operation on its files, and at random under load."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from shutil import copytree, rmtree

import apsw
import pytest
from crash_lives import KINDS, Kind, states_of_a_life
from crash_site import CrashSite, State, body_files, child, content, state_of

Key = tuple[int, int]


@pytest.fixture
def forks() -> Iterator[subprocess.Popen[str]]:
    """Return a process that forks children to be killed."""
    command, environment = child("steps")
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def killed_at(forks: subprocess.Popen[str], site: Path, kind: Kind, count: int) -> tuple[str, int]:
    """Let a child live until its operation `count`; return how it ended and what it acknowledged last."""
    assert forks.stdin is not None
    assert forks.stdout is not None
    forks.stdin.write(f"{site} {kind} {count}\n")
    forks.stdin.flush()
    outcome, last = forks.stdout.readline().split()
    return outcome, int(last)


def check_step(states: list[State], last: int, site: Path) -> None:
    if last >= 0:
        assert state_of(site) in states[last : last + 2], f"after step {last} and before the end of the next"


@pytest.mark.parametrize("kind", KINDS)
def test_kill_at_every_operation(forks: subprocess.Popen[str], tmp_path: Path, kind: Kind) -> None:
    """Every accept, settle, delivery and removal: all of a step is there or nothing of it; one life opens the site."""
    begun, whole = tmp_path / "begun", tmp_path / "whole"
    begun.mkdir()
    if kind != "spool":
        CrashSite(begun).close()
    copytree(begun, whole)
    states = states_of_a_life(whole, kind)
    seen, count, outcome = set(), 0, "killed"
    while outcome == "killed":
        count += 1
        site = tmp_path / str(count)
        copytree(begun, site)
        outcome, last = killed_at(forks, site, kind, count)
        check_step(states, last, site)
        seen.add(last)
        rmtree(site)

    assert outcome == "finished"
    assert seen == set(range(-1, len(states)))
    assert count > 60


@dataclass
class Ledger:
    """What the processes have acknowledged, over all their lives."""

    accepted: dict[int, tuple[int, int]] = field(default_factory=dict)
    """The size and the number of recipients of each message."""
    tried: set[Key] = field(default_factory=set)
    gone: set[Key] = field(default_factory=set)

    def read(self, line: bytes) -> None:
        what, about, *numbers = line.split()
        if what == b"accepted":
            self.accepted[int(about)] = int(numbers[0]), int(numbers[1])
        elif what == b"tried":
            self.tried.add((int(about), int(numbers[0])))
        elif what == b"gone":
            self.gone.add((int(about), int(numbers[0])))

    def check(self, site: Path) -> None:
        """Compare with what a site holds after a kill."""
        state_of(site)  # everything fits together, every body is complete
        connection = apsw.Connection(str(site / "mta.db"))
        here: set[Key] = set(connection.execute("SELECT message, n FROM recipient"))
        assert not here & self.gone, "a settled recipient came back"
        lost = [
            (message, n)
            for message, (_, recipients) in self.accepted.items()
            for n in range(recipients)
            if (message, n) not in here | self.tried | self.gone
        ]
        assert not lost, "an acknowledged recipient is lost"
        for message, size, octets, file in connection.execute(
            "SELECT m.id, b.size, b.data, b.file FROM message m JOIN body b ON b.id = m.body"
        ):
            accepted_size, recipients = self.accepted.get(message, (size, None))
            assert size == accepted_size
            found = octets if file is None else (site / "bodies" / file).read_bytes()
            counts = (1, 2, 3) if recipients is None else (recipients,)
            assert found in [content(size + count, size) for count in counts], "a body is another's"
        connection.close()


def bear_load(site: Path, seed: int, ledger: Ledger, lines: int) -> None:
    """Run a process until it has acknowledged so much, and kill it in the midst of its work."""
    command, environment = child("load", str(site), str(seed))
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(lines):
            ledger.read(process.stdout.readline())
        process.kill()
        for line in process.stdout.read().splitlines(keepends=True):
            if line.endswith(b"\n"):
                ledger.read(line)


def test_kill_at_random_under_load(tmp_path: Path) -> None:
    """Five processes, one after the other on the same site, each killed in the midst of its work."""
    ledger, chance = Ledger(), Random(7)
    for seed in range(5):
        bear_load(tmp_path, seed, ledger, chance.randrange(200, 1200))
        ledger.check(tmp_path)

    assert len(ledger.accepted) > 200
    assert len(ledger.gone) > 100
    deliver_the_rest(tmp_path, ledger)


def deliver_the_rest(path: Path, ledger: Ledger) -> None:
    """After the last start everything that is left can be claimed, once, and nothing else lies about."""
    connection = apsw.Connection(str(path / "mta.db"))
    left = set(connection.execute("SELECT message, n FROM recipient WHERE state = 'waiting'"))
    site = CrashSite(path)
    site.clock.rightNow = 4e9
    claims = site.hand.wait(site.spool.claim(100_000, frozenset()))
    site.hand.wait(site.bodies.sweep(site.sweep._named, -1e12))
    named = {name for (name,) in connection.execute("SELECT file FROM body WHERE file IS NOT NULL")}
    site.close()
    connection.close()

    keys = [(claim.message_id, claim.index) for claim in claims]
    assert len(keys) == len(set(keys))
    assert set(keys) == left
    assert not set(keys) & ledger.gone
    assert body_files(path) == named
