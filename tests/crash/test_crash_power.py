"""A power cut at every step of the spool's life: what was acknowledged is there, once; nothing is half there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from crash_lives import KINDS, live
from crash_site import CrashSite, State, state_of
from faultfs import FaultDisk, FaultVFS
from power_cut import Journal, crash_images


@dataclass
class Recorded:
    """A life on a recorded disk, and what it held after each step."""

    journal: Journal
    states: list[State]


@pytest.fixture(scope="module", params=KINDS)
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    path = tmp_path_factory.mktemp("site")
    states: list[State] = []
    with FaultVFS(Journal(path)) as vfs:
        journal = vfs.journal
        assert journal is not None

        def acknowledge(number: int) -> None:
            journal.mark(number)
            states.append(state_of(path))

        site = CrashSite(path, vfs=vfs.name, disk=FaultDisk(journal))
        live(site, request.param, acknowledge)
        site.close()
    return Recorded(journal, states)


def check(life: Recorded, acknowledged: list[int], image: Path) -> int:
    """Judge what a cut left; return how many steps it holds."""
    if not acknowledged:
        return 0  # not even started
    done = acknowledged[-1]
    found = state_of(image)
    assert found in life.states[done : done + 2], f"after step {done} and before the end of the next"
    return life.states.index(found)


def test_every_step_is_whole_after_a_cut(life: Recorded, tmp_path: Path) -> None:
    """Only what was synced is left, at each write and sync: all of a step or nothing of it."""
    held = {check(life, acknowledged, image) for _, acknowledged, image in crash_images(life.journal, tmp_path)}

    assert held == {life.states.index(state) for state in life.states}


@pytest.mark.parametrize("seed", range(2))
def test_writes_that_reached_the_disk_by_chance_do_no_harm(life: Recorded, tmp_path: Path, seed: int) -> None:
    """Besides what was synced, other writes are there: whole, torn, in any order."""
    for _, acknowledged, image in crash_images(life.journal, tmp_path, Random(seed)):
        check(life, acknowledged, image)


@pytest.mark.parametrize("life", ["spool"], indirect=True)
def test_a_start_after_a_cut_finds_everything_due_again(life: Recorded, tmp_path: Path) -> None:
    """In the middle of life: claims are free, due times as before, orphans go, and all of it can be delivered."""
    cuts = [(acknowledged, number) for number, acknowledged, _ in crash_images(life.journal, tmp_path)]
    middle = next(number for acknowledged, number in cuts if acknowledged[-1:] == [7])
    for number, _, image in crash_images(life.journal, tmp_path):
        if number == middle:
            site = CrashSite(image)
            orphans = site.hand.wait(site.bodies.sweep(site.sweep._named, -1.0))
            claims = site.hand.wait(site.spool.claim(100, frozenset()))
            counts = site.hand.wait(site.control.counts())
            site.close()

    assert orphans == 0
    assert [claim.recipient.address.local for claim in claims] == ["ann", "x", "y"]
    assert (counts.recipients, counts.active, counts.waiting, counts.held) == (5, 3, 1, 1)
