"""A random life of the queue: whatever happens, every recipient ends exactly once."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from queue_fakes import ADMIN, ALICE, BUSY, NO_USER, OK, World
from twisted.internet.defer import Deferred as TwistedDeferred
from zope.interface import implementer

from twistedmail_mta.model import NULL_PATH, InlineBody, Reply, Unconfirmed, Via
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.queue.lanes import LaneLimits
from twistedmail_mta.queue.runner import QueueLimits
from twistedmail_mta.stages import IRoutePolicy, Leaving

LATER, NEVER = Reply(450, "4.7.1", "not now"), Reply(550, "5.7.1", "never")
HOSTS = ("a.example", "b.example", "c.example", "void.example", "refused.example")


@implementer(IRoutePolicy)
class Life:
    """A world in which calls take random times, disks fail and processes restart."""

    def __init__(self, seed: int, *, asks: bool) -> None:
        self.random = Random(seed)
        limits = QueueLimits(messages=12, lanes=LaneLimits(concurrency=2, overall=5, recipients=30))
        plugins = [Plugin("routes", self, 10.0, False)] if asks else []
        self.world = World(limits=limits, plugins=plugins)
        self.world.spool.pause = self._pause
        self.sent: set[str] = set()
        self.delivered: Counter[str] = Counter()
        self._hook_agent()

    async def routed(self, leaving: Leaving) -> Any:
        """Be a plugin that takes its time, fails, and sends mail elsewhere."""
        if self.random.random() < 0.5:
            waiting: TwistedDeferred[None] = TwistedDeferred()
            self.world.clock.callLater(self.random.random() * 12, waiting.callback, None)
            await waiting
        if leaving.sender == NULL_PATH or leaving.route == "discard":
            return None
        answers = [None, Via("smtp://d.example"), LATER, NEVER, Via("discard"), ZeroDivisionError]
        answer = self.random.choices(answers, [10, 4, 2, 1, 1, 1])[0]
        if answer is ZeroDivisionError:
            raise ZeroDivisionError
        return answer

    def _pause(self) -> TwistedDeferred[None]:
        waiting: TwistedDeferred[None] = TwistedDeferred()
        self.world.clock.callLater(self.random.random() * 0.1, waiting.callback, None)
        return waiting

    def _hook_agent(self) -> None:
        random, agent = self.random, self.world.agent

        def outcome(recipient: Any) -> Any:
            address = str(recipient.address)
            if recipient.address in (ALICE, ADMIN):
                return OK
            choice = random.random()
            if choice < 0.45:
                self.delivered[address] += 1
                return OK
            if choice < 0.6:
                return NO_USER
            if choice < 0.65:
                return Unconfirmed(Reply(451, "4.4.2", "answer lost"))
            return BUSY

        deliver = agent.deliver

        async def slow(message: Any, recipients: Any, next_hop: Any, wanted: Any) -> Any:
            waiting: TwistedDeferred[None] = TwistedDeferred()
            self.world.clock.callLater(random.random() * 20, waiting.callback, None)
            await waiting
            if random.random() < 0.03:
                raise RuntimeError("agent bug")
            outcomes = await deliver(message, recipients, next_hop, wanted)
            return [outcome(each) if found is OK else found for each, found in zip(recipients, outcomes, strict=True)]

        agent.deliver = slow  # type: ignore[method-assign]

    def live(self) -> None:
        for step in range(60):
            self._send(step)
            self.world.pass_time(self.random.random() * 30, steps=10)
            if self.random.random() < 0.1:
                self.world.spool.down = True
                self.world.pass_time(self.random.random() * 20, steps=10)
                self.world.spool.down = False
            if self.random.random() < 0.05:
                self._restart()
        self.world.pass_time(8 * 86_400, steps=4000)

    def _send(self, step: int) -> None:
        recipients = [f"u{step}-{n}@{self.random.choice(HOSTS)}" for n in range(self.random.randint(1, 6))]
        account = self.random.choice(["alice", None])
        accepting = self.world.runner.accept(self.world.message(*recipients, account=account))
        TwistedDeferred.fromCoroutine(accepting).addCallbacks(
            lambda _: self.sent.update(recipients), lambda failure: None
        )

    def _restart(self) -> None:
        done: list[Any] = []
        TwistedDeferred.fromCoroutine(self.world.runner.stop()).addBoth(done.append)
        self.world.pass_time(60, steps=120)
        assert done == [None]
        assert self.world.spool.owned() == []
        self.world.runner = self.world.new_runner()
        self.world.runner.start()

    def reported(self) -> Counter[str]:
        reports: Counter[str] = Counter()
        for report in self.world.reports():
            assert isinstance(report.body, InlineBody)
            assert report.envelope.sender == NULL_PATH
            lines = report.body.data.decode().split("\r\n")
            if "Action: delayed" not in lines:
                reports.update(line[24:] for line in lines if line.startswith("Final-Recipient: rfc822; "))
        return Counter({name.strip(): count for name, count in reports.items()})


@pytest.mark.parametrize("asks", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_every_recipient_ends_exactly_once(seed: int, *, asks: bool) -> None:
    """Delivered, reported or discarded: one of them, once, and nothing stays behind, also while plugins are asked."""
    life = Life(seed, asks=asks)
    life.live()

    assert life.world.spool.rows == {}
    assert life.world.spool.messages == {}
    reported = life.reported()
    for recipient in life.sent:
        ends = life.delivered[recipient] + reported[recipient] + recipient.endswith("@void.example")
        assert ends == 1, recipient
    assert len(life.sent) > 100
    assert ("d.example" in life.world.agent.hosts()) is asks
