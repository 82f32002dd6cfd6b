"""How far a long command is: a bar on a screen, lines elsewhere; both on the error output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_EVERY = 10_000
_OCTETS_EVERY = 1024**3


class Bar(Protocol):
    """What shows how far a command is."""

    def begin(self, name: str, total: int, unit: str = "messages") -> None:
        """Begin a part of the work.

        Args:
            name: what it is about.
            total: how many steps it takes.
            unit: what is counted.
        """

    def advance(self, steps: int) -> None:
        """Note that steps are done."""


@contextmanager
def progress() -> Iterator[Bar]:
    """Show how far a command is, as long as the context lasts."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console  # noqa: PLC0415 - only a screen needs it
    from rich.progress import Progress  # noqa: PLC0415 - see above

    with Progress(*Progress.get_default_columns(), console=Console(stderr=True)) as shown:
        yield _OnScreen(shown)


class _OnScreen:
    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._part: TaskID | None = None

    def begin(self, name: str, total: int, unit: str = "messages") -> None:  # noqa: ARG002 - as `Bar` has it
        from rich.markup import escape  # noqa: PLC0415 - see above

        self._part = self._shown.add_task(escape(name), total=total)

    def advance(self, steps: int) -> None:
        if self._part is not None:
            self._shown.advance(self._part, steps)


class _Lines:
    """Says what begins, and how far it is from time to time."""

    def __init__(self) -> None:
        self._name, self._total, self._done, self._every = "", 0, 0, _EVERY

    def begin(self, name: str, total: int, unit: str = "messages") -> None:
        self._name, self._total, self._done = name, total, 0
        self._every = _OCTETS_EVERY if unit == "octets" else _EVERY
        click.echo(f"{name}: {total} {unit}", err=True)

    def advance(self, steps: int) -> None:
        before, self._done = self._done, self._done + steps
        if before // self._every < self._done // self._every:
            click.echo(f"{self._name}: {self._done} of {self._total}", err=True)
