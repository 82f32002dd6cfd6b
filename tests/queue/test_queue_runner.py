"""The queue runner: from acceptance to settlement, through everything that goes wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from queue_fakes import BUSY, DISK_FULL, NO_USER, OK, START, World
from twisted.internet.defer import Deferred as TwistedDeferred
from twisted.logger import formatEvent
from zope.interface.verify import verifyObject

from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.interfaces import IAcceptance
from twistedmail_mta.model import (
    Address,
    Deferred,
    Delivered,
    Delivery,
    Failed,
    LocalMail,
    NextHop,
    Reply,
    Structure,
    Unconfirmed,
    Withdrawn,
)
from twistedmail_mta.queue.lanes import LaneLimits
from twistedmail_mta.queue.pace import FIRST_CONCURRENCY
from twistedmail_mta.queue.runner import QueueLimits
from twistedmail_mta.queue.schedule import RetrySchedule


def events(logged: list[dict[str, Any]], prefix: str) -> list[dict[str, Any]]:
    return [event for event in logged if str(event.get("event", "")).startswith(prefix)]


def stopped(world: World) -> list[Any]:
    done: list[Any] = []
    TwistedDeferred.fromCoroutine(world.runner.stop()).addBoth(done.append)
    return done


def test_it_is_an_acceptance(world: World) -> None:
    """The receiving role sees nothing but the seam."""
    assert verifyObject(IAcceptance, world.runner)


def test_new_mail_goes_out_from_memory(world: World) -> None:
    """A message is delivered without being read back, and its answer isn't held up by that."""
    message = world.message("bob@x.example", "carol@x.example", "dave@y.example")

    world.result(world.runner.accept(message))
    assert world.agent.calls == []
    world.clock.advance(0)

    assert world.agent.hosts() == ["x.example", "y.example"]
    assert world.agent.calls[0].message is message
    assert [str(each.address) for each in world.agent.calls[0].recipients] == ["bob@x.example", "carol@x.example"]
    assert world.spool.rows == {}
    assert world.spool.loads == 0


def test_mail_for_mailboxes_alone_is_not_the_queues(world: World) -> None:
    """It goes to the spool for its one transaction; nothing is claimed, held in memory or launched."""
    local = LocalMail(Structure(b"", b"", b""), (Delivery(1, Address("ann", "home.example")),))

    message = world.message()
    world.result(world.runner.accept(message, local))
    world.clock.advance(0)

    assert world.spool.local == {message.id: local}
    assert world.spool.rows == {}
    assert world.agent.calls == []
    assert stopped(world) == [None]


def test_lanes_tell_what_their_next_hop_said_last(world: World) -> None:
    """Whatever it was, and also when all that it was said of has left the lane."""
    world.agent.outcomes["eve@x.example"] = BUSY
    world.send("eve@x.example")
    world.agent.slow.add("x.example")
    world.send("bob@x.example")

    (lane,) = world.runner.standing(10).lanes

    assert (lane.running, lane.said) == (1, "450 4.2.0 busy")


def test_local_lane_quickens_without_a_remote(world: World) -> None:
    """Deliveries into mailboxes teach their lane as the answers of a host would."""
    hop = NextHop("mailboxes.example", 0, local="mailbox")
    world.router.ways["home.example"] = hop
    world.agent.default = Delivered(Reply(250, "2.0.0", "Delivered"))
    world.send(*(f"u{n}@home.example" for n in range(250)))
    world.agent.slow.add(hop.host)

    world.send(*(f"u{n}@home.example" for n in range(250)))

    assert len(world.agent.calls) - 5 > FIRST_CONCURRENCY


def test_births_are_launched_a_few_at_a_time(world: World) -> None:
    """A group of commits that ends at once doesn't keep the reactor from its sockets."""
    world.agent.slow |= {f"h{n}.example" for n in range(50)}
    for n in range(50):
        world.result(world.runner.accept(world.message(f"bob@h{n}.example")))

    turns: list[int] = []
    later = world.clock.callLater

    def noted(delay: float, *call: Any) -> Any:
        turns.append(len(world.agent.calls))
        return later(delay, *call)

    world.clock.callLater = noted
    world.clock.advance(0)

    assert turns == [20, 40]
    assert len(world.agent.calls) == 50


