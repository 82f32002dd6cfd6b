"""What every command begins with: the site, its database, and how to print."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from twistedmail_mta.config.trial import ChosenSite
    from twistedmail_mta.store.owner import Access
    from twistedmail_mta.store.sync import SyncDatabase

P = ParamSpec("P")
T = TypeVar("T")

_COMMANDING: Final = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON may hold as it is, and a screen would obey or no stream could carry: C1, directions, half characters."""


@dataclass(slots=True)
class Invocation:
    """One call of the `mta` command.

    Attributes:
        config: what --config said.
        as_json: print JSON.
    """

    config: str | None
    as_json: bool

    def chosen_site(self) -> ChosenSite:
        """Find and read the site file.

        Raises:
            ConfigError: it can't be used.
        """
        from twistedmail_mta.config.trial import choose_site  # noqa: PLC0415 - `mta --help` doesn't wait for it

        return choose_site(self.config, os.environ, Path.cwd())

    def state_dir(self) -> Path:
        """Return the state directory of the site, acting as its owner from here on.

        It is made if need be, so that accounts can be added before the first
        start; but the trial site begins with its start.

        Raises:
            ClickException: no trial site was started here.
            PrivilegeError: it would belong to a user who doesn't exist.
            OSError: it can't be made.
        """
        from twistedmail_mta.store.owner import act_as_owner_of  # noqa: PLC0415 - `mta --help` doesn't wait for it

        path = self._made_state_dir()
        act_as_owner_of(path)
        return path

    def state_dir_for_now(self) -> tuple[Path, Access]:
        """Return the state directory as `state_dir`, and a context in which root may still open files of others.

        Raises:
            ClickException: no trial site was started here.
            PrivilegeError: it would belong to a user who doesn't exist.
            OSError: it can't be made.
        """
        from twistedmail_mta.store.owner import act_for_now_as_owner_of  # noqa: PLC0415 - see above

        path = self._made_state_dir()
        return path, act_for_now_as_owner_of(path)

    def _made_state_dir(self) -> Path:
        from twistedmail_mta.privileges import find_user  # noqa: PLC0415 - `mta --help` doesn't wait for it
        from twistedmail_mta.store.owner import make_state_directory  # noqa: PLC0415 - nor for this

        chosen = self.chosen_site()
        path = chosen.site.server.state_dir
        if chosen.is_trial and not path.is_dir():
            raise click.ClickException(f"there is no site file, and no trial site was started here: no {path}")
        user = chosen.site.server.user
        make_state_directory(path, user and find_user(user).name)
        return path

    @contextmanager
    def database(self) -> Iterator[SyncDatabase]:
        """Open the database of the site."""
        from twistedmail_mta.store.files import DATABASE_NAME  # noqa: PLC0415 - see above
        from twistedmail_mta.store.sync import SyncDatabase  # noqa: PLC0415 - see above

        with SyncDatabase(self.state_dir() / DATABASE_NAME) as database:
            yield database


def pass_invocation(function: Callable[Concatenate[Invocation, P], T]) -> Callable[P, T]:
    """Give a command its `Invocation` as the first argument, and the option --json."""

    def set_json(context: click.Context, _: click.Parameter, value: bool) -> None:
        context.find_object(Invocation).as_json |= value  # type: ignore[union-attr] # `mta` made it

    option = click.option("--json", is_flag=True, expose_value=False, callback=set_json, help="Print JSON.")
    return option(click.make_pass_decorator(Invocation)(function))


def print_json(value: object) -> None:
    """Print a value as JSON, indented for a screen."""
    click.echo(json_text(value, indent=2 if sys.stdout.isatty() else None))


def json_text(value: object, indent: int | None = None) -> str:
    """Return a value as JSON that people can read, and that commands no terminal."""
    return _COMMANDING.sub(_escaped, json.dumps(value, ensure_ascii=False, indent=indent))


def _escaped(letter: re.Match[str]) -> str:
    return f"\\u{ord(letter[0]):04x}"


def print_json_list(values: Iterable[object]) -> None:
    """Print values as one JSON array, each as soon as it comes."""
    separator = "["
    for value in values:
        click.echo(separator + json_text(value))
        separator = ","
    click.echo("]" if separator == "," else "[]")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """Print rows under headings; on a screen long texts are wrapped, elsewhere never.

    Args:
        columns: the headings; one that begins with ">" is aligned to the right.
        rows: the texts.
        empty: printed instead when there are no rows.
    """
    if not rows:
        click.echo(empty)
        return
    from rich.console import Console  # noqa: PLC0415 - only tables need it
    from rich.table import Table  # noqa: PLC0415 - see above
    from rich.text import Text  # noqa: PLC0415 - see above

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in columns:
        table.add_column(heading.lstrip(">"), justify="right" if heading.startswith(">") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(text)) for text in row))
    Console(width=None if sys.stdout.isatty() else 10_000).print(table)


def printable(text: str) -> str:
    """Return a text that came from a peer without what could command a terminal."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
