"""`mta top` and `mta queue lanes` beside a server that has work, on a terminal and in a pipe, and without one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from full_queue import fill, mixed, running_hosts
from pty_program import PtyProgram
from running_site import RunningSite, environment, wait_until
from typist import Typist

DEAD, OTHERS, DOMAINS = 600, 100, 10
BEGINS, ENDS = b"\x1b[?1049h", b"\x1b[?1049l"
"""The other screen of a terminal, and back to the one with what was there before."""


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """A server with a queue for a host that says nothing, and for others that take nothing now."""
    with running_hosts() as hosts:
        site = RunningSite(tmp_path_factory.mktemp("site") / "site", hosts.toml())
        fill(site.state, mixed(DEAD, OTHERS, DOMAINS), due=time.time() - 3600, spread=0.01, age=7200, size=100)
        site.start()
        accepted(site, 5)
        wait_until(lambda: hosts.taken == 5)
        wait_until(lambda: json.loads(site.mta("queue", "lanes", "--json").stdout)["waiting"])
        yield site
        site.kill()  # an orderly end would wait for the silent host


def accepted(site: RunningSite, number: int) -> None:
    """Send messages that leave at once, and one that nobody takes."""
    with Typist(site.ports["mx"]) as typist:
        typist.reply()
        typist.type("EHLO me")
        for _ in range(number):
            for line in ("MAIL FROM:<ann@busy.example>", "RCPT TO:<bob@live.test>", "DATA"):
                typist.type(line)
            assert typist.type("Subject: fresh\r\n\r\n.").startswith("250")
        typist.type("MAIL FROM:<ann@busy.example>")
        assert typist.type("RCPT TO:<bob@elsewhere.example>").startswith("550")


def told(site: RunningSite, *arguments: str) -> Any:
    return json.loads(site.mta(*arguments, "--json").stdout)


@contextmanager
def on_terminal(site: RunningSite, *arguments: str, **more: str) -> Iterator[PtyProgram]:
    """Run a command on a terminal of 80 columns and 24 lines."""
    command = [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(site.config), *arguments]
    with PtyProgram(command, environment() | {"TERM": "xterm-256color"} | more) as program:
        yield program


def contains(*words: str) -> Any:
    return lambda written: all(word.encode() in written for word in words)


def test_json(busy: RunningSite) -> None:
    """One object, with what the server counted and what the queue holds."""
    wait_until(lambda: told(busy, "top")["server"]["rates"]["refused"]["total"])  # counted each second
    picture = told(busy, "top")

    server, queue = picture["server"], picture["queue"]
    assert picture["trouble"] is None
    assert server["hostname"] == "mail.example.org"
    assert server["process"] == busy.process.pid if busy.process else False
    assert server["rates"]["accepted"]["total"] == 5
    assert server["rates"]["delivered"]["total"] == 5
    assert server["rates"]["deferred"]["total"] >= OTHERS
    assert server["rates"]["refused"]["total"] == 1
    assert 0 < server["rates"]["accepted"]["5m"] < 5
    mx = server["sessions"][0]
    assert (mx["listener"], mx["role"], mx["open"], mx["begun"]) == ("mx", "mx", 0, 1)
    assert server["senders"]["listed"] == [{"name": "busy.example", "messages": 5}]
    assert 0 <= server["reactor"]["10s"] <= server["reactor"]["5m"] < 30
    assert server["database"]["commits"]["total"] > 0
    assert 0 < server["memory"]["held"] < server["memory"]["most"]
    assert (queue["messages"], queue["recipients"]) == (DEAD + OTHERS,) * 2
    assert queue["active"] + queue["waiting"] == DEAD + OTHERS
    assert {each["name"]: each["recipients"] for each in queue["reasons"]} == {"451 4.4.1": DEAD, "trouble": OTHERS}
    assert len(queue["oldest"]) == 50
    assert queue["oldest"][0]["sender"] == "old@sender.test"


def test_lanes(busy: RunningSite) -> None:
    """The host that says nothing has a lane with as many transfers as may run, and the rest waits."""
    lanes = told(busy, "queue", "lanes")

    assert lanes["running"] is True
    (dead,) = [lane for lane in lanes["listed"] if lane["name"] == "mx.dead.test"]
    assert dead["running"] == dead["allowed"] == lanes["transfers"] > 0
    assert dead["waiting"] == lanes["waiting"] > 0
    assert dead["recipients"] == dead["running"] + dead["waiting"]

    heading, line = busy.mta("queue", "lanes").stdout.splitlines()[:2]
    assert heading.split() == ["Lane", "State", "Busy", "Waiting", "Recipients", "Last", "reply"]
    assert line.split()[0] == "mx.dead.test"


def test_once_in_a_pipe(busy: RunningSite) -> None:
    """One picture, as without --once, and nothing that commands a terminal."""
    for arguments in (["top", "--once"], ["top"]):
        done = busy.mta(*arguments)
        assert done.stderr == ""
        assert done.stdout.startswith("mta top  ")
        for word in (
            "accepted",
            "Lanes",
            "mx.dead.test",
            "Sessions",
            "Reasons",
            "trouble",
            "Oldest",
            "Senders",
            "busy.example",
        ):
            assert word in done.stdout
        assert "\x1b" not in done.stdout


def test_a_line_each(busy: RunningSite) -> None:
    """Pictures one after the other, each an object, until whoever reads has enough; ^C ends it without words."""
    command = [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(busy.config), "top", "--json"]
    with subprocess.Popen(
        [*command, "--interval", "200ms"], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first, second = json.loads(process.stdout.readline()), json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr.read() == b""

    assert second["at"] >= first["at"] + 0.2


def test_on_a_terminal(busy: RunningSite) -> None:
    """The picture has the screen for itself; keys change it, another size too, and the end leaves nothing."""
    with on_terminal(busy, "top", "--interval", "1s") as program:
        assert program.writes(contains("[Lanes]", "mx.dead.test")).startswith(b"")
        assert BEGINS in program.written
        assert not program.has_echo()

        program.type(b"s")
        program.writes(contains("[Sessions]", "submissions"))
        program.type(b"ss")
        program.writes(contains("[Oldest]", "1-"))
        program.type(b"\x1b[B\x1b[B")
        program.writes(contains("3-"))
        program.type(b"p")
        program.writes(contains("PAUSED"))
        program.resize(200, 50)
        program.writes(contains("[Oldest]", " Lanes", " Sessions", " Reasons", " Senders"))

        program.type(b"q")
        assert program.ends() == 0
        assert program.has_echo()
        assert program.written.rindex(ENDS) > program.written.rindex(BEGINS)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signals_leave_the_terminal_as_it_was(busy: RunningSite, signum: signal.Signals) -> None:
    """Else the shell would be there without echo."""
    with on_terminal(busy, "top") as program:
        program.writes(contains("[Lanes]"))
        program.send_signal(signum)
        assert program.ends() == (0 if signum == signal.SIGINT else 128 + signum)
        assert program.has_echo()
        assert ENDS in program.written


def test_without_colours(busy: RunningSite) -> None:
    """NO_COLOR is heeded (no-color.org): nothing is told by colour, and no sequence sets one."""
    with on_terminal(busy, "top", NO_COLOR="1") as program:
        written = program.writes(contains("mx.dead.test", "crowded"))
        program.type(b"q")
        assert program.ends() == 0
    assert b"\x1b[33m" not in written

    with on_terminal(busy, "top") as program:
        assert b"\x1b[33m" in program.writes(contains("mx.dead.test", "crowded"))
        program.type(b"q")
        assert program.ends() == 0


def test_a_terminal_that_moves_no_cursor(busy: RunningSite) -> None:
    """Such as Emacs' shell: it is said what works there."""
    with on_terminal(busy, "top", TERM="dumb") as program:
        assert program.ends() == 2
    assert b"--once" in program.written
    assert b"\x1b" not in program.written

    with on_terminal(busy, "top", "--once", TERM="dumb") as program:
        assert program.ends() == 0
    assert b"mx.dead.test" in program.written


