"""How plugins are asked: in order, each in its time, and one that goes wrong hurts nobody but itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from zope.interface import directlyProvides

from twistedmail_mta import stages
from twistedmail_mta.errors import MailError, PermanentError, TemporaryError
from twistedmail_mta.model import Reply, Via
from twistedmail_mta.pipeline import BROKEN, Pipeline
from twistedmail_mta.plugin_record import LOG_EVERY, Plugin
from twistedmail_mta.soundness import fits
from twistedmail_mta.stages import (
    AddHeader,
    IDeliveredObserver,
    IMailPolicy,
    IMessagePolicy,
    IRecipientPolicy,
    IRoutePolicy,
)
from twistedmail_mta.tasks import Cancelled, Promise, Task, sleep

NO, LATER, YES = Reply(550, "5.7.1", "no"), Reply(450, "4.7.1", "later"), Reply(250, "2.0.0", "yes")


def plugin(answer: Any, *wanted: Any, name: str = "test", **options: Any) -> Plugin:
    """A plugin that answers at some stages with a value, with what a function makes, or with what that awaits."""
    acts: Any = type("Acts", (), {})()

    async def act(*values: Any) -> Any:
        found = answer(*values) if callable(answer) else answer
        return await found if hasattr(found, "__await__") else found

    for stage in wanted or (IMailPolicy,):
        (method,) = stage.names()
        setattr(acts, method, act)
    directlyProvides(acts, *(wanted or (IMailPolicy,)))
    return Plugin(name, acts, **{"timeout": 5.0, "abstains": False, **options})


class Asking:
    """A question under way, and what became of it."""

    def __init__(self, clock: Clock, *plugins: Plugin, stage: Any = IMailPolicy, way: str = "refusal") -> None:
        self.pipeline = Pipeline(plugins, clock)
        self.outcome: list[Any] = []
        self.task = Task("test", self._ask(getattr(self.pipeline, way), stage))

    async def _ask(self, ask: Callable[..., Any], stage: Any) -> None:
        try:
            self.outcome.append(await ask(stage, "value"))
        except BaseException as error:  # noqa: BLE001
            self.outcome.append(error)


def asked(*plugins: Plugin, **how: Any) -> Any:
    """What comes of plugins that answer at once."""
    (outcome,) = Asking(Clock(), *plugins, **how).outcome
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    """What is said of plugins that fail."""
    events: list[dict[str, Any]] = []

    def keep(event: dict[str, Any]) -> None:
        if event.get("event") == "plugin.failed":
            events.append(event)

    globalLogPublisher.addObserver(keep)
    yield events
    globalLogPublisher.removeObserver(keep)


# Order


def test_first_refusal_wins() -> None:
    """Those behind it aren't asked."""
    first, second, third = plugin(None), plugin(LATER), plugin(NO)

    assert asked(first, second, third) == LATER
    assert [each.calls["sender"] for each in (first, second, third)] == [1, 1, 0]


def test_acceptance_ends_the_asking() -> None:
    """Those before it could refuse, those behind it aren't asked."""
    assert asked(plugin(None), plugin(YES), plugin(NO)) is None
    assert asked(plugin(NO), plugin(YES)) == NO


def test_nobody_to_ask() -> None:
    """A stage at which nobody acts is known beforehand."""
    pipeline = Pipeline([plugin(NO, IRecipientPolicy)], Clock())

    assert not pipeline.asks(IMailPolicy)
    assert pipeline.asks(IRecipientPolicy)
    assert asked(plugin(NO, IRecipientPolicy)) is None


def test_one_plugin_at_several_stages() -> None:
    """Each is counted by its method."""
    several = plugin(lambda value: None, IMailPolicy, IMessagePolicy)

    asked(several)
    asked(several, stage=IMessagePolicy, way="judgement")

    assert several.calls == {"sender": 1, "message": 1}


def test_changes_of_all_are_gathered() -> None:
    """With whom they are from; a refusal makes them void, an acceptance doesn't."""
    one, two = AddHeader("X-One", "1"), AddHeader("X-Two", "2")
    first, second = plugin((one,), IMessagePolicy, name="first"), plugin((two, one), IMessagePolicy, name="second")
    judge = {"stage": IMessagePolicy, "way": "judgement"}

    refusal, changes = asked(first, second, **judge)
    assert refusal is None
    assert [(each.plugin.name, each.change) for each in changes] == [("first", one), ("second", two), ("second", one)]
    refusal, changes = asked(first, plugin(YES, IMessagePolicy), second, **judge)
    assert (refusal, [each.change for each in changes]) == (None, [one])
    assert asked(first, plugin(NO, IMessagePolicy), **judge) == (NO, ())


# Failures


def _raise(error: BaseException) -> Callable[[Any], Any]:
    def act(_: Any) -> Any:
        raise error

    return act


NONSENSE = [True, 0, "no", 550, (), [NO], (AddHeader("X", "1"),), Reply(354, "", "go on"), Reply(150, "", "")]


