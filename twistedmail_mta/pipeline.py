"""Asks plugins, in their order, within a time each; whatever one does wrong concerns nobody but itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.reflect import safe_repr
from zope.interface import Interface

from twistedmail_mta.errors import MailError
from twistedmail_mta.model import Reply, Via
from twistedmail_mta.plugin_calls import harmless, in_time
from twistedmail_mta.plugin_record import Plugin, Tally
from twistedmail_mta.soundness import fits, is_refusal
from twistedmail_mta.stages import (
    OBSERVERS,
    POLICIES,
    ROUTING,
    Change,
    Changes,
    Grant,
    IRelayGrant,
    IRoutePolicy,
    Leaving,
    stages_of,
)
from twistedmail_mta.tasks import Begun, Cancelled, TaskGroup

T = TypeVar("T")

_LOG: Final = Logger()

BROKEN: Final = Reply(451, "4.3.0", "Mail can't be judged now, please try again later")

_Answer = Reply | Changes | Grant | Via | None

Heard = Callable[[str, str, str], None]
"""Told of answers: which plugin, at which stage, and what it said."""

Method = Callable[..., Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A change, and who asked for it."""

    plugin: Plugin
    change: Change


@dataclass(frozen=True, slots=True)
class _Question:
    """What one plugin is asked, or told, at one stage: by the method of that name, and how often."""

    stage: type[Interface]
    plugin: Plugin
    method: str
    ask: Method
    tally: Tally


@dataclass(frozen=True, slots=True)
class _Nothing:
    """No answer, since the plugin failed or rests, and the site file says that it abstains then."""

    why: str


_RESTS: Final = _Nothing("not asked: it rests after failures")


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An answer that isn't there yet, what it waits for, and since when."""

    coroutine: Coroutine[Any, Any, Any]
    awaited: Deferred[Any]
    since: float