def test_acceptance_fails_when_the_spool_does(world: World) -> None:
    """The client is told, nothing is sent, and no room is lost."""
    world.spool.down = True
    for _ in range(3):
        with pytest.raises(TemporaryError):
            world.send("bob@x.example")
    world.spool.down = False
    world.send("bob@x.example")

    assert world.agent.hosts() == ["x.example"]


def test_accept_survives_a_client_that_hangs_up(world: World) -> None:
    """What was handed to the spool is delivered, though nobody waits for the answer any more."""
    gate: TwistedDeferred[None] = TwistedDeferred()
    world.spool.pause = lambda: gate
    waiting = TwistedDeferred.fromCoroutine(world.runner.accept(world.message("bob@x.example")))
    waiting.addErrback(lambda _: None)

    world.spool.pause = lambda: None
    waiting.cancel()
    gate.callback(None)
    world.clock.advance(0)

    assert world.agent.hosts() == ["x.example"]
    assert world.spool.rows == {}


def test_deferred_is_tried_again_when_due(world: World) -> None:
    """The first retry comes after the first wait, the second after the second; then it is delivered."""
    world.agent.outcomes["bob@x.example"] = [BUSY, BUSY, OK]
    world.send("bob@x.example")

    world.pass_time(299)
    assert len(world.agent.calls) == 1
    world.pass_time(2)
    assert len(world.agent.calls) == 2
    world.pass_time(598)
    assert len(world.agent.calls) == 2
    world.pass_time(10)
    assert len(world.agent.calls) == 3
    assert world.spool.rows == {}


def test_short_waits_are_kept() -> None:
    """What is due before the loop would look again wakes it in time."""
    world = World(schedule=RetrySchedule(retry=(2.0,), cap=2.0))
    world.agent.outcomes["bob@x.example"] = [BUSY, OK]
    world.send("bob@x.example")

    world.pass_time(1.9)
    assert len(world.agent.calls) == 1
    world.pass_time(0.4)
    assert len(world.agent.calls) == 2


def test_router_hears_of_attempts(world: World) -> None:
    """After some attempts the router may choose another way, such as a fallback."""
    world.router.spare = NextHop("spare.example", 25)
    world.agent.outcomes["bob@x.example"] = [BUSY, OK]
    world.send("bob@x.example")

    world.pass_time(310)

    assert world.agent.hosts() == ["x.example", "spare.example"]


def test_unconfirmed_is_tried_again(world: World) -> None:
    """A lost answer to the final dot risks a duplicate, never a loss."""
    world.agent.outcomes["bob@x.example"] = [Unconfirmed(Reply(451, "4.4.2", "answer lost")), OK]
    world.send("bob@x.example")
    world.pass_time(301)

    assert len(world.agent.calls) == 2
    assert world.spool.rows == {}


def test_mixed_outcomes_of_one_transaction(world: World) -> None:
    """Each recipient has its own fate; only the failed one is reported."""
    world.agent.outcomes |= {"bob@x.example": BUSY, "carol@x.example": NO_USER}
    message = world.send("ann@x.example", "bob@x.example", "carol@x.example")

    (settlements, report), *_ = world.spool.settled
    assert [type(each.outcome) for each in settlements] == [Delivered, Deferred, Failed]
    assert report is not None
    assert report.failed == {2}
    assert list(world.spool.rows) == [(message.id, 1)]
    assert len(world.reports()) == 1


def test_at_most_fifty_recipients_a_transaction(world: World) -> None:
    """A long list is cut, so that no host refuses it for its length."""
    world.send(*(f"u{n}@x.example" for n in range(120)))

    assert [len(call.recipients) for call in world.agent.calls] == [50, 50, 20]
    assert world.spool.rows == {}


def test_routes_that_deliver_nothing(world: World) -> None:
    """Discard and error routes settle without an agent; a broken router only delays."""
    world.send("a@void.example", "b@refused.example", "c@broken.example")

    assert [host for host in world.agent.hosts() if host != "home.example"] == []
    assert [str(row.recipient.address) for row in world.spool.rows.values()] == ["c@broken.example"]
    assert b"b@refused.example" in world.reports()[0].body.data


