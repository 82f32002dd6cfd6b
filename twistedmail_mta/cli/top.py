"""`mta top`: how the server does, as long as somebody looks."""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import suppress
from typing import Final

import click

from twistedmail_mta.cli.queue_selection import read_by
from twistedmail_mta.cli.site import Invocation, json_text, pass_invocation, print_json
from twistedmail_mta.cli.top_picture import Photographer, Picture
from twistedmail_mta.config.units import parse_duration
from twistedmail_mta.errors import TemporaryError

SHORTEST: Final = 0.2
"""Seconds; to look more often would be work for nothing."""
_PIPE_WIDTH: Final = 200
_ROWS: Final = 15


def _interval(text: str) -> float:
    seconds = parse_duration(text)
    if seconds < SHORTEST:
        raise ValueError(f"must be {SHORTEST:g}s or more")
    return seconds


@click.command()
@click.option("--once", is_flag=True, help="Print one picture and end; so it is where nobody looks.")
@click.option("--interval", metavar="DURATION", callback=read_by(_interval), help="From one picture to the next  [2s]")
@pass_invocation
def top(invocation: Invocation, interval: float | None, *, once: bool) -> None:
    """Watch the server: sessions, rates, the queue, lanes, reasons, senders.

    Keys: q quits, s goes to the next pane, p pauses, arrows and page keys
    scroll.  With --json one picture is printed, with --interval one on each
    line.  Where no server runs, the queue is shown as its database has it.
    """
    photographer = Photographer(invocation.state_dir())
    if invocation.as_json and interval is not None and not once:
        _print_lines(photographer, interval)
    elif invocation.as_json:
        print_json(photographer.take().as_json())
    elif once or not (sys.stdin.isatty() and sys.stdout.isatty()):
        _print(photographer.take())
    else:
        _watch(photographer, 2.0 if interval is None else interval)


def _print_lines(photographer: Photographer, interval: float) -> None:
    """Print a picture on each line until nobody wants more; none while the database is too busy for the first."""
    try:
        while True:
            with suppress(TemporaryError):
                click.echo(json_text(photographer.take().as_json()))
            time.sleep(interval)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # whoever read has enough; what is left can't be written when Python ends, either
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), sys.stdout.fileno())


def _print(picture: Picture) -> None:
    from rich.console import Console  # noqa: PLC0415 - only this needs it

    from twistedmail_mta.cli.top_screen import plain  # noqa: PLC0415 - likewise

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPE_WIDTH
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    for line in plain(picture, width, _ROWS):
        console.print(line, no_wrap=True, overflow="ellipsis", crop=False)


def _watch(photographer: Photographer, interval: float) -> None:
    from twistedmail_mta.cli.top_live import watch  # noqa: PLC0415 - only this needs it

    if os.environ.get("TERM", "dumb") in {"dumb", "unknown"}:
        raise click.UsageError("this terminal can't move its cursor; --once prints a picture of the server.")
    with suppress(KeyboardInterrupt):
        watch(photographer.take, interval)
