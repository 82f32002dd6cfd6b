"""Asks plugins, in their order, within a time each; whatever one does wrong concerns nobody but itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import Interface

from twistedmail_mta.errors import MailError
from twistedmail_mta.model import Reply
from twistedmail_mta.stages import OBSERVERS, Change, Changes, IMessagePolicy, is_sound, stages_of
from twistedmail_mta.tasks import Begun, Cancelled, Promise, Task

T = TypeVar("T")

BROKEN: Final = Reply(451, "4.3.0", "Mail can't be judged now, please try again later")

LOG_EVERY: Final = 60.0
"""Seconds between two tracebacks of one plugin."""


@dataclass(eq=False, slots=True)
class Plugin:
    """A plugin that runs.

    Attributes:
        name: what the site file calls it.
        acts: the object that provides the stages.
        timeout: seconds that one call may take.
        abstains: an exception or a timeout is no answer; else it is 451.
        may_send_anywhere: it may add recipients that this host keeps no mail for.
        calls: how often it was asked, by the stage's method.
        failures: how often it raised, took too long, or answered nonsense.
        logged_at: when its last failure was logged with all details, in the clock's seconds.
    """

    name: str
    acts: Any
    timeout: float
    abstains: bool
    may_send_anywhere: bool = False
    calls: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    logged_at: float = float("-inf")


_ENDS_MORE: Final = (Cancelled, GeneratorExit, KeyboardInterrupt, SystemExit)
"""What would end the session, or the program, if a plugin could raise it."""

Method = Callable[..., Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A change, and who asked for it."""

    plugin: Plugin
    change: Change


class Pipeline:
    """The plugins of one listener, by the stages at which they act."""

    log: ClassVar[Logger] = Logger()

    def __init__(self, plugins: Sequence[Plugin], clock: IReactorTime) -> None:
        self._clock = clock
        self._stages: dict[type[Interface], list[tuple[Plugin, str, Method]]] = {}
        for plugin in plugins:
            for stage in stages_of(plugin.acts):
                (method,) = stage.names()
                self._stages.setdefault(stage, []).append((plugin, method, getattr(plugin.acts, method)))

    def asks(self, stage: type[Interface]) -> bool:
        """Return whether anybody is asked at a stage; where nobody is, it costs no more than this."""
        return stage in self._stages

    async def refusal(self, stage: type[Interface], *values: object) -> Reply | None:
        """Ask at a stage; return the first refusal, or None when nobody refuses.

        Args:
            stage: its interface.
            values: what its method is told.
        """
        for plugin, method, ask in self._stages.get(stage, ()):
            answer = await self._answer(stage, plugin, method, ask, values)
            if isinstance(answer, Reply):
                return None if answer.accepts else self._refused(plugin, method, answer)
        return None

    async def judgement(self, stage: type[Interface], *values: object) -> tuple[Reply | None, Sequence[Asked]]:
        """Ask at a stage whose plugins may change something; return the refusal, and the changes.

        All are told what came: no plugin sees another's changes.
        """
        asked: list[Asked] = []
        for plugin, method, ask in self._stages.get(stage, ()):
            answer = await self._answer(stage, plugin, method, ask, values)
            if isinstance(answer, Reply):
                return (None, asked) if answer.accepts else (self._refused(plugin, method, answer), ())
            asked += [Asked(plugin, change) for change in answer or ()]
        return None, asked

    async def tell(self, stage: type[Interface], *values: object) -> None:
        """Tell those who take note of something; what they return is nobody's business."""
        for plugin, method, ask in self._stages.get(stage, ()):
            await self._answer(stage, plugin, method, ask, values)

    def _refused(self, plugin: Plugin, method: str, reply: Reply) -> Reply:
        self.log.info(
            "plugin {plugin} refuses at {stage}: {reply}", event="plugin.refused", plugin=plugin.name, stage=method,
            reply=reply,
        )  # fmt: skip
        return reply

    async def _answer(
        self, stage: type[Interface], plugin: Plugin, method: str, ask: Method, values: Sequence[object]
    ) -> Reply | Changes | None:
        """Return what a plugin answers; instead of a failure what the site file says of it."""
        plugin.calls[method] += 1
        try:
            coroutine = ask(*values)
            ended, found = _begin(coroutine)
            answer: Reply | Changes | None = (
                found if ended else await in_time(self._clock, plugin.timeout, _rest(coroutine, found))
            )
            if fits(stage, answer):
                return answer
            raise TypeError(f"{method} returned {answer!r:.100}")  # noqa: TRY301 - counted as any other failure
        except Cancelled:
            raise  # of the session: a plugin's own is none, see `in_time`
        except MailError as error:
            expected = _is_refusal(error.reply)
            if expected and not plugin.abstains:
                return error.reply  # what it raised, or a pool that was full
            self._note_failure(plugin, method, error.reply if expected else None)
        except Exception:  # noqa: BLE001 - a plugin may raise anything
            self._note_failure(plugin, method)
        return None if plugin.abstains else BROKEN

    def _note_failure(self, plugin: Plugin, method: str, reply: Reply | None = None) -> None:
        """Count a failure; log it with all details, but not each of many.

        Args:
            plugin: whose it is.
            method: what was asked.
            reply: what was raised, where it says all there is to say, such as a daemon that doesn't answer.
        """
        plugin.failures += 1
        now = self._clock.seconds()
        if now - plugin.logged_at < LOG_EVERY:
            return
        plugin.logged_at = now
        facts: dict[str, Any] = {"plugin": plugin.name, "stage": method, "count": plugin.failures}
        if reply is None:
            self.log.failure("plugin {plugin} failed at {stage}, {count} times by now", event="plugin.failed", **facts)
        else:
            self.log.warn(
                "plugin {plugin} had no answer at {stage}, {count} times by now: {reply}",
                event="plugin.failed",
                reply=reply,
                **facts,
            )


