"""`mta diff`: what a reload, or a restart, would change."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json
from twistedmail_mta.config.changes import Difference, differences_in
from twistedmail_mta.config.in_use import InUse, in_use, read_in_use
from twistedmail_mta.config.load import read_site
from twistedmail_mta.config.problems import ConfigError
from twistedmail_mta.config.wording import NOTHING, as_written, kind_of
from twistedmail_mta.store.owner import act_as_owner_of

_UNUSABLE = 2


@dataclass(frozen=True, slots=True)
class Comparison:
    """What would change.

    Attributes:
        changes: keys that differ.
        begins: plugins that would be made, since they are new or not as they were.
        ends: those that would end.
    """

    changes: Sequence[Difference]
    begins: Sequence[str]
    ends: Sequence[str]

    def __bool__(self) -> bool:
        return bool(self.changes or self.begins or self.ends)


class NothingToCompareError(click.ClickException):
    """No server has run with this state directory."""

    exit_code = _UNUSABLE

    def __init__(self, state_dir: Path) -> None:
        super().__init__(f"no server has been started with {state_dir} yet: there is nothing to compare with")


@click.command()
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_invocation
def diff(invocation: Invocation, file: Path | None) -> None:
    """Show what a reload would change: the site file beside what the server runs with.

    The latter is what a running server uses, and of a server that is
    stopped what it used last.  With FILE it is another site file, and no
    server matters.  Nothing is changed, and the code of new plugins isn't run
    by the server.

    Exit status 0: nothing would change; 1: something would; 2: the site file
    can't be used, or there is nothing to compare it with.
    """
    try:
        comparison = _compared(invocation, file)
    except ConfigError as error:
        _print_unusable(error, as_json=invocation.as_json)
        sys.exit(_UNUSABLE)
    if invocation.as_json:
        print_json({"usable": True, "problems": []} | _as_object(comparison))
    else:
        for line in _words(comparison):
            click.echo(line)
    sys.exit(1 if comparison else 0)


def _compared(invocation: Invocation, file: Path | None) -> Comparison:
    site = invocation.chosen_site().site
    new = in_use(site, "")
    if file is not None:
        return compare(in_use(read_site(file), ""), new)
    if site.server.state_dir.is_dir():
        act_as_owner_of(site.server.state_dir)
    old = read_in_use(site.server.state_dir)
    if old is None:
        raise NothingToCompareError(site.server.state_dir)
    return compare(old, new)


def compare(old: InUse, new: InUse) -> Comparison:
    """Compare two sites."""
    return Comparison(
        [each for each in differences_in(old.said, new.said) if not _is_new_key(each)],
        [name for name, digest in new.plugins.items() if old.plugins.get(name) != digest],
        [name for name, digest in old.plugins.items() if new.plugins.get(name) != digest],
    )


def _is_new_key(difference: Difference) -> bool:
    """Whether it is a key that the release before didn't know, and is as it is when it isn't set."""
    *table, key = difference.steps
    return difference.before is None and difference.after == kind_of(table).default(key)


def _words(comparison: Comparison) -> Iterator[str]:
    if not comparison:
        yield "Nothing would change."
    for heading, is_live in (("A reload changes", True), ("Only a restart changes", False)):
        lines = [_line(each) for each in comparison.changes if each.is_live == is_live]
        yield from [f"{heading}:", *lines] if lines else ()
    if comparison.begins:
        yield f"Plugins that begin: {', '.join(comparison.begins)}"
    if comparison.ends:
        yield f"Plugins that end with the sessions that run: {', '.join(comparison.ends)}"


def _line(difference: Difference) -> str:
    before, after = _values(difference)
    if before == NOTHING:
        return f"  + {difference.path} = {after}"
    if after == NOTHING:
        return f"  - {difference.path} = {before}"
    return f"  ~ {difference.path} = {before} -> {after}"


def _values(difference: Difference) -> tuple[str, str]:
    kind = kind_of(difference.steps)
    return as_written(difference.before, kind), as_written(difference.after, kind)


def _as_object(comparison: Comparison) -> dict[str, Any]:
    return {
        "changes": [
            {"path": each.path, "counts_after": "reload" if each.is_live else "restart"}
            | dict(zip(("before", "after"), _values(each), strict=True))
            for each in comparison.changes
        ],
        "begins": list(comparison.begins),
        "ends": list(comparison.ends),
    }


def _print_unusable(error: ConfigError, *, as_json: bool) -> None:
    if as_json:
        print_json({"usable": False, "problems": [{"path": each.path, "text": each.text} for each in error.problems]})
        return
    for each in error.problems:
        click.echo(f"error: {each}")
    click.echo("A reload would change nothing: this site file can't be used.")