def test_agent_that_raises_only_delays(world: World, logged: list[dict[str, Any]]) -> None:
    """A bug in an agent, or a wrong number of outcomes, defers and is logged as a failure."""
    world.agent.outcomes["bob@x.example"] = [RuntimeError("bug"), OK]
    world.send("bob@x.example")

    assert [row.attempts for row in world.spool.rows.values()] == [1]
    assert events(logged, "queue.agent_failed")
    world.pass_time(301)
    assert world.spool.rows == {}


def test_wrong_number_of_outcomes_only_delays(world: World) -> None:
    """When it isn't clear whose an outcome is, nobody has one."""

    async def deliver(*_: Any) -> Any:
        return [OK]

    world.agent.deliver = deliver  # type: ignore[method-assign]
    world.send("bob@x.example", "carol@x.example")

    assert [row.attempts for row in world.spool.rows.values()] == [1, 1]


def test_expired_fails_with_the_last_answer(world: World) -> None:
    """After five days the sender is told, with what the last attempt met."""
    world.agent.outcomes["bob@x.example"] = BUSY
    world.send("bob@x.example")
    world.pass_time(5 * 86_400 + 15_000, steps=3000)

    assert world.spool.rows == {}
    failure = world.spool.settled[-2][0][0].outcome
    assert isinstance(failure, Failed)
    assert failure.reply == Reply(554, "5.4.7", "Delivery time expired; the last attempt met: 450 4.2.0 busy")
    assert len(world.agent.calls) > 35


def test_reports_expire_after_a_day_and_are_not_reported(world: World, logged: list[dict[str, Any]]) -> None:
    """Mail with a null sender is tried for a day, then dropped with a line in the log."""
    world.agent.outcomes |= {"bob@x.example": NO_USER, "alice@home.example": BUSY}
    world.send("bob@x.example")
    world.pass_time(86_400 + 15_000, steps=2000)

    assert world.spool.rows == {}
    assert len(world.reports()) == 1
    assert len(events(logged, "queue.untold")) == 1


def test_retries_survive_a_restart(world: World) -> None:
    """A new process goes on where the old one was, at the due times it left."""
    world.agent.outcomes["bob@x.example"] = [BUSY, OK]
    world.send("bob@x.example")
    assert stopped(world) == [None]
    world.runner = world.new_runner()
    world.runner.start()

    world.pass_time(295)
    assert len(world.agent.calls) == 1
    world.pass_time(10)
    assert len(world.agent.calls) == 2
    assert world.spool.rows == {}


def test_unreported_failures_survive_a_restart() -> None:
    """Failures whose report was not composed before the end are reported by the next process."""
    world = World(started=False)
    message = world.message("bob@x.example", "carol@y.example")
    world.spool.insert(message)
    world.spool.rows[message.id, 0].failed = (NO_USER, START - 10)
    world.agent.outcomes["carol@y.example"] = BUSY
    world.runner.start()

    assert len(world.reports()) == 1
    assert [str(row.recipient.address) for row in world.spool.rows.values()] == ["carol@y.example"]


def test_unreportable_failure_keeps_back_no_other(logged: list[dict[str, Any]]) -> None:
    """One message whose report can't be composed doesn't silence the rest."""
    world = World(started=False)
    for n in range(3):
        message = world.message(f"u{n}@x.example")
        world.spool.insert(message)
        world.spool.rows[message.id, 0].failed = (NO_USER, START - 10)
        if n == 1:
            world.spool.unreadable.add(message.id)
    world.runner.start()
    world.pass_time(1)

    assert len(world.reports()) == 2
    assert [key for key, row in world.spool.rows.items() if row.failed] == [(2, 0)]


def test_one_line_for_each_outcome(world: World, logged: list[dict[str, Any]]) -> None:
    """Who, where, what was answered, and how long it took."""
    world.agent.outcomes["bob@x.example"] = [BUSY, OK]
    world.send("bob@x.example")
    world.pass_time(301)

    deferred, delivered = [event for event in logged if event.get("event") in {"queue.deferred", "queue.delivered"}]
    assert (deferred["code"], deferred["status"], deferred["seconds"]) == (450, "4.2.0", 0.0)
    assert (delivered["recipient"], delivered["remote"]) == ("bob@x.example", "mx.example [192.0.2.1]")
    assert 299 < delivered["seconds"] < 302


