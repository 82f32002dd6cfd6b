"""Lanes: order, limits, turns, and room that no destination can use up."""

from __future__ import annotations

from typing import Any

import pytest
from queue_fakes import World
from twisted.internet.defer import Deferred as TwistedDeferred
from twisted.internet.task import Clock
from zope.interface import implementer

from twistedmail_mta.interfaces import ILanePlan
from twistedmail_mta.model import Claim, Deferred, LaneTerms, NextHop, Reply
from twistedmail_mta.queue.lanes import EachItsOwn, LaneLimits, Lanes, Transfer
from twistedmail_mta.queue.pace import Pace

WORLD = World(started=False)
DOWN = Deferred(Reply(451, "4.4.1", "The host refuses connections"), "a [192.0.2.1]", unreached=True)


class Road:
    """Lanes with a record of what began."""

    def __init__(self, plan: Any = None, **limits: int) -> None:
        self.begun: list[Transfer] = []
        self.room = 0
        self.instant = False
        self.clock = Clock()
        self.off: list[tuple[Transfer, Deferred]] = []
        self.plan = plan or EachItsOwn()
        self.lanes = Lanes(self._start, self._put_off, self._on_room, LaneLimits(**limits), self.plan, self.clock)

    def _start(self, transfer: Transfer) -> None:
        self.begun.append(transfer)
        if self.instant:
            self.lanes.ended(transfer)

    def _put_off(self, transfer: Transfer, outcome: Deferred) -> None:
        self.off.append((transfer, outcome))

    def _on_room(self) -> None:
        self.room += 1

    def put(self, host: str, recipients: int = 1, sender: str = "alice@home.example") -> Transfer:
        message = WORLD.message(*(f"u{n}@{host}" for n in range(recipients)), account=sender)
        claims = tuple(Claim(message.id, n, 1, each, 0, 0.0, 0) for n, each in enumerate(message.envelope.recipients))
        transfer = Transfer(message, claims, NextHop(host, 25, mx=True))
        self.lanes.put(transfer)
        return transfer

    def succeed(self, transfer: Transfer) -> None:
        self.lanes.note_answer(transfer)
        self.lanes.ended(transfer)

    def fail(self, transfer: Transfer, outcome: Deferred | None = DOWN) -> None:
        self.lanes.note_setback(transfer, outcome)
        self.lanes.ended(transfer)

    def hosts(self) -> list[str]:
        return [transfer.next_hop.host for transfer in self.begun]


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
    for transfer in running:
        road.lanes.ended(transfer)

    assert road.hosts() == ["a", "b", "a", "b"]


def test_no_lane_takes_the_last_slots() -> None:
    """A lane runs no more than what it leaves free for others."""
    road = Road(concurrency=100, overall=10)
    for host in ("a", "b"):
        for _ in range(80):
            road.succeed(road.put(host))
    road.begun.clear()
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
    transfer = road.put("a", recipients=20)
    assert not road.lanes.has_room(transfer.next_hop)

    road.lanes.ended(transfer)
    assert road.lanes.has_room(transfer.next_hop)
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


@implementer(ILanePlan)
class Plan:
    """Knows lanes when told to; `find` waits until `answer` is called."""

    def __init__(self) -> None:
        self.names: dict[str, LaneTerms] = {}
        self.waiting: dict[str, TwistedDeferred[LaneTerms]] = {}

    def known(self, next_hop: NextHop) -> LaneTerms | None:
        return self.names.get(next_hop.host)

    async def find(self, next_hop: NextHop) -> LaneTerms:
        assert next_hop.host not in self.waiting
        waiting = self.waiting[next_hop.host] = TwistedDeferred()
        return await waiting

    def answer(self, host: str, terms: LaneTerms) -> None:
        self.names[host] = terms
        self.waiting.pop(host).callback(terms)


def test_lanes_are_named_by_the_plan() -> None:
    """What the plan names alike shares a lane, and its limit."""
    plan = Plan()
    plan.names = {"a.x": LaneTerms("x"), "b.x": LaneTerms("x"), "c.y": LaneTerms("y")}
    road = Road(plan, concurrency=1)
    for host in ("a.x", "b.x", "c.y"):
        road.put(host)

    assert road.hosts() == ["a.x", "c.y"]


def test_mail_waits_for_the_name_of_its_lane() -> None:
    """Nothing begins before the MX hosts are known; one question serves all, then everything moves, in order."""
    plan = Plan()
    road = Road(plan)
    first, second = road.put("a"), road.put("a")
    assert road.begun == []

    plan.answer("a", LaneTerms("provider", concurrency=1))
    assert road.begun == [first]
    other = road.put("a")
    road.succeed(first)
    road.succeed(second)
    assert road.begun == [first, second, other]


def test_unnamed_lane_is_bounded() -> None:
    """While the DNS is slow a lane is crowded like any other, and room is told of when its mail has moved on."""
    plan = Plan()
    road = Road(plan, recipients=8)
    for _ in range(4):
        road.put("a")
    assert not road.lanes.has_room(NextHop("a", 25, mx=True))
    assert road.lanes.crowded_domains() == {"a"}

    plan.answer("a", LaneTerms("provider"))
    assert road.room == 1
    assert len(road.begun) == 2


