"""The brake on traces: each run of spam is stopped before 50 strangers got mail, no honest sender ever is."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from ledger_kit import Bench, client
from sending_traces import DAY, HONEST, RUNS, Event, World

from twistedmail_mta.model import Reply
from twistedmail_mta.policy.brake import Brake

SEEDS = range(4)
DAYS = 80
GONE = Reply(550, "5.1.1", "No such user")
ANN = "ann@example.org"
BUSY = ("newsletter", "shop")
"""Accounts that write to many strangers from their own computers; what these do wrong looks the same."""


class Replay:
    """A site with the brake, on which a trace is sent."""

    def __init__(self, before: Replay | None = None) -> None:
        self.site = Bench(Brake) if before is None else before.site.fork(Brake)
        self.known: set[str] = set(before.known) if before else set()
        self.hosts: list[str] = list(before.hosts) if before else []
        self.refused: list[Event] = []

    def send(self, events: Iterable[Event], start: float = 0.0) -> int:
        """Send everything, or until something is refused; return how many strangers got mail."""
        strangers: set[str] = set()
        site = self.site
        for event in sorted(events, key=lambda event: event.at):
            site.clock.advance(max(0.0, start + event.at - site.clock.seconds()))
            reply = site.send(client(event.host, ANN), *event.to)
            if reply is not None:
                self.refused.append(event)
                break
            self.hosts.append(event.host)
            strangers.update(event.to)
            for address in event.failing:
                site.tell("bounced", ANN, address, GONE)
        strangers -= self.known
        self.known |= strangers
        return len(strangers)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", HONEST)
def test_honest_senders_are_never_stopped(kind: str, seed: int) -> None:
    """For eleven weeks, of which five are spent learning."""
    replay = Replay()

    replay.send(HONEST[kind](World(random.Random(f"{kind} {seed}")), DAYS))

    assert not replay.refused, [text for _, text, _ in replay.site.notices.told]
    assert replay.site.queue.done == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("victim", ["office", "newsletter", "shop", "nobody"])
def test_spam_is_stopped(victim: str, seed: int) -> None:
    """Whoever's account it is, also one that was never used; what is queued is kept, and the administrator told."""
    world, before = World(random.Random(f"{victim} {seed}")), Replay()
    days = world.rng.uniform(40, 55)
    if victim != "nobody":
        before.send(HONEST[victim](world, days))
        assert not before.refused
    friends = sorted(before.known) or world.strangers(5)
    computer = before.hosts[0] if before.hosts else world.host()
    got: dict[str, int] = {}

    for name, run in RUNS.items():
        if name == "own_computer" and victim in BUSY:
            continue
        replay = Replay(before)
        begin = max(replay.site.clock.seconds(), days * DAY) + world.rng.uniform(0, DAY)
        got[name] = replay.send(run(world, friends, computer), start=begin)

        assert replay.refused, name
        assert replay.site.queue.done == [("suspend", ANN)]
        assert len(replay.site.notices.told) == 1

    assert max(got.values()) < 50, got