def test_the_log_tells_of_tls(world: World, logged: list[dict[str, Any]]) -> None:
    """Whether a message went out encrypted stands in the line of its delivery."""
    world.agent.outcomes["bob@x.example"] = replace(OK, encrypted=True)
    world.send("bob@x.example", "carol@x.example")
    world.pass_time(1)

    lines = [formatEvent(event) for event in logged if event.get("event") == "queue.delivered"]
    assert ["over TLS: 250" in line for line in lines] == [True, False]


def test_the_log_tells_of_tags(world: World, logged: list[dict[str, Any]]) -> None:
    """What plugins noted about a message stands in the line of each outcome."""
    world.send("bob@x.example", tags=(("list", "the news"), ("score", "7")))
    world.send("carol@x.example")
    world.pass_time(1)

    first, second = [event for event in logged if event.get("event") == "queue.delivered"]
    assert first["tags"] == {"list": "the news", "score": "7"}
    assert 'mx.example [192.0.2.1], tagged list="the news" score=7: 250' in (formatEvent(first) or "")
    assert "tagged" not in (formatEvent(second) or "")


def test_results_wait_for_the_disk(world: World, logged: list[dict[str, Any]]) -> None:
    """While results can't be written nothing more is sent; then all goes on, and nothing is sent twice."""
    world.agent.slow.add("x.example")
    world.send("bob@x.example")
    world.send("carol@x.example")
    world.spool.insert(world.message("dave@z.example"))
    world.spool.down = True
    world.agent.calls[0].finish()
    assert events(logged, "queue.settle_failed")

    world.runner.poke()
    world.pass_time(100)
    assert world.agent.hosts() == ["x.example", "x.example"]
    world.spool.down = False
    world.pass_time(100)
    world.agent.calls[1].finish()

    assert world.agent.hosts() == ["x.example", "x.example", "z.example"]
    assert world.spool.rows == {}


def test_new_mail_is_not_claimed_while_the_disk_fails(world: World) -> None:
    """Mail that was accepted meanwhile waits in the table."""
    world.agent.slow.add("x.example")
    world.send("bob@x.example")
    world.spool.down = True
    world.agent.calls[0].finish()
    world.spool.down = False
    world.send("carol@y.example")
    assert world.agent.hosts() == ["x.example"]
    assert len(world.spool.owned()) == 1

    world.pass_time(5)
    assert world.agent.hosts() == ["x.example", "y.example"]
    assert world.spool.rows == {}


def test_unexpected_settle_error_is_retried(world: World) -> None:
    """Even a bug in the spool doesn't lose a result."""
    failures = [ValueError("bug")]
    settle = world.spool.settle

    async def once_broken(*args: Any) -> bool:
        if failures:
            raise failures.pop()
        return await settle(*args)

    world.spool.settle = once_broken  # type: ignore[method-assign]
    world.send("bob@x.example")
    world.pass_time(2)

    assert len(world.agent.calls) == 1
    assert world.spool.rows == {}


def test_lease_is_renewed_every_third(world: World) -> None:
    """The claims of this process never run out while it lives."""
    world.pass_time(1000)

    assert world.spool.renewed == 10


def test_nothing_begins_while_the_lease_fails(world: World) -> None:
    """A claim that might be another's by now is not acted upon."""
    world.spool.down = True
    world.pass_time(101)
    world.spool.down = False
    world.send("bob@x.example")
    assert world.agent.calls == []

    world.pass_time(100)
    assert world.agent.hosts() == ["x.example"]


def test_renewal_outlives_a_bug(world: World) -> None:
    """One unexpected error doesn't end the renewals, or every claim would run out."""
    renew, failures = world.spool.renew, [ValueError("bug")]

    async def once_broken() -> None:
        if failures:
            raise failures.pop()
        await renew()

    world.spool.renew = once_broken  # type: ignore[method-assign]
    world.pass_time(150)
    world.send("bob@x.example")
    assert world.agent.calls == []
    world.pass_time(100)

    assert world.spool.renewed == 1
    assert world.agent.hosts() == ["x.example"]


def test_unreadable_message_is_put_off(world: World, logged: list[dict[str, Any]]) -> None:
    """One damaged row neither stops the queue nor is lost."""
    damaged = world.message("bob@x.example")
    world.spool.insert(damaged)
    world.spool.unreadable.add(damaged.id)
    world.spool.insert(world.message("carol@y.example"))
    world.runner.poke()

    assert world.agent.hosts() == ["y.example"]
    assert events(logged, "queue.unreadable")
    assert world.spool.rows[damaged.id, 0].due == START + world.schedule.cap
    assert world.spool.owned() == []