def test_close_while_the_name_is_unknown() -> None:
    """What waits for a name is handed back like everything that waits."""
    plan = Plan()
    road = Road(plan)
    waiting = road.put("a")

    assert road.lanes.close() == [waiting]
    assert road.begun == []


def test_broken_plan(logged: list[dict[str, Any]]) -> None:
    """A plan that raises costs the roll-up, not the mail."""
    plan = Plan()
    road = Road(plan)
    road.put("a")
    plan.waiting.pop("a").errback(KeyError("broken plan"))

    assert road.hosts() == ["a"]
    assert [event["log_namespace"] for event in logged if "log_failure" in event]


def test_senders_take_turns() -> None:
    """Within a lane each sender gets one transfer after the other, however much one of them has waiting."""
    road = Road(concurrency=1)
    transfers = [road.put("a", sender=sender) for sender in ("x", "x", "x", "x", "y", "z", "y")]
    for _ in transfers:
        road.lanes.ended(road.begun[-1])

    assert [transfer.sender for transfer in road.begun] == ["x", "x", "y", "z", "x", "y", "x"]


def test_sender_is_an_account_or_a_domain() -> None:
    """Strangers take turns by the domain of their address."""
    road = Road()
    assert road.put("a", sender="ann@home.example").sender == "ann@home.example"
    assert road.put("a", sender="").sender == "home.example"


def test_newcomers_get_into_a_crowded_lane() -> None:
    """One sender's many don't shut out another's first, up to a limit."""
    road = Road(concurrency=1, recipients=12)
    for _ in range(7):
        road.put("a", sender="x")
    hop = NextHop("a", 25, mx=True)
    assert not road.lanes.has_room(hop)
    assert not road.lanes.has_room(hop, "x")
    assert road.lanes.has_room(hop, "y")

    road.put("a", sender="y")
    assert not road.lanes.has_room(hop, "y")
    road.put("a", sender="z")
    assert not road.lanes.has_room(hop, "new")


def test_concurrency_grows_by_cohorts() -> None:
    """Two at first; one more after as many successes as may run at once; never past the limit."""
    road = Road(concurrency=4)
    for _ in range(40):
        road.put("a")
    seen = []
    for place in range(12):
        seen.append(len(road.begun) - place)
        road.succeed(road.begun[place])

    assert seen == [2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4]


def test_pace_outlives_an_empty_lane() -> None:
    """A lane that was empty for a moment goes on as fast as before."""
    road = Road()
    for _ in range(5):
        road.succeed(road.put("a"))
    road.begun.clear()
    for _ in range(9):
        road.put("a")

    assert len(road.begun) == 4


def test_paces_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pace of the lane longest unused is forgotten first."""
    monkeypatch.setattr("twistedmail_mta.queue.lanes.PACES_KEPT", 2)
    road = Road()
    for host in ("a", "b", "a", "c"):
        road.succeed(road.put(host))

    assert list(road.lanes._paces) == ["a:25", "c:25"]


def test_unreached_next_hop_rests() -> None:
    """After a failed connection one transfer at a time is tried, after 1, 2, ... seconds; what waits stays."""
    road = Road()
    for _ in range(6):
        road.put("a")
    road.fail(road.begun[0])
    road.fail(road.begun[1])
    assert len(road.begun) == 2

    road.clock.advance(0.99)
    assert len(road.begun) == 2
    road.clock.advance(0.01)
    assert len(road.begun) == 3
    road.fail(road.begun[2])
    road.clock.advance(1.99)
    assert len(road.begun) == 3
    road.clock.advance(0.01)
    assert len(road.begun) == 4
    assert road.off == []

    road.succeed(road.begun[3])
    assert len(road.begun) == 6
    assert not road.clock.getDelayedCalls()


def test_dead_next_hop_keeps_no_mail_waiting() -> None:
    """After the third failure in a row what waits, and what comes before the pause is over, is put off unheard."""
    road = Road()
    waiting = [road.put("a") for _ in range(6)]
    road.fail(road.begun[0])
    for seconds in (1, 2, 4):
        road.fail(road.begun[-1])
        if seconds < 4:
            road.clock.advance(seconds)
    late = road.put("a")

    assert [each for each, _ in road.off] == [*waiting[4:], late]
    assert {outcome.reply for _, outcome in road.off} == {DOWN.reply}
    assert not road.clock.getDelayedCalls()

    road.clock.advance(4)
    probe = road.put("a")
    assert road.begun[-1] is probe
    road.succeed(probe)
    road.put("a")
    road.put("a")
    assert len(road.off) == 3
    assert len(road.begun) == 7


def test_pause_grows_to_a_limit() -> None:
    """A next hop that is down for long is tried every five minutes at least."""
    pace, now, pauses = Pace(LaneTerms("x"), 20), 0.0, []
    for _ in range(12):
        pace.fail(pace.begin(now), now, DOWN)
        pauses.append(pace.rest(now))
        now += pauses[-1]

    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


def test_old_failures_count_once() -> None:
    """Many that fail together are one setback, and successes begun before it don't end it."""
    pace = Pace(LaneTerms("x"), 20)
    eras = [pace.begin(0.0) for _ in range(5)]
    for era in eras[:4]:
        pace.fail(era, 0.0, DOWN)
    pace.succeed(eras[4])

    assert (pace.concurrency, pace.rest(0.0), pace.obstacle) == (1, 1.0, None)


