"""Asks plugins, in their order, within a time each; whatever one does wrong concerns nobody but itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import Interface

from twistedmail_mta.errors import MailError
from twistedmail_mta.model import Reply
from twistedmail_mta.stages import Change, Changes, is_sound, stages_of
from twistedmail_mta.tasks import Cancelled, Promise, Task

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


Method = Callable[..., Awaitable[Any]]


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
            answer = await self._answer(plugin, method, ask, values)
            if isinstance(answer, Reply):
                return None if answer.accepts else self._refused(plugin, method, answer)
        return None

    async def judgement(self, stage: type[Interface], *values: object) -> tuple[Reply | None, Sequence[Asked]]:
        """Ask at a stage whose plugins may change something; return the refusal, and the changes.

        All are told what came: no plugin sees another's changes.
        """
        asked: list[Asked] = []
        for plugin, method, ask in self._stages.get(stage, ()):
            answer = await self._answer(plugin, method, ask, values)
            if isinstance(answer, Reply):
                return (None, asked) if answer.accepts else (self._refused(plugin, method, answer), ())
            asked += [Asked(plugin, change) for change in answer or ()]
        return None, asked

    async def tell(self, stage: type[Interface], *values: object) -> None:
        """Tell those who take note of something; what they return is nobody's business."""
        for plugin, method, ask in self._stages.get(stage, ()):
            await self._answer(plugin, method, ask, values)

    def _refused(self, plugin: Plugin, method: str, reply: Reply) -> Reply:
        self.log.info(
            "plugin {plugin} refuses at {stage}: {reply}", event="plugin.refused", plugin=plugin.name, stage=method,
            reply=reply,
        )  # fmt: skip
        return reply

    async def _answer(
        self, plugin: Plugin, method: str, ask: Method, values: Sequence[object]
    ) -> Reply | Changes | None:
        """Return what a plugin answers; instead of a failure what the site file says of it."""
        plugin.calls[method] += 1
        try:
            answer: Reply | Changes | None = await self._in_time(plugin.timeout, _started(ask, values))
            if _is_answer(answer):
                return answer
            raise TypeError(f"{method} returned {answer!r:.100}")  # noqa: TRY301 - counted as any other failure
        except Cancelled:
            raise
        except MailError as error:  # meant as a refusal, such as that of a pool which is full
            return None if plugin.abstains else error.reply
        except Exception:  # noqa: BLE001 - a plugin may raise anything
            self._note_failure(plugin, method)
            return None if plugin.abstains else BROKEN

    async def _in_time(self, seconds: float, coroutine: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - as above
        """Return what a coroutine returns; one that takes too long is cancelled, and not waited for.

        Raises:
            TimeoutError: it took too long.
        """
        task = Task("plugin", coroutine)
        if task.done:
            return await task
        ended: Promise[bool] = Promise()
        timer = self._clock.callLater(seconds, ended.resolve, False)
        task.when_done(lambda _: None if ended.done else ended.resolve(True))
        try:
            in_time = await ended
        except BaseException:
            task.cancel()
            raise
        finally:
            if timer.active():
                timer.cancel()
        if in_time:
            return await task
        task.cancel()
        raise TimeoutError(f"it took more than {seconds:g} seconds")

    def _note_failure(self, plugin: Plugin, method: str) -> None:
        """Count a failure; log it with all details, but not each of many."""
        plugin.failures += 1
        now = self._clock.seconds()
        if now - plugin.logged_at >= LOG_EVERY:
            plugin.logged_at = now
            self.log.failure(
                "plugin {plugin} failed at {stage}, {count} times by now",
                event="plugin.failed",
                plugin=plugin.name,
                stage=method,
                count=plugin.failures,
            )


async def _started(ask: Method, values: Sequence[object]) -> Any:  # noqa: ANN401 - a plugin may return anything
    return await ask(*values)


def _is_answer(answer: object) -> bool:
    """Return whether a plugin may answer so: a refusal, a reply of 2xx, changes, or nothing."""
    if isinstance(answer, Reply):
        return answer.code // 100 in {2, 4, 5}
    return answer is None or (isinstance(answer, tuple) and all(map(is_sound, answer)))