def test_failing_reads_release_the_claims(world: World) -> None:
    """When messages can't be loaded for now their claims go back, and are made again later."""
    world.spool.insert(world.message("bob@x.example"))
    load = world.spool.message

    async def failing(message_id: int) -> Any:
        raise DISK_FULL

    world.spool.message = failing  # type: ignore[method-assign]
    world.runner.poke()
    assert world.spool.owned() == []
    world.spool.message = load  # type: ignore[method-assign]
    world.pass_time(6)

    assert world.agent.hosts() == ["x.example"]


def test_poke_finds_what_operators_made_due(world: World) -> None:
    """A retry asked for happens now."""
    world.agent.outcomes["bob@x.example"] = [BUSY, OK]
    message = world.send("bob@x.example")
    world.spool.rows[message.id, 0].due = START
    world.runner.poke()

    assert len(world.agent.calls) == 2


def test_withdrawn_while_waiting_is_not_sent() -> None:
    """What an operator holds or deletes is not even connected for."""
    world = World(limits=QueueLimits(lanes=LaneLimits(concurrency=1)))
    world.agent.slow.add("x.example")
    world.send("bob@x.example")
    message = world.send("carol@x.example")
    world.spool.withdrawn.add((message.id, 0))
    world.agent.calls[0].finish()

    assert len(world.agent.calls) == 1
    assert [type(each.outcome) for each in world.spool.settled[-1][0]] == [Withdrawn]
    assert world.spool.withdrawn == set()


def test_withdrawn_before_mail_is_asked_by_recipient(world: World) -> None:
    """The agent learns of a wish for one recipient of several at the last moment."""
    world.agent.slow.add("x.example")
    message = world.send("bob@x.example", "carol@x.example")
    world.spool.withdrawn.add((message.id, 1))
    world.agent.calls[0].finish()

    assert [type(each.outcome) for each in world.spool.settled[-1][0]] == [Delivered, Withdrawn]


def test_withdrawn_from_a_discarding_route(world: World) -> None:
    """Held mail isn't discarded either."""
    message = world.message("bob@void.example")
    world.spool.withdrawn.add((message.id, 0))
    world.result(world.runner.accept(message))
    world.clock.advance(0)

    assert world.spool.rows[message.id, 0].held


def test_backlog_in_messages_is_bounded() -> None:
    """Past the bound mail waits in the table, and comes out of it when there is room."""
    world = World(limits=QueueLimits(messages=8, lanes=LaneLimits(concurrency=1)))
    world.agent.slow.add("x.example")
    for n in range(20):
        world.send(f"u{n}@x.example")
    assert len(world.spool.owned()) == 8
    for call in world.agent.calls:
        call.finish()
        world.clock.advance(0)

    assert len(world.agent.calls) == 20
    assert world.spool.rows == {}


def test_backlog_in_octets_is_bounded() -> None:
    """Large messages fill the room sooner."""
    world = World(limits=QueueLimits(octets=100_000))
    world.agent.slow.add("x.example")
    for n in range(10):
        world.send(f"u{n}@x.example", size=20_000)
    assert 3 <= len(world.spool.owned()) <= 6

    for call in world.agent.calls:
        call.finish()
        world.clock.advance(0)
    assert world.spool.rows == {}


def test_new_mail_leaves_room_for_old() -> None:
    """However much arrives, what waits in the table has its share."""
    world = World(limits=QueueLimits(messages=8))
    world.agent.slow.add("x.example")
    for n in range(6):
        world.send(f"u{n}@x.example")
    old = world.message("old@y.example")
    world.spool.insert(old)
    world.send("new@z.example")

    assert world.agent.hosts() == ["x.example", "x.example", "y.example", "z.example"]


