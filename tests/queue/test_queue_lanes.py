"""Lanes: order, limits, turns, and room that no destination can use up."""

from __future__ import annotations

from queue_fakes import World

from twistedmail_mta.model import Claim, NextHop, Recipient
from twistedmail_mta.queue.lanes import Delivery, LaneLimits, Lanes

WORLD = World(started=False)


class Road:
    """Lanes with a record of what began."""

    def __init__(self, **limits: int) -> None:
        self.begun: list[Delivery] = []
        self.room = 0
        self.instant = False
        self.lanes = Lanes(self._start, self._on_room, LaneLimits(**limits))

    def _start(self, delivery: Delivery) -> None:
        self.begun.append(delivery)
        if self.instant:
            self.lanes.ended(delivery)

    def _on_room(self) -> None:
        self.room += 1

    def put(self, host: str, recipients: int = 1) -> Delivery:
        message = WORLD.message(*(f"u{n}@{host}" for n in range(recipients)))
        claims = tuple(Claim(message.id, n, 1, each, 0, 0.0, 0) for n, each in enumerate(message.envelope.recipients))
        delivery = Delivery(message, claims, NextHop(host, 25, mx=True))
        self.lanes.put(delivery)
        return delivery

    def hosts(self) -> list[str]:
        return [delivery.next_hop.host for delivery in self.begun]


def test_a_lane_is_a_line() -> None:
    """Deliveries begin in order, as many at once as the lane allows."""
    road = Road(concurrency=2)
    first, second, third, fourth = [road.put("a") for _ in range(4)]
    assert road.begun == [first, second]

    road.lanes.ended(second)
    assert road.begun == [first, second, third]
    road.lanes.ended(first)
    road.lanes.ended(third)
    assert road.begun == [first, second, third, fourth]


def test_lanes_take_turns() -> None:
    """When slots are scarce each lane with work gets one after the other."""
    road = Road(concurrency=2, overall=2)
    running = [road.put("a"), road.put("b")]
    for _ in range(2):
        road.put("a")
    for _ in range(2):
        road.put("b")
    for delivery in running:
        road.lanes.ended(delivery)

    assert road.hosts() == ["a", "b", "a", "b"]


def test_no_lane_takes_the_last_slots() -> None:
    """A lane runs no more than what it leaves free for others."""
    road = Road(concurrency=100, overall=10)
    for _ in range(50):
        road.put("a")
    assert len(road.begun) == 5
    for _ in range(50):
        road.put("b")
    assert len(road.begun) < 10

    road.put("c")
    assert "c" in road.hosts()


def test_crowded_lane_takes_no_more() -> None:
    """At half of all room a lone lane is crowded, until it is half empty again."""
    road = Road(concurrency=1, recipients=8)
    hop = NextHop("a", 25, mx=True)
    for _ in range(4):
        road.put("a")
    assert not road.lanes.has_room(hop)
    assert road.lanes.has_room(NextHop("b", 25, mx=True))
    assert road.lanes.crowded_domains() == {"a"}
    road.lanes.note_turned_away(hop, "also.a")
    road.lanes.note_turned_away(NextHop("unknown", 25), "x")
    assert road.lanes.crowded_domains() == {"a", "also.a"}

    road.lanes.ended(road.begun[-1])
    assert not road.lanes.has_room(hop)
    road.lanes.ended(road.begun[-1])
    assert road.lanes.has_room(hop)
    assert road.lanes.crowded_domains() == frozenset()
    assert road.room == 1


def test_overfull_lane_frees_itself() -> None:
    """A list larger than all room is taken whole, crowds its lane, and leaves nothing behind."""
    road = Road(concurrency=1, recipients=4)
    delivery = road.put("a", recipients=20)
    assert not road.lanes.has_room(delivery.next_hop)

    road.lanes.ended(delivery)
    assert road.lanes.has_room(delivery.next_hop)
    assert road.room == 1


def test_pause_has_reasons() -> None:
    """Nothing begins until every trouble is over."""
    road = Road()
    road.lanes.pause("disk")
    road.lanes.pause("lease")
    road.put("a")
    road.lanes.resume("disk")
    assert road.lanes.paused
    assert road.begun == []

    road.lanes.resume("lease")
    assert not road.lanes.paused
    assert road.hosts() == ["a"]


def test_close_returns_what_waits() -> None:
    """What runs may end; what waited is handed back and never begins."""
    road = Road(concurrency=1)
    first, second = road.put("a"), road.put("a")
    assert road.lanes.close() == [second]
    road.lanes.resume("anything")

    road.lanes.ended(first)
    assert road.begun == [first]


def test_deliveries_that_end_at_once() -> None:
    """Ending while beginning neither recurses nor loses anything."""
    road = Road(concurrency=1, overall=1)
    road.lanes.pause("x")
    for n in range(5000):
        road.put(f"host{n % 3}")
    road.instant = True
    road.lanes.resume("x")

    assert len(road.begun) == 5000


def test_key_joins_next_hops() -> None:
    """What shares a key shares a lane, and its limit."""
    begun: list[Delivery] = []
    lanes = Lanes(begun.append, lambda: None, LaneLimits(concurrency=1), key=lambda hop: hop.host[-1])
    for host in ("a.x", "b.x", "c.y"):
        message = WORLD.message(f"u@{host}")
        claim = Claim(message.id, 0, 1, Recipient(message.envelope.recipients[0].address), 0, 0.0, 0)
        lanes.put(Delivery(message, (claim,), NextHop(host, 25)))

    assert [delivery.next_hop.host for delivery in begun] == ["a.x", "c.y"]