@pytest.mark.parametrize(
    "answer",
    [*NONSENSE, Reply(600, "", ""), Reply("550", "", ""), Reply(550, "5.7.1", None), Reply(550, b"5.7.1", "no")],  # type: ignore[arg-type]
    ids=repr,
)
def test_nonsense(answer: Any, logged: list[Any]) -> None:
    """What is no answer at a stage is a failure; no word of it reaches the client."""
    broken = plugin(answer)

    assert asked(broken) == BROKEN
    assert asked(plugin(answer, abstains=True), plugin(NO)) == NO
    assert broken.failures == 1
    assert isinstance(logged[0]["log_failure"].value, TypeError)


@pytest.mark.parametrize(
    "answer",
    [("x",), (AddHeader("X\n", "1"),), (AddHeader(b"X", b"1"),), [AddHeader("X", "1")], AddHeader("X", "1")],  # type: ignore[arg-type]
    ids=repr,
)
def test_nonsense_about_messages(answer: Any) -> None:
    """Changes come as a tuple, and each must be one that can be made."""
    judge = {"stage": IMessagePolicy, "way": "judgement"}

    assert asked(plugin(answer, IMessagePolicy), **judge) == (BROKEN, ())
    assert asked(plugin(answer, IMessagePolicy, abstains=True), **judge) == (None, [])


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError(),
        KeyError("x"),
        SystemExit(1),
        KeyboardInterrupt(),
        GeneratorExit(),
        CancelledError(),
        asyncio.CancelledError(),
        BaseException("x"),
    ],
    ids=repr,
)
def test_exceptions(error: BaseException, logged: list[Any]) -> None:
    """Whatever is raised: also what would end a session, or the program."""
    broken = plugin(_raise(error))

    assert asked(broken, plugin(YES)) == BROKEN
    assert asked(plugin(_raise(error), abstains=True), plugin(NO)) == NO
    assert broken.failures == 1
    assert "log_failure" in logged[0]


@pytest.mark.parametrize("error", [CancelledError(), asyncio.CancelledError(), BaseException("x")], ids=repr)
def test_what_is_raised_later(error: BaseException) -> None:
    """As well as at once."""
    gate: Promise[None] = Promise()
    asking = Asking(clock := Clock(), plugin(lambda _: gate))

    gate.fail(error)

    assert asking.outcome == [BROKEN]
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("error", [PermanentError(NO), TemporaryError(LATER)])
def test_mail_errors_are_refusals(error: MailError, logged: list[Any]) -> None:
    """Such as that of a pool that is full; where failures count for nothing they do, too, and are told in a line."""
    assert asked(plugin(_raise(error)), plugin(YES)) == error.reply
    abstaining = plugin(_raise(error), abstains=True)
    assert asked(abstaining, plugin(YES)) is None
    assert abstaining.failures == 1
    assert [(event["reply"], "log_failure" in event) for event in logged] == [(error.reply, False)]


@pytest.mark.parametrize("reply", [YES, Reply(354, "", ""), None, "550"])
def test_mail_errors_that_refuse_nothing(reply: Any) -> None:
    """They neither let anything through nor confuse the client."""
    assert asked(plugin(_raise(MailError(reply)))) == BROKEN


def test_an_answer_that_cannot_be_shown(logged: list[Any]) -> None:
    """It is no answer, and the log says so as well as it can."""

    class Shy:
        def __repr__(self) -> str:
            raise ValueError("x")

    broken = plugin(lambda _: Shy())

    assert asked(broken) == BROKEN
    assert broken.failures == 1
    assert "Shy" in str(logged[0]["log_failure"].value)


def test_traceback_once_a_minute(logged: list[Any]) -> None:
    """All failures are counted, and not each of many is told."""
    clock, broken, other = Clock(), plugin(_raise(KeyError("x"))), plugin(_raise(KeyError("y")), name="other")

    for _ in range(3):
        Asking(clock, broken)
    Asking(clock, other)
    clock.advance(LOG_EVERY - 1)
    Asking(clock, broken)
    assert [event["plugin"] for event in logged] == ["test", "other"]
    clock.advance(1)
    Asking(clock, broken)

    assert [(event["plugin"], event["count"]) for event in logged] == [("test", 1), ("other", 1), ("test", 5)]
    assert broken.failures == 5
    assert logged[2]["stage"] == "sender"


def test_observers_may_return_anything(logged: list[Any]) -> None:
    """All are told, whatever one does."""
    told: list[Any] = []
    first = plugin("thanks", IDeliveredObserver)
    broken = plugin(_raise(ZeroDivisionError()), IDeliveredObserver)
    last = plugin(told.append, IDeliveredObserver)

    assert asked(first, broken, last, stage=IDeliveredObserver, way="tell") is None

    assert told == ["value"]
    assert (first.failures, broken.failures, len(logged)) == (0, 1, 1)


