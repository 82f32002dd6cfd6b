"""`mta top` on the screen of tmux, as somebody sees it: what a terminal makes of what is written to it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from full_queue import fill, mixed, running_hosts
from interop_daemons import eventually
from interop_imap_screen import TMUX, Screen, on_screen
from running_site import RunningSite, environment

pytestmark = pytest.mark.skipif(not TMUX.exists(), reason="not installed: tmux (tests/interop/install-peers.sh)")
PANES = ("Lanes", "Sessions", "Reasons", "Oldest", "Senders")
KEYS = "q quit   s next pane   p pause   arrows scroll"


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[RunningSite]:
    """A server with a host that says nothing, and mail for it."""
    with running_hosts() as hosts:
        site = RunningSite(tmp_path / "site", hosts.toml())
        fill(site.state, mixed(600, 30, 10), due=time.time() - 3600, spread=0.01, age=7200, size=100)
        yield site.start()
        site.kill()  # an orderly end would wait for the silent host


def top(site: RunningSite) -> list[str | Path]:
    python = f"PYTHONPATH={environment()['PYTHONPATH']}"
    command = [sys.executable, "-m", "twistedmail_mta.cli.main", "--config", str(site.config), "top"]
    return ["/usr/bin/env", python, *command, "--interval", "500ms"]


def panes_on(screen: Screen) -> list[str]:
    """Return the titles of panes at the beginning of a line, or behind the middle of one."""
    lines = screen.text().splitlines()
    beginnings = [part for line in lines for part in (line[:12], line[101:113])]
    return sorted(
        {title for title in PANES for part in beginnings if f"{part} ".startswith((f" {title} ", f"[{title}]"))}
    )


def test_a_small_screen(busy: RunningSite, tmp_path: Path) -> None:
    """80 columns and 24 lines: all of it is to be seen, the first line on the first and the keys on the last."""
    with on_screen(top(busy), tmp_path, 80, 24) as screen:
        lines = screen.shows("mx.dead.test", "crowded").splitlines()
        assert len(lines) == 24
        assert lines[0].startswith("mta top  ")
        assert lines[-1].rstrip() == KEYS
        (lane,) = [line for line in lines if line.startswith("mx.dead.test")]
        assert lane.split()[1] == "crowded"

        for title in (*PANES[1:], PANES[0]):
            screen.type("s")
            lines = screen.shows(f"[{title}]").splitlines()
            assert (lines[0][:9], lines[-1].rstrip()) == ("mta top  ", KEYS)


def test_a_large_screen_and_another_size(busy: RunningSite, tmp_path: Path) -> None:
    """200 columns and 50 lines have room for all panes, 80 and 24 for one; nothing is left over from before."""
    with on_screen(top(busy), tmp_path, 200, 50) as screen:
        eventually(lambda: panes_on(screen) == sorted(PANES), "all panes are there")

        screen.tmux("resize-window", "-x", "80", "-y", "24")
        eventually(lambda: panes_on(screen) == ["Lanes"], "one is left")
        lines = screen.shows(" Lanes   Sessions   Reasons   Oldest   Senders").splitlines()
        assert lines[0].startswith("mta top  ")
        assert lines[-1].rstrip() == KEYS

        screen.tmux("resize-window", "-x", "200", "-y", "50")
        eventually(lambda: panes_on(screen) == sorted(PANES), "all panes are there again")


def test_scrolling_and_pausing(busy: RunningSite, tmp_path: Path) -> None:
    """The rows move by one, by a page, to the last; while it is paused the time stands still."""
    with on_screen(top(busy), tmp_path, 80, 24) as screen:
        screen.shows("[Lanes]")
        screen.type("sss")
        screen.shows("[Oldest]", "1-11 of 50")
        screen.type("", "Down", "Down", "Up")
        screen.shows("2-12 of 50")
        screen.type("", "NPage")
        screen.shows("13-23 of 50")
        screen.type("", "End")
        screen.shows("40-50 of 50")
        screen.type("", "Home")
        screen.shows("1-11 of 50")

        screen.type("p")
        before = screen.shows("PAUSED").splitlines()[0]
        screen.type("", "Down")
        assert screen.shows("2-12 of 50").splitlines()[0] == before
        screen.type("p")
        screen.type("q")
        screen.ended()
