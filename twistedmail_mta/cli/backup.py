"""`mta backup`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from twistedmail_mta.cli.errors import in_words
from twistedmail_mta.cli.priority import behind_the_server
from twistedmail_mta.cli.progress import progress
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_table, printable
from twistedmail_mta.config.units import format_size
from twistedmail_mta.keeping.backing_up import BackingUp, Made, Subject
from twistedmail_mta.keeping.layout import Backup, names, read_backup
from twistedmail_mta.keeping.pruning import prune
from twistedmail_mta.keeping.site_files import site_files
from twistedmail_mta.keeping.sums import DamagedError
from twistedmail_mta.keeping.target import Target, TargetBusy
from twistedmail_mta.store.files import DATABASE_NAME


@click.command()
@click.argument("directory", metavar="DIRECTORY", type=click.Path(file_okay=False, path_type=Path))
@click.option("--keep", metavar="NUMBER", type=click.IntRange(1), help="Remove older ones, when this one is complete.")
@click.option("--history", is_flag=True, help="What `mta trace` knows, too.")
@click.option("--reread", is_flag=True, help="Read what is there of earlier ones, and mend it.")
@click.option("--list", "lists", is_flag=True, help="List the backups there, and make none.")
@pass_invocation
def backup(  # noqa: PLR0913 - one for each option
    invocation: Invocation, directory: Path, keep: int | None, *, history: bool, reread: bool, lists: bool
) -> None:
    """Keep a copy of the site in a directory, beside those that are there.

    The server may run: the copy is its state at one moment, and mail goes on.
    Bodies that are files are copied once, whichever backups have them.

    Exit status 1: something is missing in it, or the database isn't sound;
    then no older one is removed.
    """
    directory = directory.absolute()
    if lists:
        _list(invocation, directory)
        return
    made = _made(invocation, directory, history=history, reread=reread)
    removed, kept_back = _pruned(invocation, directory, keep) if keep is not None and made.is_complete else ([], None)
    _tell(invocation, made, removed, kept_back)
    if kept_back is not None or not made.is_complete:
        raise click.exceptions.Exit(1)


def _pruned(invocation: Invocation, directory: Path, keep: int) -> tuple[list[str], str | None]:
    """Remove older backups; return which, or why none was."""
    _, access = invocation.state_dir_for_now()
    try:
        return prune(Target(directory, access), keep), None
    except (DamagedError, TargetBusy, OSError) as error:
        return [], in_words(error) or str(error)


def _made(invocation: Invocation, directory: Path, *, history: bool, reread: bool) -> Made:
    chosen = invocation.chosen_site()
    state_dir, access = invocation.state_dir_for_now()
    if not (state_dir / DATABASE_NAME).exists():
        raise click.ClickException(f"there is nothing to keep yet: no {state_dir / DATABASE_NAME}")
    if directory.is_relative_to(state_dir.absolute()):
        raise click.UsageError("The directory of backups can't be in the state directory.")
    subject = Subject(state_dir, chosen.source, site_files(chosen.site, chosen.source), history)
    with behind_the_server(), progress() as bar:
        return BackingUp(subject, directory, access, bar, reread=reread).run()


def _tell(invocation: Invocation, made: Made, removed: list[str], kept_back: str | None) -> None:
    if kept_back is not None:
        click.echo(f"No older backup was removed: {printable(kept_back)}", err=True)
    if invocation.as_json:
        print_json(asdict(made) | {"path": str(made.path), "complete": made.is_complete, "removed": removed})
        return
    click.echo(
        f"{made.path}: {format_size(made.octets)}, of which {format_size(made.octets_copied)} were copied now; "
        f"{made.copied + made.known} large bodies, {made.known} of them from earlier backups."
    )
    for each in made.faults:
        click.echo(f"The database isn't sound: {printable(each)}", err=True)
    for each in made.left_out:
        click.echo(f"Left out: {printable(each)}", err=True)
    if made.left_out_count > len(made.left_out):
        click.echo(f"and {made.left_out_count - len(made.left_out)} more", err=True)
    if removed:
        click.echo(f"Removed: {', '.join(removed)}.")


def _list(invocation: Invocation, directory: Path) -> None:
    found = [_described(directory / name) for name in names(directory)]
    if invocation.as_json:
        print_json(found)
        return
    columns = ("Backup", ">Octets", ">Large bodies", "Release", "State")
    rows = [(each["name"], str(each["octets"]), str(each["bodies"]), each["release"], each["state"]) for each in found]
    print_table(columns, rows, f"There is no backup in {directory}.")


def _described(path: Path) -> dict[str, Any]:
    try:
        manifest = read_backup(path).manifest
    except DamagedError:
        return {"name": path.name, "octets": 0, "bodies": 0, "release": "", "made_at": None, "state": "damaged"}
    return {
        "name": path.name,
        "octets": manifest.octets,
        "bodies": manifest.bodies,
        "release": manifest.release,
        "made_at": manifest.made_at,
        "state": _state(Backup(path, manifest)),
    }


def _state(found: Backup) -> str:
    if not found.manifest.sound:
        return "the database wasn't sound"
    return "something was left out" if found.manifest.left_out else "complete"