def test_host_that_wants_less() -> None:
    """A host that answers but turns us away slows its lane; its mail stays and is never put off."""
    road = Road()
    for _ in range(9):
        road.put("a")
    road.fail(road.begun[0], None)
    for seconds in (1, 2, 4, 8):
        road.fail(road.begun[-1], None)
        road.clock.advance(seconds)

    assert road.off == []
    assert len(road.begun) == 6


def test_rest_that_was_asked_for() -> None:
    """A host that names a time gets it, up to the longest pause."""
    pace = Pace(LaneTerms("x"), 20)
    pace.fail(pace.begin(0.0), 0.0, None, 60.0)
    assert pace.rest(0.0) == 60.0
    pace.fail(pace.begin(60.0), 60.0, None, 86400.0)
    assert pace.rest(60.0) == 300.0


def test_terms_of_the_site_file() -> None:
    """A lane keeps to its own concurrency, pause and rate."""
    plan = Plan()
    plan.names = {"slow": LaneTerms("slow", interval=0.5), "few": LaneTerms("few", concurrency=1, pause=60)}
    road = Road(plan)
    for _ in range(5):
        road.put("slow")
        road.put("few")
    assert road.hosts() == ["slow", "few"]
    road.clock.advance(0.5)
    assert road.hosts() == ["slow", "few", "slow"]

    road.fail(road.begun[1])
    road.lanes.ended(road.begun[0])
    road.lanes.ended(road.begun[2])
    road.clock.pump([0.25] * 6)
    assert road.hosts()[3:] == ["slow", "slow"]
    road.clock.advance(57)
    assert road.hosts().count("few") == 1
    road.clock.advance(2)
    assert road.hosts().count("few") == 2
    for transfer in road.lanes.close():
        assert transfer not in road.begun
    assert not road.clock.getDelayedCalls()


def test_standing_tells_of_work() -> None:
    """What runs, what may, what waits, and what the next hop said last; the busiest lane first."""
    road = Road(concurrency=2)
    road.put("quiet.example")
    first, *_ = [road.put("busy.example", recipients=2) for _ in range(4)]
    road.lanes.note_said(first, Reply(250, "2.0.0", "Queued"))

    standing = road.lanes.standing(10)

    assert (standing.number, standing.running, standing.waiting, standing.recipients) == (2, 3, 2, 9)
    busy, quiet = standing.lanes
    assert (busy.name, busy.running, busy.allowed, busy.waiting, busy.recipients) == ("busy.example:25", 2, 2, 2, 8)
    assert (busy.said, busy.rest, busy.is_dead) == ("250 2.0.0 Queued", 0.0, False)
    assert (quiet.name, quiet.running, quiet.said) == ("quiet.example:25", 1, "")


def test_standing_tells_of_rest_without_work() -> None:
    """A next hop that isn't reached is shown until it is tried again, also when nothing waits for it any more."""
    road = Road()
    for _ in range(3):
        transfer = road.put("down.example")
        road.lanes.note_said(transfer, DOWN.reply)
        road.fail(transfer)
        road.clock.advance(0.0 if len(road.begun) == 3 else 10.0)

    (down,) = road.lanes.standing(10).lanes
    assert (down.name, down.running, down.waiting, down.rest, down.is_dead) == ("down.example:25", 0, 0, 4.0, True)
    assert down.said == str(DOWN.reply)

    road.clock.advance(4.0)
    assert road.lanes.standing(10).lanes == ()


def test_standing_is_bounded() -> None:
    """However many lanes there are, no more are listed than was asked for; all are counted."""
    road = Road(concurrency=1)
    for n in range(30):
        road.put(f"h{n}.example")
    for transfer in [road.put(f"down{n}.example") for n in range(30)]:
        road.fail(transfer)

    standing = road.lanes.standing(40)

    assert standing.number == 60
    assert [lane.running for lane in standing.lanes] == [1] * 30 + [0] * 10


def test_standing_tells_of_trouble() -> None:
    """Why nothing is begun."""
    road = Road()
    road.lanes.pause("settle")

    assert road.lanes.standing(1).troubles == ("settle",)


def test_a_lane_that_rests_with_work_is_told_of_once() -> None:
    """With its work, not for its rest as well."""
    road = Road()
    road.fail(road.put("down.example"))
    road.put("down.example")

    standing = road.lanes.standing(10)

    assert standing.number == 1
    assert [(lane.name, lane.waiting, lane.rest) for lane in standing.lanes] == [("down.example:25", 1, 1.0)]