def test_what_fits_where() -> None:
    """Changes are for messages alone; those who take note may say what they like."""
    changes = (AddHeader("X", "1"),)

    assert [stage for stage in stages.POLICIES if fits(stage, changes)] == [IMessagePolicy]
    assert all(fits(stage, answer) for stage in stages.POLICIES for answer in (None, NO, LATER, YES))
    assert fits(IRoutePolicy, Via("mx"))
    assert not any(fits(stage, Via("mx")) for stage in stages.POLICIES)
    assert not any(fits(IRoutePolicy, answer) for answer in (changes, "mx", Via("discard"), Via("filter+smtp://h")))
    assert all(fits(stage, "anything") for stage in stages.OBSERVERS)


# Time


def test_no_timer_for_answers_that_are_there() -> None:
    """Most are: they cost no call of the reactor."""

    class NoClock:
        def callLater(self, *_: Any) -> None:  # noqa: N802
            raise AssertionError("a timer was made")

    pipeline = Pipeline([plugin(NO)], NoClock())  # type: ignore[arg-type]
    task = Task("test", pipeline.refusal(IMailPolicy, "value"))

    assert task.done


def test_an_answer_in_time() -> None:
    """The next is asked then, and no timer is left."""
    clock, gate = Clock(), Promise[Any]()
    asking = Asking(clock, plugin(lambda _: gate), plugin(NO))
    clock.advance(4.9)
    assert asking.outcome == []

    gate.resolve(None)

    assert asking.outcome == [NO]
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize(("abstains", "outcome"), [(False, BROKEN), (True, NO)])
def test_too_late(abstains: bool, outcome: Reply, logged: list[Any]) -> None:
    """The plugin is cancelled, and its answer is a failure; each has its own time."""
    clock, ends = Clock(), []

    async def wait(_: Any) -> None:
        try:
            await Promise[None]()
        except Cancelled:
            ends.append(clock.seconds())
            raise

    asking = Asking(clock, plugin(wait, abstains=abstains, timeout=3.0), plugin(lambda _: sleep_then(clock, NO)))
    clock.pump([1, 1, 0.9])
    assert asking.outcome == []

    clock.pump([0.1, 4])

    assert asking.outcome == [outcome]
    assert ends == [3.0]
    assert isinstance(logged[0]["log_failure"].value, TimeoutError)
    assert clock.getDelayedCalls() == []


async def sleep_then(clock: Clock, answer: Reply) -> Reply:
    await sleep(clock, 4)
    return answer


def test_a_plugin_that_doesnt_end_holds_up_nobody() -> None:
    """One that swallows its cancellation goes on by itself, and what it answers then is lost."""
    clock, gate, went_on = Clock(), Promise[None](), []

    async def stubborn(_: Any) -> Reply:
        try:
            await Promise[None]()
        except Cancelled:
            await gate
        went_on.append(True)
        return YES

    asking = Asking(clock, plugin(stubborn))
    clock.advance(5)
    assert asking.outcome == [BROKEN]
    gate.resolve(None)

    assert went_on == [True]
    assert asking.outcome == [BROKEN]


def test_whoever_waits_is_cancelled() -> None:
    """So is the plugin; that is nobody's failure, and no other is asked."""
    clock, ends = Clock(), []

    async def wait(_: Any) -> None:
        try:
            await Promise[None]()
        except Cancelled:
            ends.append(True)
            raise

    waiting, next_one = plugin(wait), plugin(NO)
    asking = Asking(clock, waiting, next_one)

    asking.task.cancel()

    assert isinstance(asking.outcome[0], Cancelled)
    assert ends == [True]
    assert (waiting.failures, next_one.calls.total()) == (0, 0)
    assert clock.getDelayedCalls() == []


def test_a_canceller_that_raises() -> None:
    """A foreign Deferred may do anything when it is cancelled: the client is answered all the same."""

    def cancel(_: Any) -> None:
        raise ZeroDivisionError

    clock = Clock()
    asking = Asking(clock, plugin(lambda _: Deferred(cancel)))

    clock.advance(5)

    assert asking.outcome == [BROKEN]


def test_what_is_awaited_must_be_twisteds() -> None:
    """An awaitable of another event loop ends in time, at the latest."""

    class Foreign:
        def __await__(self) -> Iterator[Any]:
            yield object()

    clock, broken = Clock(), plugin(lambda _: Foreign())
    asking = Asking(clock, broken)
    clock.advance(5)

    assert asking.outcome == [BROKEN]
    assert broken.failures == 1


def test_times_of_plugins_are_noted() -> None:
    """Each answer, whether it was there at once, had to be waited for, or was none."""
    later: Promise[None] = Promise()
    quick, slow = plugin(None, name="quick"), plugin(lambda *_: later, name="slow")
    broken = plugin(lambda *_: 1 / 0, name="broken", abstains=True)
    asking = Asking(Clock(), quick, slow, broken)

    (method,) = IMailPolicy.names()
    assert [each.tally(method).seconds.number for each in (quick, slow, broken)] == [1, 0, 0]
    later.resolve(None)

    assert asking.outcome == [None]
    assert [each.tally(method).seconds.number for each in (quick, slow, broken)] == [1, 1, 1]
    assert all(0 < each.tally(method).seconds.total < 60 for each in (quick, slow, broken))
