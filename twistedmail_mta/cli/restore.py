"""`mta restore`."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click
from twisted.internet.interfaces import IReactorTime

from twistedmail_mta.cli.offline import ImmediateDatabase, WallClock, body_store, finished
from twistedmail_mta.cli.progress import progress
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, printable
from twistedmail_mta.cli.stopped import stopped
from twistedmail_mta.keeping.layout import SITE, Backup, names, read_backup
from twistedmail_mta.keeping.restoring import NotEmptyError, Restoring, examine, occupants
from twistedmail_mta.spool.control import QueueControl
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.spool.owners import end_all
from twistedmail_mta.spool.tenure import boot_name
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.owner import Access
from twistedmail_mta.store.sync import SyncDatabase


@click.command()
@click.argument("directory", metavar="DIRECTORY", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--backup", "name", metavar="NAME", help="Which; the latest if it isn't said.")
@click.option("--force", is_flag=True, help="Also if there is something: it is moved aside, into before-TIME.")
@click.option(
    "--hold-queue/--send-queue",
    default=True,
    show_default=True,
    help="Whether queued mail waits for `mta queue release`.",
)
@click.option("--dry-run", is_flag=True, help="Read all of the backup, say what would be done, and do nothing.")
@pass_invocation
def restore(  # noqa: PLR0913 - one for each option
    invocation: Invocation, directory: Path, name: str | None, *, force: bool, hold_queue: bool, dry_run: bool
) -> None:
    """Bring a backup back into the state directory, which has to be empty.

    First all of it is read and compared with its hashes.  The server must not
    run.  What was in the queue then may have been delivered since, so it is
    put on hold: look at `mta queue list`, and let it go with `mta queue release`.

    The site file, and what it names, is in the backup's directory `site`; it
    isn't put anywhere.
    """
    state_dir, access = invocation.state_dir_for_now()
    with access():
        backup = _chosen(directory.absolute(), name)
    if dry_run:
        _tell(invocation, _rehearsed(backup, state_dir, access))
        return
    with stopped(state_dir, "the server runs; stop it first"):
        done = _restored(backup, state_dir, access, _Queue(hold=hold_queue), force=force)
    _tell(invocation, done)


def _rehearsed(backup: Backup, state_dir: Path, access: Access) -> Done:
    with progress() as bar:
        files = examine(backup, access, bar)
    return Done(backup, files, state_dir, dry_run=True, there=occupants(state_dir))


def _restored(backup: Backup, state_dir: Path, access: Access, queue: _Queue, *, force: bool) -> Done:
    there = occupants(state_dir)
    if there and not force:
        raise NotEmptyError(f"{state_dir} isn't empty: it has {there[0]}; --force moves what is there aside")
    with progress() as bar:
        restoring = Restoring(backup, state_dir, access, bar)
        restoring.demand_room()
        files = examine(backup, access, bar)
        aside = restoring.run(queue.prepare, force=force)
    return Done(backup, files, state_dir, aside, queue.held, queue.waiting)


def _chosen(directory: Path, name: str | None) -> Backup:
    found = names(directory)
    if not found:
        raise click.ClickException(f"there is no backup in {directory}")
    if name is not None and name not in found:
        raise click.ClickException(f"there is no backup {name} in {directory}; there are {', '.join(found)}")
    return read_backup(directory / (name or found[-1]))


class _Queue:
    """What is done to the queue of a backup before it is a server's."""

    def __init__(self, *, hold: bool) -> None:
        self._hold = hold
        self.held = self.waiting = 0

    def prepare(self, state: Path) -> None:
        """End the claims of whoever had it, and hold what waits if that is wanted."""
        with SyncDatabase(state / DATABASE_NAME) as database:
            database.write(end_all, urgent=True)
            clock = cast(IReactorTime, WallClock())
            bodies = body_store(state)
            control = QueueControl(ImmediateDatabase(database), bodies, clock, time.monotonic, boot_name())
            if self._hold:
                self.held = finished(control.change("hold", Selection()))
            self.waiting = finished(control.counts()).waiting


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, or would be.

    Attributes:
        backup: which backup.
        files: how many files were compared with their hashes.
        state_dir: where it was brought.
        aside: where went what was there.
        held: recipients that were put on hold.
        waiting: recipients that the server will try.
        dry_run: nothing was done.
        there: what is in the state directory.
    """

    backup: Backup
    files: int
    state_dir: Path
    aside: Path | None = None
    held: int = 0
    waiting: int = 0
    dry_run: bool = False
    there: list[str] | tuple[str, ...] = ()


def _tell(invocation: Invocation, done: Done) -> None:
    manifest = done.backup.manifest
    if invocation.as_json:
        print_json(
            {
                "backup": str(done.backup.path),
                "made_at": manifest.made_at,
                "files": done.files,
                "state_dir": str(done.state_dir),
                "dry_run": done.dry_run,
                "aside": None if done.aside is None else str(done.aside),
                "held": done.held,
                "waiting": done.waiting,
                "left_out": list(manifest.left_out),
                "there": list(done.there),
            }
        )
        return
    click.echo(f"{done.backup.path}: all {done.files} files are as they were written.")
    for each in manifest.left_out:
        click.echo(f"It lacks {printable(each)}", err=True)
    if done.dry_run:
        there = (
            f"; what is there ({', '.join(done.there[:5])}) would have to go aside, with --force" if done.there else ""
        )
        click.echo(f"It would be brought into {done.state_dir}{there}.")
        return
    click.echo(f"The state of {done.backup.path.name} is in {done.state_dir}.")
    if done.aside is not None:
        click.echo(f"What was there before is in {done.aside}.")
    if done.held:
        click.echo(f"On hold: {done.held} recipients in the queue, which may have had their mail since: mta queue list")
    if done.waiting:
        click.echo(
            f"Warning: {done.waiting} recipients in the queue will be tried, also if they had it since.", err=True
        )
    site = done.backup.path / SITE
    if os.path.isdir(site):  # noqa: PTH112 - whether root alone may look doesn't matter
        click.echo(f"The files of the site are in {site}.")
