"""Who sends what, when, from where: honest people, and those who use stolen passwords.

Made from descriptions, with chance for everything that isn't described:

- Bots send little from each address, slowly enough for limits of rate, through
  hundreds of addresses in dozens of countries: 7,531 logins to one account from
  342 addresses (O. Vasko, "Blocking of International Spam Botnets"); "only a few
  pieces of email over very short periods of time" (A. Ramachandran and N.
  Feamster, "Understanding the network-level behavior of spammers", 2006).
- Others send all they can from one place until they are stopped (the usual
  report of administrators on postfix-users and Server Fault).
- Lists of addresses are bought or harvested, and hold many that don't exist
  (C. Kreibich and others, "Spamcraft", 2009).
- Bots are the computers of people, and may be the owner's own.
- Hijackers by hand write to whom the owner knows, too (E. Bursztein and others,
  "Handcrafted fraud and extortion", 2014).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

DAY = 86400.0
HOUR = 3600.0
MINUTE = 60.0


@dataclass(frozen=True)
class Event:
    """A message: seconds from the begin of the trace, the client's address, recipients, and those that fail."""

    at: float
    host: str
    to: tuple[str, ...]
    failing: frozenset[str] = frozenset()


@dataclass
class World:
    """Chance, and addresses nobody has written to yet."""

    rng: random.Random
    _numbers: Iterator[int] = field(default_factory=count)

    def stranger(self) -> str:
        return f"s{next(self._numbers)}@d{self.rng.randrange(500)}.test"

    def strangers(self, number: int) -> list[str]:
        return [self.stranger() for _ in range(number)]

    def host(self) -> str:
        """Some host of the Internet."""
        return ".".join(str(self.rng.randrange(1, 224 if n == 0 else 255)) for n in range(4))

    def in_network(self, network: str) -> str:
        """A host of an IPv4 /16."""
        return f"{network}.{self.rng.randrange(256)}.{self.rng.randrange(1, 255)}"

    def network(self) -> str:
        return f"{self.rng.randrange(1, 224)}.{self.rng.randrange(256)}"

    def poisson(self, mean: float) -> int:
        number, product = 0, self.rng.random()
        while product > 2.718281828 ** -min(mean, 500):
            product *= self.rng.random()
            number += 1
        return number

    def failing(self, to: list[str], share: float) -> frozenset[str]:
        return frozenset(address for address in to if self.rng.random() < share)


# The honest


def office(world: World, days: float) -> Iterator[Event]:
    """Somebody at work: some mail each working day, mostly to those he knows; office, home, telephone."""
    rng = world.rng
    office_host, home, carrier = world.host(), world.host(), world.network()
    busy, open_ = rng.uniform(4, 30), rng.uniform(0.02, 0.12)
    friends = world.strangers(rng.randrange(15, 80))
    invites = {int(rng.uniform(0, days)) for _ in range(int(days / 40))}
    for day in range(int(days)):
        if day % 7 >= 5 and rng.random() < 0.7:
            continue
        for _ in range(world.poisson(busy)):
            at = day * DAY + rng.gauss(13, 3) * HOUR
            host = rng.choices([office_host, home, world.in_network(carrier)], [6, 2, 2])[0]
            to = [world.stranger() if rng.random() < open_ else rng.choice(friends)]
            to += rng.sample(friends, rng.choice([0, 0, 0, 1, 2, 5]))
            friends += [each for each in to if each not in friends]
            yield Event(max(0.0, at), host, tuple(dict.fromkeys(to)), world.failing(to, 0.005))
        if day in invites:
            to = [*rng.sample(friends, 10), *world.strangers(rng.randrange(5, 18))]
            yield Event(day * DAY + 11 * HOUR, office_host, tuple(to), world.failing(to, 0.02))


def newsletter(world: World, days: float) -> Iterator[Event]:
    """A letter to some hundred subscribers each week, who come and go, in one message each or in packets."""
    rng = world.rng
    host, packet = world.host(), rng.choice([1, 1, 20, 50])
    subscribers = world.strangers(rng.randrange(150, 800))
    weekday, hour = rng.randrange(7), rng.uniform(6, 20)
    for day in range(int(days)):
        if day % 7 != weekday:
            continue
        start = day * DAY + hour * HOUR + rng.uniform(0, HOUR)
        rng.shuffle(subscribers)
        for n in range(0, len(subscribers), packet):
            to = subscribers[n : n + packet]
            yield Event(start + n * rng.uniform(0.2, 2), host, tuple(to), world.failing(to, 0.005))
        leaving = int(len(subscribers) * rng.uniform(0.0, 0.03))
        subscribers = subscribers[leaving:] + world.strangers(world.poisson(len(subscribers) * rng.uniform(0.0, 0.06)))


