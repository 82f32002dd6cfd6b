"""What is sent with stolen passwords: a second set, made after the brake and without a look at its numbers.

Each follows a description:

- `botnet`: 7,531 logins from 342 addresses in 41 countries, at a low cadence
  (O. Vasko); `drip`: 80 million accounts that send a few each, not to be seen
  (Onliner, Benkow 2017).
- `burst`: twenty recipients a message, one after the other, from one address
  (questions on Server Fault and Super User), and `dictionary`: many of them
  don't exist (the same; purchased lists, 40 % and more).
- `webmail`: hundreds of thousands of Bcc recipients in some days through the
  site's own webmail (notices of Wayne State College 2008, UMBC, Michigan 2015).
- `campus`: 41,727 messages to 22,740 of the house (Essex 2018), others among them.
- `snowshoe`: many addresses of few hosters, each sending little (Spamhaus).
- `residential`: a proxy at the owner's own provider, one address for hours.
- `server`: one rented server, one message every some minutes, day and night.
- `mimic`: a man at work in office hours, as many as a busy owner might write to
  (hijackers keep office hours: Bursztein and others 2014; lateral phishing too,
  Ho and others 2019).
- `chain`: first those that the owner knows, in answer to their letters, from few
  addresses, strangers from the same places later (Emotet).
- `tested`: a letter to the thief himself first, days of silence, then all at once.
- `own_computer`: the robot on the owner's computer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sending_traces import DAY, HOUR, MINUTE, Event, World
from trace_people import From, line, rare


@dataclass(frozen=True)
class Victim:
    """Whose account it is: whom it writes to, and from where it sent last."""

    friends: Sequence[str]
    hosts: Sequence[str]


Run = Callable[[World, Victim], Iterator[Event]]
MOST = 400
"""Strangers; who isn't stopped until then won't be."""
DAYS = 60


def _stream(  # noqa: PLR0917 - what describes a run
    world: World, where: From, gap: float, most: int, lost: float, share: float = 1.0
) -> Iterator[Event]:
    """Send to so many strangers a message, with pauses by chance around `gap` seconds.

    Args:
        world: chance.
        where: from where.
        gap: seconds between messages.
        most: recipients of a message.
        lost: how many don't exist.
        share: of the day that is used.
    """
    rng, at, sent = world.rng, 0.0, 0
    while sent < MOST and at < DAYS * DAY:
        at += rng.expovariate(1 / gap)
        if at % DAY > share * DAY:
            at += DAY - at % DAY
        to = world.strangers(rng.randint(1, most))
        sent += len(to)
        yield Event(at, where(at), tuple(to), world.failing(to, lost))


def _bots(world: World, most: float = 500) -> From:
    hosts = [world.host() for _ in range(int(rare(world.rng, 60, most)))]
    return lambda _: world.rng.choice(hosts)


def botnet(world: World, victim: Victim) -> Iterator[Event]:
    """Two to sixty messages an hour, each from another computer."""
    rng = world.rng
    yield from _stream(world, _bots(world), HOUR / rare(rng, 2, 60), rng.randint(1, 5), rng.uniform(0.02, 0.3))


def drip(world: World, victim: Victim) -> Iterator[Event]:
    """Four to thirty messages a day, each from another computer, to one each."""
    yield from _stream(world, _bots(world), DAY / rare(world.rng, 4, 30), 1, world.rng.uniform(0.01, 0.2))


def burst(world: World, victim: Victim) -> Iterator[Event]:
    """All at once from one address."""
    rng, host = world.rng, world.host()
    yield from _stream(
        world, lambda _: host, rare(rng, 0.3, 30), rng.choice((1, 5, 20, 50, 100)), rng.uniform(0.02, 0.3)
    )


def dictionary(world: World, victim: Victim) -> Iterator[Event]:
    """Slowly from one address, to addresses of which many don't exist."""
    rng, host = world.rng, world.host()
    yield from _stream(world, lambda _: host, rare(rng, 30, 1800), rng.choice((1, 3, 10)), rng.uniform(0.3, 0.7))


def webmail(world: World, victim: Victim) -> Iterator[Event]:
    """Bcc by the dozen where the owner sends from, too: the server sees the webmail's address."""
    rng, host = world.rng, victim.hosts[-1]
    yield from _stream(world, lambda _: host, rare(rng, 60, 1800), rng.choice((10, 30, 100)), rng.uniform(0.05, 0.3))


