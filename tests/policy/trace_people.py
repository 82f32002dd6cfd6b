"""From where people send, and to whom, for the second set of traces: wide ranges, everything by chance.

It knows nothing of how the brake judges.  Whatever is drawn is drawn once for
each person: one has a fixed address in an office, the next a new one each
night, and a telephone whose carrier shares its addresses among thousands
(RFC 6598 section 1) and moves him between them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from sending_traces import DAY, HOUR, Event, World

From = Callable[[float], str]
"""At what time, from which address."""


def rare(rng: random.Random, low: float, high: float) -> float:
    """Return something between, as often from each order of magnitude: most are small, few are large."""
    return float(low * (high / low) ** rng.random())


def fixed(world: World) -> From:
    """An office, a server: one address."""
    host = world.host()
    return lambda _: host


def office_network(world: World) -> From:
    """A company's or a university's: some addresses side by side."""
    network, parts = world.network(), world.rng.randint(1, 4)
    thirds = [world.rng.randrange(256) for _ in range(parts)]
    return lambda _: f"{network}.{world.rng.choice(thirds)}.{world.rng.randrange(1, 255)}"


def line(world: World) -> From:
    """A home's line: another address each night, or each month, from some pools of the provider's."""
    rng, pools = world.rng, [world.network() for _ in range(world.rng.randint(1, 10))]
    every = DAY * rng.choice((1, 1, 7, 30, 400))
    known: dict[int, str] = {}
    return lambda at: known.setdefault(int(at / every), world.in_network(rng.choice(pools)))


def line_v6(world: World) -> From:
    """The same with IPv6: the prefix changes, and the host's part several times a day (RFC 8981)."""
    rng, provider = world.rng, f"2a{world.rng.randrange(256):02x}:{world.rng.randrange(65536):x}"
    every = DAY * rng.choice((1, 7, 30, 400))
    known: dict[int, str] = {}

    def at_time(at: float) -> str:
        prefix = known.setdefault(int(at / every), f"{rng.randrange(65536):x}:{rng.randrange(65536):x}")
        return f"{provider}:{prefix}:{':'.join(f'{rng.randrange(1, 65536):x}' for _ in range(4))}"

    return at_time


def telephone(world: World) -> From:
    """A carrier's shared addresses: another one every few hours, from several large networks."""
    rng, pools = world.rng, [world.network() for _ in range(world.rng.randint(1, 6))]
    known: dict[int, str] = {}
    return lambda at: known.setdefault(int(at / (2 * HOUR)), world.in_network(rng.choice(pools)))


def cafes(world: World) -> From:
    """Where there is a network: another café, or a friend's home, each half day."""
    known: dict[int, str] = {}
    return lambda at: known.setdefault(int(at / DAY * 2), world.host())


def mixed(world: World, ways: Sequence[From], shares: Sequence[float] | None = None) -> From:
    """Now one, now another."""

    def at_time(at: float) -> str:
        return world.rng.choices(ways, shares)[0](at)

    return at_time


def own_ways(world: World) -> From:
    """Somebody's mixture: mostly one, at times the others; now and then a café."""
    rng = world.rng
    ways = [rng.choice((fixed, office_network, line, line_v6))(world), rng.choice((line, line_v6))(world)]
    ways.append(telephone(world))
    shares = [1.0, rare(rng, 0.05, 1.0), rare(rng, 0.05, 1.0)]
    ways.append(cafes(world))
    shares.append(rare(rng, 0.001, 0.05))
    return mixed(world, ways, shares)


@dataclass
class Person:
    """Somebody who writes to whom he knows and, at times, to others.

    Attributes:
        world: chance.
        where: from where he sends.
        inside: how much of his mail goes to people of his own domain.
        new: how much of the rest to people he never wrote to.
        lost: how much of that fails: mistyped, given up.
        friends: whom he knows.
    """

    world: World
    where: From
    inside: float
    new: float
    lost: float
    friends: list[str] = field(default_factory=list)

    @classmethod
    def some(cls, world: World, new: tuple[float, float] = (0.02, 0.25)) -> Person:
        """Return one by chance."""
        rng = world.rng
        friends = world.strangers(int(rare(rng, 8, 150)))
        return cls(world, own_ways(world), rng.random() * 0.7, rare(rng, *new), rare(rng, 0.005, 0.05), friends)

    def one(self) -> str:
        """Return whom he writes to next."""
        rng = self.world.rng
        if rng.random() < self.inside:
            return f"colleague{int(rare(rng, 1, 200))}@example.org"
        if rng.random() < self.new:
            self.friends.append(self.world.stranger())
            return self.friends[-1]
        return self.friends[int(len(self.friends) * rng.random() ** 2)]

    def writes(self, at: float) -> Event:
        """Write a message: to one, often; to some; to a dozen, rarely."""
        rng = self.world.rng
        number = rng.choices((1, rng.randint(2, 4), rng.randint(5, 15)), (80, 17, 3))[0]
        return self.to([self.one() for _ in range(number)], at)

    def to(self, people: list[str], at: float) -> Event:
        """Write to these."""
        return Event(at, self.where(at), tuple(dict.fromkeys(people)), self.world.failing(people, self.lost))

    def day(self, day: int, mean: float, weekend: float = 0.1) -> list[Event]:
        """Write what he writes on a day, mostly in its waking hours; less on Saturdays and Sundays."""
        rng = self.world.rng
        number = self.world.poisson(mean * (weekend if day % 7 > 4 else 1.0) * rare(rng, 0.5, 2.0))
        return [self.writes(day * DAY + rng.triangular(7, 23, 11) * HOUR) for _ in range(number)]


def batches(person: Person, to: list[str], at: float, most: int, pause: float) -> list[Event]:
    """Write to many, so many a message, with a pause between, all from where he is when he begins."""
    host = person.where(at)
    events = [person.to(to[n : n + most], at + n / most * pause) for n in range(0, len(to), most)]
    return [replace(event, host=host) for event in events]
