"""Plugins that are asked in the queue which way mail goes: what they are told, what comes of it, and who waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from queue_fakes import BUSY, OK, START, World, address
from twisted.internet.defer import Deferred as TwistedDeferred
from zope.interface import directlyProvides

from twistedmail_mta.model import NULL_PATH, Deferred, NextHop, Recipient, Reply, Suspended, Suspension, Via, id_text
from twistedmail_mta.pipeline import Pipeline
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.queue.asking import AT_ONCE, IN_A_TURN
from twistedmail_mta.queue.lanes import LaneLimits
from twistedmail_mta.queue.runner import QueueLimits
from twistedmail_mta.stages import IRoutePolicy, Leaving
from twistedmail_mta.tasks import Promise

LATER, NEVER = Reply(450, "4.7.1", "not now"), Reply(550, "5.7.1", "never")
AS_IT_IS = Reply(250, "2.0.0", "as it is")
ELSEWHERE = Via("smtp://other.example:26")


class Says:
    """A plugin with one answer: a value, a function of what it is told, or a promise of one."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.told: list[Leaving] = []
        directlyProvides(self, IRoutePolicy)

    async def routed(self, leaving: Leaving) -> Any:
        self.told.append(leaving)
        answer = self.answer(leaving) if callable(self.answer) else self.answer
        return await answer if isinstance(answer, Promise) else answer


class Lending:
    """Counts how often its plugins are lent at present."""

    def __init__(self, plugins: Pipeline) -> None:
        self.plugins, self.lent_now = plugins, 0

    def pipeline(self) -> Pipeline:
        return self.plugins

    @contextmanager
    def lent(self) -> Iterator[Pipeline]:
        self.lent_now += 1
        try:
            yield self.plugins
        finally:
            self.lent_now -= 1


def world_of(*says: Says, abstains: bool = False, **options: Any) -> World:
    return World(plugins=[Plugin(f"p{n}", each, 10.0, abstains) for n, each in enumerate(says)], **options)


def replies(world: World) -> list[Reply]:
    """What became of recipients, but of delivered ones."""
    settled = [settlement for settlements, _ in world.spool.settled for settlement in settlements]
    return [each.outcome.reply for each in settled if each.outcome != OK]  # type: ignore[union-attr]


def test_what_it_is_told() -> None:
    """At the first attempt and at each other one, anew: whose mail it is, to whom, and where it would go."""
    says = Says()
    world = world_of(says)
    world.router.ways["y.example"] = NextHop("relay.example", 587)
    world.agent.outcomes["bob@x.example"] = [BUSY, OK]

    message = world.send("bob@x.example", "eve@y.example", tags=(("score", "7"),))
    world.pass_time(400)

    bob = Leaving(
        id_text(message.id), message.envelope.sender, address("bob@x.example"), "alice@home.example", 0, "x.example",
        {"score": "7"},
    )  # fmt: skip
    assert says.told[0] == bob
    assert (says.told[1].recipient, says.told[1].route) == (address("eve@y.example"), "smtp://relay.example:587")
    assert [(each.recipient, each.attempts) for each in says.told[2:]] == [(address("bob@x.example"), 1)]
    assert world.agent.hosts() == ["x.example", "relay.example", "x.example"]


@pytest.mark.parametrize(
    ("host", "route"), [("void.example", "discard"), ("refused.example", "error:550 5.1.2 not here")]
)
def test_routes_that_lead_nowhere(host: str, route: str) -> None:
    """They are told as the site file has them; another way may be answered."""
    says = Says(ELSEWHERE)
    world = world_of(says)

    world.send(f"bob@{host}")

    assert [each.route for each in says.told] == [route]
    assert world.agent.hosts() == ["other.example"]