def shop(world: World, days: float) -> Iterator[Event]:
    """Orders: each customer gets two mails, most customers are new, and more come before a feast."""
    rng = world.rng
    hosts = [world.host() for _ in range(rng.choice([1, 1, 2]))]
    a_day, feast = rng.uniform(15, 50), rng.uniform(0, days)
    customers: list[str] = []
    for day in range(int(days)):
        demand = a_day * (1.3 if day % 7 >= 5 else 1.0) * (1 + 1.2 * (0 <= feast - day < 10)) * rng.uniform(0.7, 1.3)
        for _ in range(world.poisson(demand)):
            at = day * DAY + rng.triangular(0, 24, 20) * HOUR
            again = customers and rng.random() < 0.25
            customer = rng.choice(customers) if again else world.stranger()
            customers.append(customer)
            for later in (0.0, rng.uniform(4, 60) * HOUR):
                yield Event(at + later, rng.choice(hosts), (customer,), world.failing([customer], 0.01))


def holiday(world: World, days: float) -> Iterator[Event]:
    """Somebody at work who goes abroad for two or three weeks: a hotel, cafes, a foreign carrier, other hours."""
    rng = world.rng
    before = list(office(world, days))
    friends = sorted({address for event in before for address in event.to})
    away = days - 25 + rng.uniform(0, 4)
    back = away + rng.uniform(10, 20)
    yield from (event for event in before if not away * DAY < event.at < back * DAY)
    carrier, hotels = world.network(), [world.host() for _ in range(rng.randrange(1, 4))]
    for day in range(int(away), int(back)):
        places = [world.in_network(carrier), rng.choice(hotels), world.in_network(carrier), world.host()]
        for _ in range(world.poisson(rng.uniform(1, 7))):
            at = day * DAY + rng.uniform(0, 24) * HOUR
            to = [world.stranger() if rng.random() < 0.25 else rng.choice(friends)]
            if away * DAY < at < back * DAY:
                yield Event(at, rng.choice(places), tuple(to), world.failing(to, 0.01))


HONEST = {each.__name__: each for each in (office, newsletter, shop, holiday)}


# The others


def low_and_slow(world: World, friends: list[str], computer: str) -> Iterator[Event]:
    """A botnet: one message at a time, a few an hour, from hundreds of hosts in all countries."""
    rng, at = world.rng, 0.0
    hosts, pause = [world.host() for _ in range(342)], rng.uniform(5, 60) * MINUTE
    for _ in range(1500):
        at += rng.expovariate(1 / pause)
        to = world.strangers(rng.choice([1, 1, 1, 2, 3]))
        yield Event(at, rng.choice(hosts), tuple(to), world.failing(to, 0.15))


def very_slow(world: World, friends: list[str], computer: str) -> Iterator[Event]:
    """The same with a few messages a day."""
    rng, at = world.rng, 0.0
    hosts = [world.host() for _ in range(60)]
    for _ in range(300):
        at += rng.expovariate(1 / rng.uniform(1.5, 3)) * HOUR * 3
        yield Event(at, rng.choice(hosts), tuple(to := world.strangers(1)), world.failing(to, 0.1))


def burst(world: World, friends: list[str], computer: str) -> Iterator[Event]:
    """All at once from one host, with many recipients in each message or one."""
    rng, at, host = world.rng, 0.0, world.host()
    packet = rng.choice([1, 5, 20, 100])
    for _ in range(3000 // packet):
        at += rng.uniform(0.1, 3)
        to = world.strangers(packet)
        yield Event(at, host, tuple(to), world.failing(to, 0.2))


def snowshoe(world: World, friends: list[str], computer: str) -> Iterator[Event]:
    """From some rented hosts in one network, evenly, all night."""
    rng, at, network = world.rng, 0.0, world.network()
    hosts = [world.in_network(network) for _ in range(12)]
    for n in range(500):
        at += rng.uniform(1, 4) * MINUTE
        yield Event(at, hosts[n % 12], tuple(to := world.strangers(2)), world.failing(to, 0.1))


def friends_first(world: World, friends: list[str], computer: str) -> Iterator[Event]:
    """A hijacker by hand: first those whom the owner knows, then a list."""
    rng, at, host = world.rng, 0.0, world.host()
    for friend in rng.sample(friends, min(len(friends), 25)):
        at += rng.uniform(1, 5) * MINUTE
        yield Event(at, host, (friend,))
    for _ in range(400):
        at += rng.uniform(0.2, 5) * MINUTE
        yield Event(at, host, tuple(to := world.strangers(rng.choice([1, 10]))), world.failing(to, 0.1))


def own_computer(world: World, friends: list[str], computer: str) -> Iterator[Event]:
    """Malware on the owner's computer: all it can, from where the owner sends."""
    return (Event(each.at, computer, each.to, each.failing) for each in burst(world, friends, computer))


RUNS = {each.__name__: each for each in (low_and_slow, very_slow, burst, snowshoe, friends_first, own_computer)}
