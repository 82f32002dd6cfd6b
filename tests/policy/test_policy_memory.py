"""While the process holds too much memory, no mail is taken that plugins would be asked about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from twistedmail_mta.config.listening import LimitsTable
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.policy import memory
from twistedmail_mta.policy.memory import LOOK_EVERY, SHORT, TELL_EVERY, MemoryWatch, available, held_by, resident
from twistedmail_mta.tasks import TaskGroup
from twistedmail_mta.testing.surroundings import AtOnce

MB = 1 << 20

KEPT: list[bytes] = []


class Leaking:
    """Keeps what it should forget, and the server's parts."""

    def __init__(self, kit: Any = None) -> None:
        self.kit = kit
        self.forgotten: dict[str, list[bytes]] = {}


class Held:
    """What a process holds, as a test says; counts the looks."""

    def __init__(self) -> None:
        self.octets, self.looks = 0, 0

    def __call__(self) -> int:
        self.looks += 1
        return self.octets


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    """What is said about memory."""
    events: list[dict[str, Any]] = []

    def keep(event: dict[str, Any]) -> None:
        if str(event.get("event")).startswith("memory."):
            events.append(event)

    globalLogPublisher.addObserver(keep)
    yield events
    globalLogPublisher.removeObserver(keep)


def watch(held: Held, clock: Clock, *plugins: Plugin) -> MemoryWatch:
    """A watch over 100 MB."""
    return MemoryWatch(100 * MB, clock, lambda: plugins, TaskGroup(), AtOnce(), held)  # type: ignore[arg-type]


def test_short_and_enough_again(logged: list[dict[str, Any]]) -> None:
    """452 while it holds too much; looked at ten times a second, told every ten minutes."""
    held, clock = Held(), Clock()
    leaking = Leaking()
    leaking.forgotten["x"] = [b"x" * MB]
    watched = watch(held, clock, Plugin("small", Leaking(), 1.0, False), Plugin("large", leaking, 1.0, False))

    assert [watched.refusal() for _ in range(3)] == [None] * 3
    assert held.looks == 1
    held.octets = 101 * MB
    assert watched.refusal() is None
    clock.advance(LOOK_EVERY)
    assert watched.refusal() == SHORT
    assert [event["event"] for event in logged] == ["memory.short"]
    assert (logged[0]["held"], logged[0]["most"]) == (101, 100)
    assert logged[0]["plugins"].startswith("large 1 MB, small 0 MB")

    clock.advance(LOOK_EVERY)
    assert watched.refusal() == SHORT
    assert len(logged) == 1
    clock.advance(TELL_EVERY)
    assert watched.refusal() == SHORT
    assert len(logged) == 2

    held.octets = 100 * MB
    clock.advance(LOOK_EVERY)
    assert watched.refusal() is None
    assert logged[-1]["event"] == "memory.enough"


def test_what_a_plugin_holds() -> None:
    """What its object leads to and the globals of its module do, each once; not what the server or Twisted made."""
    everything = bytearray(50 * MB)
    clock = Clock()
    clock.rightNow = everything  # type: ignore[assignment]
    leaking = Leaking(clock)

    before = held_by(leaking)
    leaking.forgotten["one"] = [bytes(MB), shared := bytes(MB)]
    leaking.forgotten["two"] = [shared]
    after = held_by(leaking)
    KEPT.append(bytes(3 * MB))
    with_globals = held_by(leaking)
    KEPT.clear()

    assert before < MB
    assert 2 * MB <= after - before < 2.1 * MB
    assert 3 * MB <= with_globals - after < 3.1 * MB


def test_circles_end() -> None:
    """An object that leads to itself is counted once."""
    leaking = Leaking()
    leaking.forgotten["self"] = leaking  # type: ignore[assignment]

    assert held_by(leaking) < MB


def test_many_objects_take_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those beyond aren't counted."""
    monkeypatch.setattr(memory, "MOST_OBJECTS", 100)
    leaking = Leaking()
    leaking.forgotten["many"] = [bytes(10_000) for _ in range(1000)]

    assert held_by(leaking) < 2 * MB


def test_what_there_is() -> None:
    """The process holds something, and less than it may."""
    assert 10 * MB < resident() < available()


@pytest.mark.parametrize("limited", ["system.slice/mta.service", "system.slice", "", None])
def test_what_a_unit_may_have(tmp_path: Path, limited: str | None) -> None:
    """`MemoryMax` of the unit, or of a slice above it, goes before what the machine has; "max" is no limit."""
    unit, own = tmp_path / "groups/system.slice/mta.service", tmp_path / "own"
    unit.mkdir(parents=True)
    own.write_text("0::/system.slice/mta.service\n")
    (unit / "memory.max").write_text("max\n")
    if limited is not None:
        (tmp_path / "groups" / limited / "memory.max").write_text(f"{64 * MB}\n")

    found = available(tmp_path / "groups", own)

    assert (found == 64 * MB) is (limited is not None)
    assert available(tmp_path / "none", tmp_path / "none") >= found


def test_the_key_of_the_site_file() -> None:
    """A size, or what the machine has decides."""
    assert LimitsTable(memory="2GB").memory == 2 << 30  # type: ignore[arg-type]
    assert LimitsTable().memory is None
