"""The runner and what operators suspended, sent another way, or gave up."""

from __future__ import annotations

import pytest
from queue_fakes import BUSY, NO_USER, OK, START, World
from zope.interface import implementer

from twistedmail_mta.interfaces import ILanePlan
from twistedmail_mta.model import Address, Discard, LaneTerms, NextHop, Recipient, Suspended, Suspension, Via, Withdrawn
from twistedmail_mta.queue.lanes import LaneLimits
from twistedmail_mta.queue.runner import WATCH, QueueLimits

ALICE = "alice@home.example"


def suspended(world: World, kind: str, name: str = "", *, told: bool = True) -> None:
    world.spool.suspended.append(Suspension(7, Suspended(kind, name), START))  # type: ignore[arg-type]
    if told:
        world.runner.look()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("all", ""), ("domain", "x.example"), ("account", ALICE), ("lane", "smtp://relay.example:26")],
)
def test_new_mail_is_parked(world: World, kind: str, name: str) -> None:
    """It is accepted, and no attempt is begun; other mail goes on, unless everything is suspended."""
    world.router.ways["x.example"] = NextHop("relay.example", 26)
    suspended(world, kind, name)

    message = world.send("bob@x.example")
    world.send("carol@y.example", account=None)
    world.clock.advance(1)

    assert (message.id, 0, 7) in world.spool.parked
    assert world.agent.hosts() == ([] if kind == "all" else ["y.example"])
    assert world.spool.owned() == []


def test_only_what_is_suspended_of_a_message_waits(world: World) -> None:
    """Recipients are judged one by one."""
    suspended(world, "domain", "x.example")

    message = world.send("bob@x.example", "carol@y.example")
    world.clock.advance(1)

    assert world.spool.parked == [(message.id, 0, 7)]
    assert world.agent.hosts() == ["y.example"]


def test_discarding_waits_too(world: World) -> None:
    """A route that needs no attempt is none of the exceptions."""
    world.router.ways["x.example"] = Discard()
    suspended(world, "domain", "x.example")

    message = world.send("bob@x.example")
    world.clock.advance(1)

    assert world.spool.parked == [(message.id, 0, 7)]


def test_lanes_begin_nothing_more() -> None:
    """What runs ends as it does; what waits in the lane is given back and parked."""
    world = World(limits=QueueLimits(lanes=LaneLimits(concurrency=1)))
    world.agent.slow.add("x.example")
    world.send("bob@x.example")
    waiting = world.send("carol@x.example")
    suspended(world, "lane", "x.example")

    world.agent.calls[0].finish()
    outcomes = [[type(each.outcome) for each in settled] for settled, _ in world.spool.settled]

    assert len(world.agent.calls) == 1
    assert outcomes[-1] == [Withdrawn]
    world.spool.rows[waiting.id, 0].held = False  # the real spool gives back what nobody holds
    world.clock.advance(1)
    world.runner.poke()
    assert world.spool.parked == [(waiting.id, 0, 7)]


@implementer(ILanePlan)
class Provider:
    """Every domain is one provider's, once it has been asked about."""

    def __init__(self) -> None:
        self.asked: set[NextHop] = set()

    def known(self, next_hop: NextHop) -> LaneTerms | None:
        return LaneTerms("provider") if next_hop in self.asked else None

    async def find(self, next_hop: NextHop) -> LaneTerms:
        self.asked.add(next_hop)
        return LaneTerms("provider")


def test_a_lane_that_domains_share() -> None:
    """It is suspended by its own name, even for domains not known to belong to it when their mail came."""
    world = World(plan=Provider())
    suspended(world, "lane", "provider")
    world.clock.advance(0)

    first = world.send("bob@x.example")
    world.clock.advance(1)
    assert [type(each.outcome) for each in world.spool.settled[-1][0]] == [Withdrawn]
    world.spool.rows[first.id, 0].held = False
    second = world.send("carol@x.example")
    world.clock.advance(1)

    assert world.agent.calls == []
    assert sorted(world.spool.parked) == [(first.id, 0, 7), (second.id, 0, 7)]