def test_dead_destination_blocks_no_other() -> None:
    """However much waits for hosts that don't answer, mail for others passes by."""
    limits = QueueLimits(messages=100, lanes=LaneLimits(concurrency=4, overall=10, recipients=40))
    world = World(limits=limits)
    dead = {f"dead{n}.example" for n in range(4)}
    world.agent.slow |= dead
    for n in range(100):
        for host in sorted(dead):
            world.send(f"u{n}@{host}")

    world.send("bob@alive.example")
    world.pass_time(1)

    assert world.agent.hosts().count("alive.example") == 1
    assert len(world.agent.calls) <= 10


def test_crowded_lane_claims_nothing_at_birth() -> None:
    """Mail for a lane that has enough waits in the table."""
    world = World(limits=QueueLimits(lanes=LaneLimits(recipients=10)))
    world.agent.slow.add("x.example")
    for n in range(20):
        world.send(f"u{n}@x.example")

    assert len(world.spool.owned()) == 5


def test_turned_away_once() -> None:
    """Domains that turn out to share a crowded lane are not claimed again and again."""
    world = World(started=False, limits=QueueLimits(lanes=LaneLimits(recipients=10)))
    world.agent.slow.add("relay.example")
    for n in range(30):
        world.router.ways[f"d{n}.example"] = NextHop("relay.example", 25)
        world.spool.insert(world.message(f"u@d{n}.example"))
    world.runner.start()
    for _ in range(10):
        world.runner.poke()
    assert len(world.spool.owned()) == 5
    assert len(world.spool.released) == 25

    for call in world.agent.calls:
        call.finish()
    world.pass_time(1)
    assert len(world.agent.calls) == 30
    assert world.spool.rows == {}


def test_oldest_due_goes_first() -> None:
    """Mail leaves the table in the order in which it is due."""
    world = World(started=False, limits=QueueLimits(lanes=LaneLimits(concurrency=1)))
    for n in (3, 1, 2):
        message = world.message(f"u{n}@x.example")
        world.spool.insert(message)
        world.spool.rows[message.id, 0].due = START - 100 + n
    world.runner.start()

    assert [str(call.recipients[0].address) for call in world.agent.calls] == [f"u{n}@x.example" for n in (1, 2, 3)]


def test_stop_lets_running_deliveries_end(world: World) -> None:
    """A delivery that ends within the grace is settled; one that waited is given back."""
    world.limits = QueueLimits()
    world.agent.slow.add("x.example")
    world.send("bob@x.example")
    done = stopped(world)
    assert done == []
    world.clock.advance(5)
    world.agent.calls[0].finish()

    assert done == [None]
    assert world.spool.rows == {}
    assert world.clock.getDelayedCalls() == []


def test_stop_cancels_what_takes_too_long() -> None:
    """Past the grace deliveries are cancelled; their claims and all that waited are given back untouched."""
    world = World(limits=QueueLimits(lanes=LaneLimits(concurrency=1)))
    world.agent.slow.add("x.example")
    world.send("bob@x.example")
    world.send("carol@x.example")
    done = stopped(world)
    world.clock.advance(11)

    assert done == [None]
    assert world.agent.cancelled == 1
    assert world.spool.owned() == []
    assert [row.attempts for row in world.spool.rows.values()] == [0, 0]
    assert world.clock.getDelayedCalls() == []


def test_stop_gives_back_what_was_just_born(world: World) -> None:
    """Mail accepted in the turn before the stop is not lost, and not begun."""
    world.result(world.runner.accept(world.message("bob@x.example")))

    assert stopped(world) == [None]
    assert world.agent.calls == []
    assert world.spool.owned() == []
    assert len(world.spool.rows) == 1


def test_stop_with_a_dead_disk_ends(world: World) -> None:
    """A result that can't be written doesn't hold up the end for ever."""
    world.agent.slow.add("x.example")
    world.send("bob@x.example")
    world.spool.down = True
    world.agent.calls[0].finish()
    done = stopped(world)
    world.pass_time(25)

    assert done == [None]
    assert world.clock.getDelayedCalls() == []


def test_mail_accepted_while_stopping_waits(world: World) -> None:
    """Sessions that end after the queue still get their mail in."""
    assert stopped(world) == [None]
    world.send("bob@x.example")

    assert world.agent.calls == []
    assert world.spool.owned() == []
    assert len(world.spool.rows) == 1


def test_idle_queue_hardly_looks(world: World) -> None:
    """With nothing to do the table is looked at every half minute."""
    world.pass_time(600, steps=600)

    assert len(world.spool.claims) <= 22
