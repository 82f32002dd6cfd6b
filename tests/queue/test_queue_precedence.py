"""New mail keeps its speed while much is due, and what is due isn't forgotten over it."""

from __future__ import annotations

import pytest
from queue_fakes import World
from twisted.internet.task import Clock

from twistedmail_mta.queue import precedence
from twistedmail_mta.queue.precedence import LEAST, MOST, PERIOD, Precedence, burden_of_this_thread


class Thread:
    """A reactor's thread, and how much it did of the time that passed."""

    def __init__(self) -> None:
        self.time = 100.0
        self.worked = 0.0
        self.precedence = Precedence(lambda: self.time, lambda: self.worked)

    def pass_period(self, busy: float, *, arrivals: bool) -> int:
        if arrivals:
            self.precedence.note_arrival()
        self.time += PERIOD
        self.worked += busy * PERIOD
        return self.precedence.left


def test_nothing_is_held_back_at_first() -> None:
    """A start finds the whole queue due, and nobody else wants the time."""
    assert Thread().precedence.left == MOST


def test_claims_give_way_to_arrivals_and_come_back() -> None:
    """Down to a few in a second, up again in two."""
    thread = Thread()

    down = [thread.pass_period(1.0, arrivals=True) for _ in range(6)]
    up = [thread.pass_period(0.5, arrivals=True) for _ in range(9)]

    assert down == [250, 62, 15, LEAST, LEAST, LEAST]
    assert up[:3] == [10, 20, 40]
    assert up[-1] == MOST


def test_a_busy_thread_without_arrivals_goes_on() -> None:
    """What makes it busy is the old mail itself."""
    thread = Thread()

    assert [thread.pass_period(1.0, arrivals=False) for _ in range(3)] == [MOST] * 3


def test_claims_of_a_period_are_counted() -> None:
    """When they are used up there is a time to wait, and then there are more."""
    thread = Thread()
    thread.precedence.note_claims(MOST)
    thread.time += 0.1

    assert thread.precedence.left == 0
    assert thread.precedence.rest == pytest.approx(PERIOD - 0.1)
    assert thread.pass_period(0.0, arrivals=False) == MOST


def test_the_runner_keeps_to_it() -> None:
    """With the thread fully used while mail comes in, due mail goes out a few at a time, but it goes."""
    clock = Clock()
    world = World(clock=clock, burden=clock.seconds)
    for _ in range(5):
        world.result(world.runner.accept(world.message("new@y.example")))
        clock.advance(PERIOD)
        world.runner.poke()
    world.agent.calls.clear()
    for n in range(100):
        world.result(world.spool.accept(world.message(f"old{n}@x{n}.example"), claim=False))

    counts = []
    for _ in range(3):
        world.result(world.runner.accept(world.message("new@y.example")))
        clock.advance(PERIOD)
        world.runner.poke()
        counts.append(sum(host != "y.example" for host in world.agent.hosts()))
    clock.pump([PERIOD] * 20)

    assert counts[0] in {LEAST, 0}
    assert counts[2] <= 3 * LEAST
    assert counts[2] >= LEAST
    assert sum(host != "y.example" for host in world.agent.hosts()) == 100


def test_work_of_this_thread_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the system tells: it may bring it up to date at its next tick only."""
    for missing in (False, True):
        if missing:
            monkeypatch.setattr(precedence.os, "open", _refuse)
        burden = burden_of_this_thread()
        before = burden()
        assert any(sum(range(200_000)) and burden() > before for _ in range(1000))


def _refuse(*_: object) -> int:
    raise FileNotFoundError
