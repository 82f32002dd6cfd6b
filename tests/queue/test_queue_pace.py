"""What a runner's lanes learn from outcomes: who is out of reach, who wants less, who is well."""

from __future__ import annotations

from typing import Any

import pytest
from queue_fakes import BUSY, NO_USER, OK, World

from twistedmail_mta.model import Deferred, Failed, Outcome, Reply

HOST = "mx.example [192.0.2.1]"
DOWN = Deferred(Reply(451, "4.4.1", "The host refuses connections"), HOST, unreached=True)


def begun_after(world: World, outcome: Any, messages: int = 6) -> int:
    """Return how many attempts begin at once when a first message met an outcome."""
    world.agent.outcomes["first@x.example"] = outcome
    world.send("first@x.example")
    world.agent.slow.add("x.example")
    before = len(world.agent.calls)
    for n in range(messages):
        world.send(f"u{n}@x.example")
    return len(world.agent.calls) - before


@pytest.mark.parametrize(
    ("outcome", "begun"),
    [
        (OK, 2),
        (BUSY, 2),
        (NO_USER, 2),
        (DOWN, 0),
        (Deferred(Reply(421, "", "closing"), HOST), 0),
        (Deferred(Reply(451, "4.7.28", "Our system has detected an unusual rate of mail"), HOST), 0),
        (Failed(Reply(550, "5.7.1", "Service unavailable, client host [192.0.2.9] blocked using Spamhaus"), HOST), 0),
    ],
)
def test_outcomes_set_the_pace(world: World, outcome: Outcome, begun: int) -> None:
    """Out of reach, throttled and blocked make the lane rest; what is about one recipient doesn't."""
    assert begun_after(world, outcome) == begun


def test_rest_ends(world: World) -> None:
    """After the pause one delivery at a time is tried."""
    begun_after(world, DOWN)
    calls = len(world.agent.calls)

    world.clock.advance(1)
    assert len(world.agent.calls) == calls + 1


def test_dead_next_hop_defers_at_once(world: World) -> None:
    """Mail for a next hop that was out of reach three times waits for its retry in the table, not in memory."""
    world.agent.default = DOWN
    for seconds in (1, 2, 0):
        world.send("u@x.example")
        world.clock.advance(seconds)
    assert len(world.agent.calls) == 3

    for n in range(20):
        world.send(f"v{n}@x.example")

    assert len(world.agent.calls) == 3
    assert world.spool.owned() == []
    assert all(row.attempts == 1 for row in world.spool.rows.values())
    world.agent.default = OK
    world.pass_time(400, 400)
    assert world.spool.rows == {}


def test_held_mail_of_a_dead_next_hop_is_withdrawn(world: World) -> None:
    """What an operator holds isn't deferred behind his back."""
    world.agent.default = DOWN
    for seconds in (1, 2, 0):
        world.send("u@x.example")
        world.clock.advance(seconds)
    message = world.message("held@x.example")
    world.spool.withdrawn.add((message.id, 0))
    world.result(world.runner.accept(message))
    world.clock.advance(0)

    assert world.spool.rows[message.id, 0].held


def test_one_dead_destination_starves_nobody(world: World) -> None:
    """Thousands for a dead next hop keep neither new nor old mail of others waiting."""
    world.agent.outcomes.clear()
    world.agent.default = OK
    for n in range(3000):
        message = world.message(f"u{n}@dead.example")
        world.spool.insert(message)
        world.agent.outcomes[f"u{n}@dead.example"] = DOWN
    world.spool.insert(world.message("old@well.example"))
    world.runner.poke()
    world.pass_time(60, 60)
    world.send("new@well.example")

    assert world.agent.hosts().count("well.example") == 2
    assert world.agent.hosts().count("dead.example") < 60


def test_mail_for_a_dead_next_hop_is_put_off_after_that_of_others(world: World) -> None:
    """Hundreds that were due before are claimed only when nothing else is due; then all are put off."""
    for n in range(300):
        world.agent.outcomes[f"u{n}@dead.example"] = DOWN
    for n in range(5):
        world.send(f"u{n}@dead.example")
    world.pass_time(4, steps=40)
    world.spool.settled.clear()

    for n in range(5, 300):
        world.spool.insert(world.message(f"u{n}@dead.example"))
    world.pass_time(0.1, steps=1)
    for n in range(150):
        world.spool.insert(world.message(f"bob@h{n}.example"))
    world.runner.poke()
    world.pass_time(0.5, steps=5)

    domains = [settled[0].claim.recipient.address.domain for settled, _ in world.spool.settled]
    assert "dead.example" not in domains[:150]
    assert domains.count("dead.example") == 295