async def in_time(clock: IReactorTime, seconds: float, coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what a plugin's coroutine returns; one that takes too long is cancelled, and not waited for.

    Raises:
        TimeoutError: it took too long.
        Cancelled: whoever waits was cancelled, and so was it.
        Exception: what it raised; what would end more than this call becomes a RuntimeError.
    """
    task = Task("plugin", coroutine)
    if not task.done and not await _ends(task, clock, seconds):
        task.cancel()
        raise TimeoutError(f"it took more than {seconds:g} seconds")
    try:
        return await task  # it has ended, so nobody is waited for
    except _ENDS_MORE as error:
        raise RuntimeError(f"it raised {type(error).__name__}") from error


async def _ends(task: Task[Any], clock: IReactorTime, seconds: float) -> bool:
    """Return whether a task ends in time; it is cancelled if whoever waits is."""
    ended: Promise[bool] = Promise()
    timer = clock.callLater(seconds, ended.resolve, False)
    task.when_done(lambda _: None if ended.done else ended.resolve(True))
    try:
        return await ended
    except BaseException:
        task.cancel()
        raise
    finally:
        if timer.active():
            timer.cancel()


def _begin(coroutine: Coroutine[Any, Any, Any]) -> tuple[bool, Any]:
    """Run a plugin's coroutine until it waits; return whether it has ended, and its answer or what it waits for.

    Most never wait: they need neither a task nor a timer.
    """
    try:
        return False, coroutine.send(None)
    except StopIteration as end:
        return True, end.value
    except _ENDS_MORE as error:
        raise RuntimeError(f"it raised {type(error).__name__}") from error


async def _rest(coroutine: Coroutine[Any, Any, T], awaited: Deferred[Any]) -> T:
    return await Begun(coroutine, awaited)


def _is_refusal(reply: object) -> bool:
    return isinstance(reply, Reply) and reply.code in range(400, 600)


def fits(stage: type[Interface], answer: object) -> bool:
    """Return whether a plugin may answer so at a stage; those who only take note may answer anything."""
    if answer is None:
        return True
    if stage is IMessagePolicy and isinstance(answer, tuple):
        return all(map(is_sound, answer))
    return _is_refusal(answer) or (isinstance(answer, Reply) and answer.accepts) or stage in OBSERVERS