@pytest.mark.parametrize(
    ("answer", "hosts"),
    [(None, ["x.example"]), (AS_IT_IS, ["x.example"]), (ELSEWHERE, ["other.example"]), (LATER, []), (NEVER, [])],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_answers(answer: Any, hosts: list[str], *, at_once: bool) -> None:
    """Another way, a refusal for now or for ever, or none; whether the plugin waits for something or not."""
    promise: Promise[Any] = Promise()
    world = world_of(Says(lambda each: None if each.sender == NULL_PATH else answer if at_once else promise))

    world.send("bob@x.example")
    if not at_once:
        assert world.agent.calls == []
        promise.resolve(answer)

    assert [host for host in world.agent.hosts() if host != "home.example"] == hosts
    assert replies(world) == [each for each in [answer] if each in (LATER, NEVER)]
    world.clock.advance(1)
    assert bool(world.spool.rows) is (answer == LATER)


def test_a_failure_for_good_is_reported() -> None:
    """As any other, with the plugin's reply."""
    world = world_of(Says(lambda leaving: None if leaving.sender == NULL_PATH else NEVER))

    world.send("bob@x.example")
    world.clock.advance(1)

    (report,) = world.reports()
    assert b"550 5.7.1 never" in report.body.data  # type: ignore[union-attr]
    assert world.agent.hosts() == ["home.example"]


def test_the_first_answer_counts() -> None:
    """In the order of the plugins; one that has none passes the question on."""
    first, second, third = Says(), Says(lambda each: AS_IT_IS if each.attempts else ELSEWHERE), Says(LATER)
    world = world_of(first, second, third)
    world.agent.outcomes["bob@x.example"] = [BUSY, OK]

    world.send("bob@x.example")
    world.pass_time(400)

    assert world.agent.hosts() == ["other.example", "x.example"]
    assert (len(first.told), len(second.told), len(third.told)) == (2, 2, 0)


def _raises(_: Leaving) -> None:
    raise ZeroDivisionError


FAILURES = [
    _raises,
    Promise(),
    "smtp://other.example",
    Via("discard"),
    Via("pigeon://roof"),
    Reply(354, "", "go on"),
    (ELSEWHERE,),
]


@pytest.mark.parametrize("failure", FAILURES)
def test_failures_delay_mail(failure: Any) -> None:
    """An exception, a timeout or an answer that is none: the mail goes nowhere, and comes again."""
    says = Says(failure)
    world = world_of(says)

    message = world.send("bob@x.example")
    world.pass_time(11)

    assert world.agent.calls == []
    assert [reply.code for reply in replies(world)] == [451]
    assert not world.spool.rows[message.id, 0].owned
    says.answer = None
    world.pass_time(400)
    assert world.agent.hosts() == ["x.example"]


@pytest.mark.parametrize("failure", FAILURES)
def test_failures_that_count_for_nothing(failure: Any) -> None:
    """Where the site file says so, it is the router's way."""
    world = world_of(Says(failure), abstains=True)

    world.send("bob@x.example")
    world.pass_time(11)

    assert world.agent.hosts() == ["x.example"]


def test_a_router_that_breaks_meanwhile() -> None:
    """What can't be made of an answer delays the mail."""
    world = world_of(Says(ELSEWHERE))
    world.router.chosen = _raises  # type: ignore[method-assign,assignment]

    world.send("bob@x.example")

    assert world.agent.calls == []
    assert [reply.code for reply in replies(world)] == [451]


def test_what_was_chosen_before_is_not_asked_about() -> None:
    """Neither at birth nor later: a plugin at the message stage, or an operator, has decided."""
    says = Says(LATER)
    world = world_of(says)
    world.agent.default = BUSY
    bob = Recipient(address("bob@x.example"), via=ELSEWHERE)

    world.send(bob, "eve@y.example")
    world.pass_time(400)

    assert {str(each.recipient) for each in says.told} == {"eve@y.example"}
    assert world.agent.hosts() == ["other.example"] * 2


def test_what_operators_suspended_is_not_asked_about() -> None:
    """Nobody may fail it while it is to wait; nor does it go by a lane that was suspended meanwhile."""
    says = Says(NEVER)
    world = world_of(says)
    world.spool.suspended.append(Suspension(7, Suspended("domain", "x.example"), START))
    world.runner.look()
    message = world.send("bob@x.example")
    world.pass_time(10)
    assert says.told == []
    assert world.spool.parked == [(message.id, 0, 7)]

    world.spool.suspended[:] = [Suspension(8, Suspended("lane", "smtp://other.example:26"), START)]
    world.runner.look()
    world.pass_time(1)
    says.answer = ELSEWHERE
    other = world.send("eve@y.example")
    world.pass_time(1)
    assert world.spool.parked[1:] == [(other.id, 0, 8)]
    assert world.agent.calls == []


def test_nobody_waits_for_a_slow_plugin() -> None:
    """Clients are answered, other mail goes on, the lease is renewed; and what it is asked about goes on in the end."""
    promise: Promise[Any] = Promise()
    world = world_of(Says(lambda each: promise if each.recipient.domain == "slow.example" else None))
    world.pipeline._stages[IRoutePolicy][0].plugin.timeout = 1000.0

    message = world.send("bob@slow.example")
    world.send("eve@x.example")
    world.pass_time(400)

    assert world.agent.hosts() == ["x.example"]
    assert world.spool.renewed >= 3
    assert world.spool.rows[message.id, 0].owned
    promise.resolve(ELSEWHERE)
    world.clock.advance(0)
    assert world.agent.hosts() == ["x.example", "other.example"]
    assert world.spool.rows == {}


def test_not_too_many_questions_at_once() -> None:
    """Messages take turns: one for many recipients doesn't keep others from being asked about."""
    promises: list[Promise[Any]] = []

    def wait(_: Leaving) -> Promise[Any]:
        promises.append(Promise())
        return promises[-1]

    says = Says(wait)
    world = world_of(says)
    world.send(*(f"u{n}@x.example" for n in range(4 * AT_ONCE)))
    for _ in range(10):
        world.clock.advance(0)
    assert len(says.told) == AT_ONCE
    world.send("eve@y.example")

    for promise in promises[:2]:
        promise.resolve(None)
        world.clock.advance(0)

    assert len(says.told) == AT_ONCE + 2
    assert "eve@y.example" in {str(each.recipient) for each in says.told}
    index = 2
    while index < len(promises):
        promises[index].resolve(None)
        world.clock.advance(0)
        index += 1
    world.pass_time(5)
    assert len(says.told) == 4 * AT_ONCE + 1
    assert sum(len(call.recipients) for call in world.agent.calls) == 4 * AT_ONCE + 1
    assert world.spool.rows == {}


def test_much_mail_of_one_sender() -> None:
    """Senders take turns: whoever sends little is asked about as soon as one answer is here."""
    promises: list[Promise[Any]] = []

    def wait(_: Leaving) -> Promise[Any]:
        promises.append(Promise())
        return promises[-1]

    says = Says(wait)
    world = world_of(says)
    for number in range(2 * AT_ONCE):
        world.send(f"u{number}@x.example")
    world.send("eve@y.example", account=None, sender=address("ann@stranger.example"))
    assert len(says.told) == AT_ONCE

    for promise in promises[:2]:
        promise.resolve(None)
        world.clock.advance(0)

    assert [str(each.recipient) for each in says.told[AT_ONCE:]] == [f"u{AT_ONCE}@x.example", "eve@y.example"]


def test_the_reactor_gets_its_turns() -> None:
    """A plugin that answers at once is asked about some recipients, then others go on."""
    told: list[int] = []

    def let_others_go_on(_: Leaving) -> None:
        if len(says.told) == 1:
            world.clock.callLater(0, lambda: told.append(len(says.told)))

    says = Says(let_others_go_on)
    world = world_of(says)

    world.send(*(f"u{n}@x.example" for n in range(3 * IN_A_TURN)))

    assert told == [IN_A_TURN]
    assert sum(len(call.recipients) for call in world.agent.calls) == 3 * IN_A_TURN


def test_plugins_are_lent_for_each_question() -> None:
    """So that a reload of the site file stops none that is asked; they are given back when the server stops, too."""
    world = world_of(Says(promise := Promise[Any]()))
    lender = Lending(world.pipeline)
    world.runner._dispatch._asking._plugins = lender

    world.send("bob@x.example", "eve@y.example")
    assert lender.lent_now == 2
    promise.resolve(None)
    assert lender.lent_now == 0

    world.pipeline._stages[IRoutePolicy][0].plugin.acts.answer = Promise()
    world.send("bob@x.example")
    assert lender.lent_now == 1
    _stop(world)
    assert lender.lent_now == 0


@pytest.mark.parametrize("then", ["stop", "hold"])
def test_what_happens_while_it_is_asked(then: str) -> None:
    """A server that stops gives its claims back; what an operator holds isn't tried. Nothing is lost."""
    promise: Promise[Any] = Promise()
    says = Says(promise)
    world = world_of(says)
    message = world.send("bob@x.example", "eve@y.example")
    stopped = _stop(world) if then == "stop" else None
    if then == "hold":
        world.spool.withdrawn = {(message.id, 0), (message.id, 1)}

    if not promise.done:
        promise.resolve(None)
    world.pass_time(1)

    assert world.agent.calls == []
    assert world.spool.owned() == []
    assert len(world.spool.rows) == 2
    if stopped is not None:
        assert stopped() == [None]
        says.answer = None
        world.runner = world.new_runner()
        world.runner.start()
        world.pass_time(5)
        assert sorted(world.agent.hosts()) == ["x.example", "y.example"]
        assert world.spool.rows == {}


def _stop(world: World) -> Callable[[], list[Any]]:
    done: list[Any] = []
    TwistedDeferred.fromCoroutine(world.runner.stop()).addBoth(done.append)
    return lambda: done


def test_no_room_on_the_way_that_was_chosen() -> None:
    """What finds its lane crowded waits in the table, and goes when there is room; each recipient once."""
    world = world_of(Says(Via("smtp://other.example")), limits=QueueLimits(LaneLimits(overall=4, recipients=8)))
    world.agent.slow = {"other.example"}
    for n in range(40):
        world.send(f"u@d{n}.example", account=None, sender=address("joe@strangers.test"))
    world.pass_time(1)
    assert len(world.spool.owned()) < 20

    for _ in range(200):
        for call in [each for each in world.agent.calls if each.waiting is not None and not each.waiting.called]:
            call.finish()
        world.pass_time(2, steps=4)

    assert world.spool.rows == {}
    assert sorted(str(each.address) for call in world.agent.calls for each in call.recipients) == sorted(
        f"u@d{n}.example" for n in range(40)
    )


def test_deferred_by_a_plugin_until_it_is_too_old() -> None:
    """Its replies count as any next hop's: after the lifetime the sender is told."""
    world = world_of(Says(lambda leaving: None if leaving.sender == NULL_PATH else LATER))

    world.send("bob@x.example")
    world.pass_time(6 * 86_400, steps=500)

    assert world.spool.rows == {}
    assert any(b"not now" in report.body.data for report in world.reports())  # type: ignore[union-attr]
    outcomes = [each.outcome for settlements, _ in world.spool.settled for each in settlements]
    assert Deferred(LATER) in outcomes
