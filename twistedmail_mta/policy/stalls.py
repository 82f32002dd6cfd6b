"""Notices when the reactor's thread is kept busy, and breaks off the plugin that does it.

Coroutines share one thread: a plugin that computes for long, or waits without
`await`, holds up everybody.  The reactor winds up an alarm again and again;
when it doesn't come to that, the alarm goes off in whatever it is busy with.
"""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType
from typing import Any, ClassVar, Final

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from twistedmail_mta.pipeline import ASKING
from twistedmail_mta.plugin_record import Plugin
from twistedmail_mta.tasks import Stalled

PATIENCE: Final = 1.0
"""Seconds that the reactor may be busy with one thing; until an alarm it takes up to half as much more."""

AGAIN: Final = 0.1
"""Seconds between two alarms, from the first one on."""

CERTAIN: Final = 4
"""Alarms in a row that have to find the same call of a plugin.

The first may find one that has just begun, behind something else that took
long, or a process that the machine didn't let run.
"""

SHOWN: Final = 4
"""Innermost places that are logged of a stall that is no plugin's."""


class StallWatch(Service):
    """Looks after the reactor of this process, which runs in the main thread: only there signals interrupt anything."""

    log: ClassVar[Logger] = Logger()

    def __init__(
        self, reactor: IReactorTime, plugins: Callable[[], Iterable[Plugin]], patience: float = PATIENCE
    ) -> None:
        """Prepare to look after a reactor.

        Args:
            reactor: whose thread it is about.
            plugins: returns those that run.
            patience: seconds that it may be busy with one thing.
        """
        self._reactor = reactor
        self._plugins = plugins
        self._patience = patience
        self._wound_at = 0.0
        self._winding: IDelayedCall | None = None
        self._before: Any = signal.SIG_DFL
        self._places = ""
        self._suspect: FrameType | None = None
        self._found = 0

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Begin to look."""
        super().startService()
        self._before = signal.signal(signal.SIGALRM, self._alarm)
        self._wound_at = self._reactor.seconds()
        self._wind()

    def stopService(self) -> None:  # noqa: N802 - Twisted's name
        """Look no more."""
        super().stopService()
        if self._winding is not None:
            self._winding.cancel()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)

    def _wind(self) -> None:
        """Put the alarm off; the reactor comes here unless it is kept from it."""
        step = self._patience / 2
        self._winding = self._reactor.callLater(step, self._wind)
        signal.setitimer(signal.ITIMER_REAL, self._patience + step, min(AGAIN, self._patience))
        self._suspect, self._found = None, 0
        now = self._reactor.seconds()
        if self._places:
            self._tell(now - self._wound_at)
        self._wound_at = now

    def _alarm(self, _: int, frame: FrameType | None) -> None:
        """Raise `Stalled` in a plugin's code, whatever it does.

        What isn't the plugin's own is let end: it is short, and might be left half done.
        """
        if frame is None:
            return
        found = plugin_at(frame, self._plugins())
        if found is None:
            self._suspect, self._found = None, 0
            self._places = self._places or "".join(traceback.format_stack(frame)[-SHOWN:])
            return
        call = found[1]
        self._found = self._found + 1 if call is self._suspect else 1
        self._suspect = call
        if self._found >= CERTAIN and not _is_ours(frame):
            raise Stalled(f"it kept the whole server from working for {self._patience:g} seconds")

    def _tell(self, seconds: float) -> None:
        places, self._places = self._places, ""
        self.log.warn(
            "nothing else was done for {seconds:.1f} s, when it was here:\n{places}",
            event="reactor.stalled",
            seconds=seconds,
            places=places,
        )


def plugin_at(frame: FrameType, plugins: Iterable[Plugin]) -> tuple[Plugin, FrameType] | None:
    """Return whose code is running, and the frame in which it was called; None if it is no plugin's.

    Args:
        frame: the innermost one.
        plugins: all of them.
    """
    by_module = {type(plugin.acts).__module__: plugin for plugin in plugins}
    likely: tuple[Plugin, FrameType] | None = None
    for each in _outwards(frame):
        question = each.f_locals.get("question") if _asks(each.f_code) else None
        if question is not None:
            return question.plugin, each
        plugin = by_module.get(each.f_globals.get("__name__", ""))
        if plugin is not None:
            likely = (plugin, each)
    return likely


def _outwards(frame: FrameType) -> Iterator[FrameType]:
    while True:
        yield frame
        if frame.f_back is None:
            return
        frame = frame.f_back


def _asks(code: CodeType) -> bool:
    return code in ASKING


def _is_ours(frame: FrameType) -> bool:
    """Whether the innermost code is the server's own or Twisted's."""
    package, _, rest = frame.f_globals.get("__name__", "").partition(".")
    return package == "twisted" or (package == "twistedmail_mta" and not rest.startswith("policy."))
