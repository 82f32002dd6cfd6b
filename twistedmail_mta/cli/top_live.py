"""`mta top` on a terminal: pictures come from a thread, keys from who looks at them."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import Final

from rich.console import Console, ConsoleDimensions, Group
from rich.live import Live

from twistedmail_mta.cli.top_keys import Keys
from twistedmail_mta.cli.top_picture import Picture
from twistedmail_mta.cli.top_screen import Screen, View, screen_of
from twistedmail_mta.errors import TemporaryError

LOOKING: Final = "Looking at the server and its queue; q quits."
"""What is shown before the first picture, which takes seconds where very much waits."""
GLANCE: Final = 0.2
"""Seconds between two looks for a new picture or another size of the screen; keys are heard at once."""


class Pictures:
    """Takes pictures on a thread, so that keys are heard however long one takes."""

    def __init__(self, take: Callable[[], Picture], interval: float) -> None:
        """Prepare.

        Args:
            take: takes a picture; blocks.
            interval: seconds from one to the next.
        """
        self._take = take
        self._interval = interval
        self._stopped = Event()
        self._thread = Thread(target=self._work, name="top", daemon=True)
        self.last: Picture | None = None
        self.failure: Exception | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more; one that is being taken is left alone."""
        self._stopped.set()

    def _work(self) -> None:
        try:
            while not self._stopped.is_set():
                with suppress(TemporaryError):  # the database is busy: another time
                    self.last = self._take()
                self._stopped.wait(self._interval)
        except Exception as error:  # noqa: BLE001 - raised where somebody sees it
            self.failure = error


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is on the screen, and of what it was made."""

    picture: Picture
    view: View
    size: os.terminal_size
    screen: Screen


def watch(take: Callable[[], Picture], interval: float) -> None:
    """Show pictures until somebody quits.

    Args:
        take: takes a picture; blocks.
        interval: seconds from one to the next.

    Raises:
        Exception: what taking a picture raised; the terminal is as it was before.
    """
    pictures, keys, view = Pictures(take, interval), Keys(), View()
    picture: Picture | None = None
    shown: _Shown | None = None
    console = Console(highlight=False, markup=False, emoji=False)
    pictures.start()
    with _each_key(sys.stdin.fileno()), Live(LOOKING, console=console, screen=True, auto_refresh=False) as live:
        while not view.quitting:
            if pictures.failure is not None:
                pictures.stop()
                raise pictures.failure
            if picture is None or not view.paused:
                picture = pictures.last
            if picture is not None:
                shown = _show(live, console, picture, view, shown)
            for key in keys.receive(_typed(sys.stdin.fileno())):
                rows, page = (shown.screen.rows, shown.screen.page) if shown is not None else (0, 1)
                view = view.after(key, rows, page)
    pictures.stop()


def _show(live: Live, console: Console, picture: Picture, view: View, shown: _Shown | None) -> _Shown:
    """Draw what isn't on the screen yet."""
    size = os.get_terminal_size(sys.stdout.fileno())
    if shown is not None and shown.picture is picture and (shown.view, shown.size) == (view, size):
        return shown
    console.size = ConsoleDimensions(size.columns, size.lines)  # whatever COLUMNS and LINES say that it once was
    screen = screen_of(picture, view, size.columns, size.lines)
    live.update(Group(*screen.lines), refresh=True)
    return _Shown(picture, view, size, screen)


def _typed(terminal: int) -> bytes:
    """Return what was typed, or nothing after a moment; the end of the input is that of the wish to see more."""
    readable, _, _ = select.select([terminal], [], [], GLANCE)
    return (os.read(terminal, 1024) or b"q") if readable else b""


@contextmanager
def _each_key(terminal: int) -> Iterator[None]:
    """Have keys come one by one, and not shown; ^C stays what it is, and SIGTERM leaves the terminal as it was, too."""
    before = termios.tcgetattr(terminal)
    ended_by = signal.signal(signal.SIGTERM, _end)
    stopped_by = signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # ^Z would leave a shell on the other screen
    tty.setcbreak(terminal)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTERM, ended_by)
        signal.signal(signal.SIGTSTP, stopped_by)


def _end(signum: int, _: object) -> None:
    sys.exit(128 + signum)