def campus(world: World, victim: Victim) -> Iterator[Event]:
    """To everybody of the house, and strangers among them."""
    rng, host, at = world.rng, world.host(), 0.0
    for _ in range(500):
        at += rng.expovariate(1 / rare(rng, 1, 30))
        inside = [f"staff{rng.randrange(3000)}@example.org" for _ in range(rng.randint(1, 10))]
        to = tuple(dict.fromkeys(inside)) + tuple(world.strangers(rng.randint(0, 2)))
        yield Event(at, host, to, world.failing(list(to), 0.05))


def snowshoe(world: World, victim: Victim) -> Iterator[Event]:
    """From some dozen addresses in three to eight networks of hosters."""
    rng = world.rng
    networks = [world.host().rpartition(".")[0] for _ in range(rng.randint(3, 8))]
    hosts = [f"{rng.choice(networks)}.{rng.randrange(1, 255)}" for _ in range(rng.randint(15, 60))]
    yield from _stream(world, lambda _: rng.choice(hosts), HOUR / rare(rng, 2, 60), 1, rng.uniform(0.02, 0.2))


def residential(world: World, victim: Victim) -> Iterator[Event]:
    """Through lines of the owner's provider, another one every some hours."""
    rng = world.rng
    v4 = [host for host in victim.hosts if ":" not in host]
    network = ".".join(rng.choice(v4).split(".")[:2]) if v4 else world.network()
    known: dict[int, str] = {}
    where = lambda at: known.setdefault(int(at / (6 * HOUR)), world.in_network(network))  # noqa: E731
    yield from _stream(world, where, HOUR / rare(rng, 2, 40), rng.randint(1, 3), rng.uniform(0.02, 0.2))


def server(world: World, victim: Victim) -> Iterator[Event]:
    """One every three to forty minutes, from one address, day and night."""
    rng, host = world.rng, world.host()
    yield from _stream(world, lambda _: host, rare(rng, 3, 40) * MINUTE, 1, rng.uniform(0.02, 0.2))


def mimic(world: World, victim: Victim) -> Iterator[Event]:
    """Fifteen to forty strangers a day in office hours, from one line, and few that fail."""
    rng = world.rng
    yield from _stream(world, line(world), 8 * HOUR / rare(rng, 15, 40), 1, rng.uniform(0.005, 0.05), 8 / 24)


def chain(world: World, victim: Victim) -> Iterator[Event]:
    """Friends first, by the dozen a day; from the second day on strangers, more and more."""
    rng, hosts, sent, at = world.rng, [world.host() for _ in range(world.rng.randint(1, 4))], 0, 0.0
    gap, calm = DAY / rare(rng, 15, 200), rng.uniform(0.5, 3) * DAY
    while sent < MOST and at < DAYS * DAY:
        at += rng.expovariate(1 / gap)
        is_known = at < calm or rng.random() < 0.3
        to = rng.choice(victim.friends) if is_known else world.stranger()
        sent += not is_known
        yield Event(at, rng.choice(hosts), (to,), world.failing([to], 0.05))


def tested(world: World, victim: Victim) -> Iterator[Event]:
    """To himself first, from the place where it will come from; weeks later all at once."""
    rng, host, drop = world.rng, world.host(), world.stranger()
    pause = rare(rng, 0.5, 30) * DAY
    for n in range(rng.randint(1, 4)):
        yield Event(n * pause / 4, host, (drop,))
    most, gap = rng.choice((1, 10, 50)), rare(rng, 1, 300)
    for event in _stream(world, lambda _: host, gap, most, rng.uniform(0.02, 0.2)):
        yield Event(pause + event.at, event.host, event.to, event.failing)


def own_computer(world: World, victim: Victim) -> Iterator[Event]:
    """A robot on the owner's computer, that sends whenever it is on."""
    rng, host = world.rng, victim.hosts[-1]
    yield from _stream(
        world, lambda _: host, HOUR / rare(rng, 4, 120), rng.randint(1, 4), rng.uniform(0.02, 0.3), 10 / 24
    )


RUNS: dict[str, Run] = {
    each.__name__: each
    for each in (
        botnet, drip, burst, dictionary, webmail, campus, snowshoe, residential, server, mimic, chain, tested,
        own_computer,
    )
}  # fmt: skip
AT_HOME = ("webmail", "own_computer")
"""What comes from where the owner sends from."""