def test_an_attempt_that_is_not_at_mail_is_given_up(world: World) -> None:
    """Just before MAIL it is asked once more."""
    world.agent.slow.add("x.example")
    world.send("bob@x.example")
    suspended(world, "domain", "x.example")

    world.agent.calls[0].finish()

    assert [type(each.outcome) for each in world.spool.settled[-1][0]] == [Withdrawn]


def test_suspensions_are_noticed_without_being_told(world: World) -> None:
    """Within seconds, and so is their end."""
    suspended(world, "all", told=False)
    world.clock.advance(WATCH)
    world.send("bob@x.example")
    world.clock.advance(1)
    assert world.agent.calls == []

    world.spool.suspended.clear()
    for row in world.spool.rows.values():
        row.held = False
    world.clock.advance(WATCH)

    assert world.agent.hosts() == ["x.example"]


def test_nothing_is_tried_while_suspensions_are_unknown() -> None:
    """At the start they are read first: a restart must not send what is suspended."""
    world = World(started=False)
    world.spool.suspended.append(Suspension(7, Suspended("all"), START))
    world.spool.insert(world.message("bob@x.example"))
    world.result(world.runner.accept(world.message("eve@x.example")))

    world.runner.start()
    world.clock.advance(5)

    assert world.agent.calls == []
    assert len(world.spool.parked) == 2


def test_trouble_with_the_spool_keeps_what_is_known(world: World) -> None:
    """What was suspended stays so until it is known to be over."""
    suspended(world, "domain", "x.example")
    world.spool.down = True
    world.clock.advance(WATCH)
    world.spool.down = False
    world.spool.suspended.clear()
    world.spool.suspended.append(Suspension(7, Suspended("domain", "x.example"), START))
    world.pass_time(30)

    world.send("bob@x.example")
    world.clock.advance(1)

    assert world.agent.calls == []


def test_the_way_of_an_operator_goes_before_the_routers(world: World) -> None:
    """Claims say where to."""
    world.agent.default = BUSY
    message = world.send("bob@x.example")
    world.spool.vias[message.id, 0] = Via("smtp://other.example:2525")
    world.pass_time(400)

    assert world.agent.hosts() == ["x.example", "other.example"]


def test_a_way_that_was_chosen_at_acceptance(world: World) -> None:
    """Mail goes there at once, each recipient's its way, and again at the next attempt; the router isn't asked."""
    world.router.ways["home.example"] = KeyError("nobody asks")
    filtered = Recipient(Address("ann", "home.example"), via=Via("smtp://127.0.0.1:10024"))
    world.agent.outcomes["ann@home.example"] = [BUSY, OK]

    world.send(filtered, Recipient(Address("bob", "x.example")))
    world.pass_time(400)

    assert world.agent.hosts() == ["127.0.0.1", "x.example", "127.0.0.1"]


@pytest.mark.parametrize("when", ["at its birth", "later"])
def test_a_way_that_cannot_be_understood(world: World, when: str) -> None:
    """The mail waits, as the router's way may be a wrong one; nothing else does."""
    bob = Address("bob", "x.example")
    message = world.send(Recipient(bob, via=Via("pigeon://roof")), "eve@y.example")
    if when == "later":
        world.pass_time(400)

    assert world.agent.hosts() == ["y.example"]
    row = world.spool.rows[message.id, 0]
    assert (row.recipient.address, row.attempts, row.owned) == (bob, 2 if when == "later" else 1, False)
    world.spool.vias[message.id, 0] = Via("smtp://other.example")
    world.pass_time(4000)
    assert world.agent.hosts() == ["y.example", "other.example"]


def test_look_reports_failures_at_once(world: World) -> None:
    """What an operator gave up is told to its sender without waiting for the next search."""
    message = world.message("bob@x.example")
    world.clock.advance(100)
    world.spool.insert(message)
    world.spool.rows[message.id, 0].failed = (NO_USER, world.clock.seconds())

    world.runner.look()
    world.clock.advance(0)

    assert len(world.reports()) == 1
