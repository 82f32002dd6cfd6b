"""Plays traces to the brake: the owner goes on while somebody else sends; what fails comes back minutes later."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from hijack_traces import AT_HOME, RUNS, Victim
from honest_traces import HONEST
from ledger_kit import Bench, client
from sending_traces import DAY, Event, World

from twistedmail_mta.model import Reply
from twistedmail_mta.policy.brake import Brake

ANN = "ann@example.org"
GONE = Reply(550, "5.1.1", "No such user")
DAYS = 110
"""Of an honest trace; the brake learns for the first 35."""
VICTIMS = ("office", "seldom", "nobody", "family", "traveller", "newsletter", "shop", "tickets", "sales", "club")
BUSY = frozenset({"newsletter", "shop", "tickets", "sales", "club"})
"""Those that write to many strangers from their own networks, where nothing tells a thief from them."""


@dataclass(frozen=True)
class Ended:
    """How a replay ended.

    Attributes:
        strangers: how many got something from the thief.
        why: the reasons of the stop; none when nobody was stopped.
    """

    strangers: int
    why: str | None


class Replay:
    """A site with the brake on which traces are played; `before` is what happened until then."""

    def __init__(self, before: Replay | None = None) -> None:
        self.site = Bench(Brake) if before is None else before.site.fork(Brake)
        self.known: set[str] = set(before.known) if before else set()
        self.hosts: list[str] = list(before.hosts) if before else []

    def play(self, own: Iterable[Event], thief: Iterable[Event] = (), start: float = 0.0) -> Ended:
        """Play until the account is stopped.

        Args:
            own: what the owner sends, in order.
            thief: what the thief sends, in order.
            start: when he begins; his times are from then on.
        """
        strangers: set[str] = set()
        for at, event, is_own in _merged(own, thief, start):
            self.site.clock.advance(max(0.0, at - self.site.clock.seconds()))
            if isinstance(event, str):
                self.site.tell("bounced", ANN, event, GONE)
            elif self.site.send(client(event.host, ANN), *event.to) is None and is_own:
                self.hosts.append(event.host)
                self.known.update(event.to)
            elif not is_own and not self.site.notices.told:
                strangers.update(each for each in event.to if not each.endswith("@example.org"))
            if self.site.notices.told:
                return Ended(len(strangers - self.known), self.site.notices.told[0][1])
        return Ended(len(strangers - self.known), None)


def _merged(own: Iterable[Event], thief: Iterable[Event], start: float) -> Iterator[tuple[float, Event | str, bool]]:
    """Yield messages of both, and the recipients that have failed, in order of time."""
    number, failed = count(), list[tuple[float, int, str, bool]]()
    streams = (
        ((event.at, next(number), event, True) for event in own),
        ((start + event.at, next(number), event, False) for event in thief),
    )
    for at, _, event, is_own in heapq.merge(*streams):
        while failed and failed[0][0] <= at:
            then, _, address, whose = heapq.heappop(failed)
            yield then, address, whose
        yield at, event, is_own
        for address in event.failing:
            later = random.Random(f"{address} {at}").uniform(2, 900)
            heapq.heappush(failed, (at + later, next(number), address, is_own))


def honest(kind: str, seed: int) -> Ended:
    """Play what an honest account sends."""
    world = World(random.Random(f"honest {kind} {seed}"))
    return Replay().play(sorted(HONEST[kind](world, DAYS), key=lambda event: event.at))


def runs_against(victim: str) -> list[str]:
    """Return the runs that can be told from what the owner does.

    Left out are those from the owner's own networks, where he writes to many
    strangers himself; and friends of whom there are none.
    """
    unseen = {*AT_HOME, "residential"} if victim in BUSY else {"chain"} if victim == "nobody" else set()
    return [name for name in RUNS if name not in unseen]


def hijacked(victim: str, seed: int, runs: Sequence[str]) -> dict[str, Ended] | None:
    """Play what an account sends for some weeks, then each run; nothing if it was stopped before."""
    world = World(random.Random(f"victim {victim} {seed}"))
    days = world.rng.uniform(40, 70)
    own = [] if victim == "nobody" else sorted(HONEST[victim](world, 130), key=lambda event: event.at)
    before = Replay()
    if before.play(event for event in own if event.at < days * DAY).why is not None:
        return None
    whom = Victim(sorted(before.known) or world.strangers(5), before.hosts[-30:] or [world.host()])
    return {
        name: _hijacked(before, name, seed, whom, [each for each in own if each.at >= days * DAY], days)
        for name in runs
    }


def _hijacked(before: Replay, name: str, seed: int, whom: Victim, own: list[Event], days: float) -> Ended:  # noqa: PLR0917 - a case
    world = World(random.Random(f"run {name} {seed} {days}"), count(10**7))
    start = (days + world.rng.random()) * DAY
    return Replay(before).play(own, RUNS[name](world, whom), start)