class Pipeline:
    """The plugins of one listener, or those under [relay], or all, by the stages at which they are asked.

    Attributes:
        roll: who is asked about mail that comes, as "plugin@stage", in that order.
    """

    def __init__(
        self,
        plugins: Sequence[Plugin],
        clock: IReactorTime,
        stages: Collection[type[Interface]] = (*POLICIES, *ROUTING, *OBSERVERS),
        log: Logger = _LOG,
    ) -> None:
        """Put plugins together.

        Args:
            plugins: in their order.
            clock: for their time limits.
            stages: those at which they are asked: all but `IRelayGrant`, since a listener's list can't make anybody
                one who grants.
            log: is told what they decide.
        """
        self._clock = clock
        self._log = log
        self._stages: dict[type[Interface], list[_Question]] = {}
        for plugin in plugins:
            for stage in filter(stages.__contains__, stages_of(plugin.acts)):
                (method,) = stage.names()
                question = _Question(stage, plugin, method, getattr(plugin.acts, method), plugin.tally(method))
                self._stages.setdefault(stage, []).append(question)
        asked = [each for stage in POLICIES for each in self._stages.get(stage, ())]
        self.roll = " ".join(f"{each.plugin.name}@{each.method}" for each in asked)

    def asks(self, stage: type[Interface]) -> bool:
        """Return whether anybody is asked at a stage; where nobody is, it costs no more than this."""
        return stage in self._stages

    @property
    def asks_anybody(self) -> bool:
        """Whether there is a stage at which anybody is asked, or told."""
        return bool(self._stages)

    async def refusal(self, stage: type[Interface], *values: object, heard: Heard | None = None) -> Reply | None:
        """Ask at a stage; return the first refusal, or None when nobody refuses.

        Args:
            stage: its interface.
            values: what its method is told.
            heard: told what those answer who don't abstain.
        """
        for question in self._stages.get(stage, ()):
            answer = self._ask(question, values)
            if answer is None:
                continue
            if isinstance(answer, _Waiting):
                answer = await self._wait(question, answer)
            if heard is not None and answer is not None:
                heard(question.plugin.name, question.method, _told(answer))
            if isinstance(answer, Reply):
                return None if answer.accepts else self._refused(question, answer)
        return None

    async def judgement(
        self, stage: type[Interface], *values: object, heard: Heard | None = None
    ) -> tuple[Reply | None, Sequence[Asked]]:
        """Ask at a stage whose plugins may change something; return the refusal, and the changes.

        All are told what came: no plugin sees another's changes.

        Args:
            stage: its interface.
            values: what its method is told.
            heard: as for `refusal`.
        """
        asked: list[Asked] = []
        for question in self._stages.get(stage, ()):
            answer = self._ask(question, values)
            if answer is None:
                continue
            if isinstance(answer, _Waiting):
                answer = await self._wait(question, answer)
            if heard is not None and answer is not None:
                heard(question.plugin.name, question.method, _told(answer))
            if isinstance(answer, Reply):
                return (None, asked) if answer.accepts else (self._refused(question, answer), ())
            if isinstance(answer, tuple):
                asked += [Asked(question.plugin, change) for change in answer]
        return None, asked

    async def grant(self, *values: object) -> tuple[Plugin, Grant] | Reply | None:
        """Ask whether mail may be sent on; return who granted it, or the first refusal, or None.

        Args:
            values: what `IRelayGrant.may_relay` is told.
        """
        for question in self._stages.get(IRelayGrant, ()):
            answer = self._ask(question, values)
            if isinstance(answer, _Waiting):
                answer = await self._wait(question, answer)
            if isinstance(answer, Grant):
                question.plugin.grants += 1
                return question.plugin, answer
            if isinstance(answer, Reply):
                return self._refused(question, answer)
        return None

    async def way(self, leaving: Leaving) -> Via | Reply | None:
        """Ask which way a recipient's copy goes; return another one, or a refusal, or None where it is to stay.

        Args:
            leaving: what `IRoutePolicy.routed` is told.
        """
        for question in self._stages.get(IRoutePolicy, ()):
            answer = self._ask(question, (leaving,))
            if isinstance(answer, _Waiting):
                answer = await self._wait(question, answer)
            if isinstance(answer, Via):
                return self._led(question, leaving, answer)
            if isinstance(answer, Reply):
                return None if answer.accepts else self._refused(question, answer)
        return None

    def _led(self, question: _Question, leaving: Leaving, via: Via) -> Via:
        self._log.info(
            "plugin {plugin} sends {queue_id} for {recipient} by way of {via}",
            event="plugin.routed",
            plugin=question.plugin.name,
            queue_id=leaving.id,
            recipient=str(leaving.recipient),
            via=via.via,
        )
        return via

    async def tell(self, stage: type[Interface], *values: object) -> None:
        """Tell those who take note of something; what they return is nobody's business."""
        await self._tell(self._stages.get(stage, ()), values)

    def tell_soon(self, tasks: TaskGroup, stage: type[Interface], *values: object) -> None:
        """Likewise, and let nobody wait for it; what isn't done at once is one of `tasks`."""
        questions = self._stages.get(stage, ())
        for place, question in enumerate(questions):
            answer = self._ask(question, values)
            if answer is not None and isinstance(answer, _Waiting):
                tasks.start("plugin.tell", self._go_on_telling(question, answer, questions[place + 1 :], values))
                return

    async def _go_on_telling(
        self, question: _Question, waiting: _Waiting, others: Sequence[_Question], values: Sequence[object]
    ) -> None:
        await self._wait(question, waiting)
        await self._tell(others, values)

    async def _tell(self, questions: Sequence[_Question], values: Sequence[object]) -> None:
        for question in questions:
            answer = self._ask(question, values)
            if isinstance(answer, _Waiting):
                await self._wait(question, answer)

    def _refused(self, question: _Question, reply: Reply) -> Reply:
        self._log.info(
            "plugin {plugin} refuses at {stage}: {reply}",
            event="plugin.refused",
            plugin=question.plugin.name,
            stage=question.method,
            reply=reply,
        )
        return reply

    def _ask(self, question: _Question, values: Sequence[object]) -> _Answer | _Nothing | _Waiting:
        """Return what a plugin answers, or instead of a failure what the site file says; or that it has to wait.

        Most never wait: they need neither a task nor a timer.
        """
        plugin, tally = question.plugin, question.tally
        if plugin.rests_until and plugin.rests(self._clock.seconds()):
            return _RESTS if plugin.abstains else BROKEN
        tally.number += 1
        since = perf_counter()
        try:
            coroutine = question.ask(*values)
            awaited = coroutine.send(None)
        except StopIteration as end:
            tally.seconds.note(perf_counter() - since)
            answer = end.value
            return None if answer is None else self._checked(question, answer)
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything
            tally.seconds.note(perf_counter() - since)
            return self._instead(question, harmless(error))
        return _Waiting(coroutine, awaited, since)

    async def _wait(self, question: _Question, waiting: _Waiting) -> _Answer | _Nothing:
        """Return what a plugin answers that had to wait, or what counts instead."""
        try:
            answer = await in_time(self._clock, question.plugin.timeout, _rest(question, waiting))
        except Cancelled:
            raise  # of the session: a plugin's own is none, see `in_time`
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            return self._instead(question, error)
        finally:
            question.tally.seconds.note(perf_counter() - waiting.since)
        return self._checked(question, answer)

    def _checked(self, question: _Question, answer: object) -> _Answer | _Nothing:
        if fits(question.stage, answer):
            return cast(_Answer, answer)
        return self._instead(question, TypeError(f"{question.method} returned {safe_repr(answer):.100}"))

    def _instead(self, question: _Question, error: Exception) -> Reply | _Nothing:
        """Note a failure; return what counts instead of an answer."""
        plugin = question.plugin
        reply = error.reply if isinstance(error, MailError) and is_refusal(error.reply) else None
        if reply is not None and not plugin.abstains:
            return reply  # what it raised, or a pool that was full
        plugin.note_failure(question.method, error, reply, self._clock.seconds())
        return _Nothing(f"failed: {type(error).__name__}") if plugin.abstains else BROKEN

    def failed(self, stage: type[Interface], plugin: Plugin, error: Exception) -> Reply | None:
        """Note that what a plugin answered turned out to be none; return what counts instead.

        Args:
            stage: at which it was asked.
            plugin: which.
            error: what is wrong with it.
        """
        question = next(each for each in self._stages[stage] if each.plugin is plugin)
        instead = self._instead(question, error)
        return instead if isinstance(instead, Reply) else None


def _told(answer: _Answer | _Nothing) -> str:
    """Return what an answer is, without what it says of the mail: of changes their kinds."""
    if isinstance(answer, _Nothing):
        return answer.why
    if isinstance(answer, tuple):
        kinds = dict.fromkeys(type(each).__name__ for each in answer)
        return f"changed: {', '.join(kinds)}" if kinds else "changed nothing"
    return str(answer)


async def _rest(question: _Question, waiting: _Waiting) -> Any:  # noqa: ANN401, ARG001 - its answer; see `ASKING`
    return await Begun(waiting.coroutine, waiting.awaited)


ASKING: Final = (Pipeline._ask.__code__, _rest.__code__)  # noqa: SLF001
"""Where plugins run: which one, tells the local variable `question`."""
