"""A plugin that keeps the reactor's thread busy is broken off, whatever it does; nobody else is."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from zope.interface import implementer

from twistedmail_mta.pipeline import BROKEN, Pipeline
from twistedmail_mta.plugin_record import MOST_STALLS, REST, STALLS_FORGOTTEN, Plugin
from twistedmail_mta.policy.stalls import StallWatch, plugin_at
from twistedmail_mta.stages import IMailPolicy
from twistedmail_mta.tasks import Promise, Stalled, Task, TaskGroup

pytestmark = [
    pytest.mark.skipif(
        threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread alone"
    ),
    pytest.mark.timeout(30, method="thread"),  # the other way would take the same alarm
]


@implementer(IMailPolicy)
class Acting:
    """A plugin that does at MAIL whatever a test wants."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act

    async def sender(self, client: object, mail: object) -> None:
        found = self._act()
        if isinstance(found, Awaitable):
            await found


class Watched:
    """A plugin, asked by a server whose reactor does nothing else."""

    def __init__(self, act: Callable[[], Any], **options: Any) -> None:
        self.clock = Clock()
        self.plugin = Plugin("busy", Acting(act), 5.0, options.pop("abstains", False))
        self.pipeline = Pipeline([self.plugin], self.clock)
        self.watch = StallWatch(self.clock, lambda: [self.plugin], 0.02)
        self.outcome: list[Any] = []

    def ask(self) -> Any:
        """Ask it; return the answer as far as there is one."""
        self.outcome.clear()
        Task("test", self._ask())
        return self.outcome[0] if self.outcome else "none yet"

    async def _ask(self) -> None:
        self.outcome.append(await self.pipeline.refusal(IMailPolicy, None, None))


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    """What is said."""
    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)


@pytest.fixture
def watched() -> Iterator[Callable[..., Watched]]:
    """Makes a plugin that is looked after."""
    made: list[Watched] = []

    def make(act: Callable[[], Any], **options: Any) -> Watched:
        made.append(Watched(act, **options))
        made[-1].watch.startService()
        return made[-1]

    yield make
    for each in made:
        each.watch.stopService()


def _compute() -> None:
    while True:
        pass


def _stubborn() -> None:
    while True:
        with suppress(Exception):
            time.sleep(60)


BUSY: dict[str, Callable[[], Any]] = {
    "sleeps": lambda: time.sleep(60),
    "computes": _compute,
    "waits for a lock": lambda: threading.Event().wait(),
    "matches": lambda: re.fullmatch(r"(a+)+b", "a" * 60),
    "holds exceptions": _stubborn,
}


@pytest.mark.parametrize("act", BUSY.values(), ids=BUSY)
def test_busy_plugins_are_broken_off(
    act: Callable[[], Any], watched: Callable[..., Watched], logged: list[dict[str, Any]]
) -> None:
    """With 451, and with the place in the log at which it hung."""
    busy = watched(act)

    assert busy.ask() == BROKEN

    (failure,) = [event["log_failure"] for event in logged if event.get("event") == "plugin.failed"]
    assert "kept the whole server" in failure.getErrorMessage()
    assert isinstance(failure.value.__cause__, Stalled)
    assert "test_policy_stalls" in "".join(failure.getTraceback())


def test_later_steps_too(watched: Callable[..., Watched]) -> None:
    """What a plugin does after it has waited is the same plugin's."""
    gate: Promise[None] = Promise()

    async def wait_then_sleep() -> None:
        await gate
        time.sleep(60)  # noqa: ASYNC251 - the fault that is looked for

    busy = watched(wait_then_sleep)
    assert busy.ask() == "none yet"

    gate.resolve(None)

    assert busy.outcome == [BROKEN]
    assert busy.plugin.stalls == 1


def test_tasks_of_plugins(watched: Callable[..., Watched], logged: list[dict[str, Any]]) -> None:
    """A coroutine that nobody awaits is found by its module."""
    watched(lambda: None)

    async def sleep_long() -> None:
        time.sleep(60)  # noqa: ASYNC251 - likewise

    TaskGroup().start("lazy", sleep_long())

    assert [event["task"] for event in logged if event.get("event") == "task.failed"] == ["lazy"]


def test_those_who_stall_often_rest(watched: Callable[..., Watched], logged: list[dict[str, Any]]) -> None:
    """Each time costs everybody a second: after the third it isn't asked for a while, then again."""

    def stall() -> None:
        raise Stalled("too long")

    busy = watched(stall)
    for _ in range(MOST_STALLS):
        busy.ask()
    assert busy.plugin.calls["sender"] == MOST_STALLS
    assert busy.ask() == BROKEN
    assert busy.plugin.calls["sender"] == MOST_STALLS
    assert [event["plugin"] for event in logged if event.get("event") == "plugin.resting"] == ["busy"]

    busy.clock.advance(REST)
    busy.ask()
    busy.ask()
    assert busy.plugin.calls["sender"] == MOST_STALLS + 1

    busy.clock.advance(STALLS_FORGOTTEN + 1)
    busy.ask()
    busy.ask()
    assert busy.plugin.calls["sender"] == MOST_STALLS + 3


def test_who_abstains_rests_in_silence(watched: Callable[..., Watched]) -> None:
    """A list of the DNS that stalls lets mail through, as with any other failure."""

    def stall() -> None:
        raise Stalled("too long")

    busy = watched(stall, abstains=True)

    assert [busy.ask() for _ in range(MOST_STALLS + 1)] == [None] * (MOST_STALLS + 1)
    assert busy.plugin.calls["sender"] == MOST_STALLS


def test_others_are_only_told(logged: list[dict[str, Any]]) -> None:
    """What isn't a plugin's is let end, and the log says where the time went."""
    clock = Clock()
    watch = StallWatch(clock, list, 0.02)
    watch.startService()
    _compute_a_while()
    clock.advance(0.3)
    clock.advance(0.3)
    watch.stopService()

    ((places, seconds),) = [(event["places"], event["seconds"]) for event in logged if "places" in event]
    assert "_compute_a_while" in places
    assert seconds == 0.3


def _compute_a_while() -> None:
    _compute_for(0.2)


def _compute_for(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_who_comes_behind_a_stall_is_not_blamed(watched: Callable[..., Watched]) -> None:
    """A call that is short, though the reactor has been busy for long when it begins, by whatever it was."""
    busy = watched(lambda: _compute_for(0.005))
    busy.plugin.acts.__class__ = type("Elsewhere", (Acting,), {"__module__": "elsewhere"})  # this code isn't its own

    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        assert busy.ask() is None

    assert busy.plugin.calls["sender"] > 10
    assert (busy.plugin.failures, busy.plugin.stalls) == (0, 0)


def test_whose_code_it_is() -> None:
    """Of two plugins of one class it is the one that is being asked."""
    frames: list[Any] = []

    def look() -> None:
        found = plugin_at(sys._getframe(), plugins)
        frames.append(found and found[0])

    plugins = [Plugin("one", Acting(look), 5.0, False), Plugin("two", Acting(look), 5.0, False)]
    Task("test", Pipeline(plugins, Clock()).refusal(IMailPolicy, None, None))

    assert frames == plugins
    assert plugin_at(sys._getframe(), []) is None
