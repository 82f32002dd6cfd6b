"""Writes log events as lines, those of one turn of the reactor together."""

from __future__ import annotations

import re
from collections.abc import Callable
from threading import get_ident
from typing import Final, TextIO

from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.logger import ILogObserver, LogEvent, formatEventAsClassicLogText, formatTime
from zope.interface import implementer

_COMMANDS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What commands a terminal or turns its text around, or can't be written at all."""


class IReactorLines(IReactorTime, IReactorFromThreads):
    """What of the reactor the lines use."""


@implementer(ILogObserver)
class LineLog:
    """Writes lines, those that Twisted's own observer writes for a third of its work.

    That one makes the time anew for each line, looks at every field for a
    call, and writes each line by itself.  Here the lines of a turn leave when
    it ends; after `stop`, or before the reactor runs, each leaves at once.
    What could command a terminal doesn't: a plugin's words, or its traceback,
    may be those of a stranger's mail.
    """

    def __init__(self, stream: TextIO, reactor: IReactorLines, form: Callable[[LogEvent], str] | None = None) -> None:
        """Begin a log.

        Args:
            stream: where the lines go.
            reactor: in whose turns they are gathered, once `start` was called.
            form: makes the lines of an event; None: those of Twisted.
        """
        self._stream = stream
        self._reactor = reactor
        self._lines: list[str] = []
        self._line = form or TextForm()
        self._thread: int | None = None

    def __call__(self, event: LogEvent) -> None:
        """Write an event as a line, or gather it; on any thread."""
        line = self._line(event)
        if not line:
            return
        self._lines.append(line)
        if self._thread is None:
            self._write()
        elif self._thread != get_ident():
            self._reactor.callFromThread(self._write)
        elif len(self._lines) == 1:
            self._reactor.callLater(0, self._write)

    def start(self) -> None:
        """Gather lines from now on; called on the reactor's thread."""
        self._thread = get_ident()

    def stop(self) -> None:
        """Write what was gathered, and from now on everything at once."""
        self._thread = None
        self._write()

    def _write(self) -> None:
        count = len(self._lines)  # other threads may add more meanwhile
        lines = "".join(self._lines[:count])
        del self._lines[:count]
        try:
            self._stream.write(lines)
            self._stream.flush()
        except OSError:
            pass  # an error can't be told of either


class TextForm:
    """Makes the line that Twisted's own observer makes."""

    def __init__(self, *, stamped: bool = True) -> None:
        """Say how.

        Args:
            stamped: with the time; the journal has its own.
        """
        self._stamped = stamped
        self._second = -1
        self._stamp = ""

    def __call__(self, event: LogEvent) -> str:
        """Return an event as a line; empty if there is nothing to say."""
        text = _text(event)
        if text is None:
            line = formatEventAsClassicLogText(event) or ""
            return _harmless(line if self._stamped else line.partition(" ")[2])
        if not self._stamped:
            return _harmless(f"[{_system(event)}] {text}\n") if text else ""
        second = int(event["log_time"])
        if second != self._second:
            self._second, self._stamp = second, formatTime(second)
        return _harmless(f"{self._stamp} [{_system(event)}] {text}\n") if text else ""


def _text(event: LogEvent) -> str | None:
    """Return the text of an event; None for one that the usual means can't make, or that has a traceback."""
    form = event.get("log_format")
    if not isinstance(form, str) or "()" in form or "log_failure" in event:
        return None
    try:
        return form.format_map(event).replace("\n", "\n\t")
    except Exception:  # noqa: BLE001 - fields may be anything; Twisted says what is wrong with them
        return None


def _harmless(lines: str) -> str:
    return lines if lines[:-1].isprintable() else _COMMANDS.sub("\ufffd", lines)


def _system(event: LogEvent) -> str:
    system = event.get("log_system")
    if system is not None:
        return str(system)
    level = event.get("log_level")
    return f"{event.get('log_namespace', '-')}#{'-' if level is None else level.name}"