def test_bad_intervals(busy: RunningSite) -> None:
    """Said in words."""
    for wrong in ("0s", "50ms", "often"):
        done = busy.mta("top", "--once", "--interval", wrong, check=False)
        assert done.returncode == 2
        assert "Invalid value for '--interval'" in done.stderr


def test_a_stopped_server(tmp_path: Path) -> None:
    """What it left in the queue is shown, from the database, and that no server runs; there are no lanes."""
    site = RunningSite(tmp_path / "site")
    fill(site.state, mixed(3, 2, 1), due=time.time(), spread=0.0, age=7200, size=100)

    picture = told(site, "top")
    assert picture["server"] is None
    assert (picture["queue"]["recipients"], picture["queue"]["waiting"]) == (5, 5)
    assert "No server runs. This is its queue, from the database." in site.mta("top", "--once").stdout

    lanes = site.mta("queue", "lanes", check=False)
    assert (lanes.returncode, lanes.stdout) == (1, "")
    assert lanes.stderr.startswith("Error: No server runs, so there are no lanes")
    lanes = site.mta("queue", "lanes", "--json", check=False)
    assert (lanes.returncode, lanes.stderr) == (1, "")
    assert json.loads(lanes.stdout) == {
        "running": False, "number": 0, "transfers": 0, "waiting": 0, "recipients": 0, "troubles": [], "listed": [],
    }  # fmt: skip

    with on_terminal(site, "top") as program:
        program.writes(contains("No server runs", "[Lanes]"))
        program.type(b"sss")
        program.writes(contains("[Oldest]", "old@sender"))
        program.type(b"q")
        assert program.ends() == 0


def test_a_server_that_goes_and_comes(tmp_path: Path) -> None:
    """Whoever watches goes on watching."""
    site = RunningSite(tmp_path / "site").start()
    with on_terminal(site, "top", "--interval", "200ms") as program:
        program.writes(contains("mail.example.org, up"))
        assert site.stop() == 0
        program.writes(contains("No server runs"))
        site.start()
        program.writes(contains("mail.example.org, up"))
        program.type(b"q")
        assert program.ends() == 0
    assert site.stop() == 0
