"""`mta upgrade`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from twistedmail_mta.cli.progress import progress
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json
from twistedmail_mta.cli.stopped import stopped
from twistedmail_mta.history import tables
from twistedmail_mta.keeping.backing_up import TRYING
from twistedmail_mta.store.files import DATABASE_NAME, DatabaseFiles
from twistedmail_mta.store.schema import Migration, shipped_migrations
from twistedmail_mta.store.upgrading import Step, Upgrade, outlook, rehearsal
from twistedmail_mta.store.upgrading import upgrade as apply_upgrade

Databases = Mapping[str, Sequence[Migration]]
_FAILED: Final = "It isn't sound afterwards: "


@click.command()
@click.option("--dry-run", is_flag=True, help="Try it on a copy, see how long it takes, and change nothing.")
@pass_invocation
def upgrade(invocation: Invocation, *, dry_run: bool) -> None:
    """Bring the databases to the schema of this release.

    A server does that by itself when it starts.  With --dry-run it is tried
    before, on copies beside the databases, also while a server of an older
    release runs; that there is room for them is looked at.

    Exit status 1: a database is of a newer release, or can't be brought there.
    """
    site = invocation.chosen_site().site
    state_dir = invocation.state_dir()
    databases = {DATABASE_NAME: shipped_migrations(), tables.NAME: tables.MIGRATIONS}
    found = {name: outlook(state_dir / name, migrations) for name, migrations in databases.items()}
    wanted = [name for name, each in found.items() if each.steps]
    if dry_run:
        found |= _rehearsed(state_dir, {name: databases[name] for name in wanted})
    elif wanted:
        with stopped(state_dir, "a server of an older release runs; stop it, or try with --dry-run"):
            found |= {name: _upgraded(state_dir / name, databases[name], found[name]) for name in wanted}
    _tell(invocation, site.config_version, found, dry_run=dry_run)
    if any(each.faults for each in found.values()):
        raise click.exceptions.Exit(1)


def _rehearsed(state_dir: Path, databases: Databases) -> dict[str, Upgrade]:
    found = {}
    with _room_beside(state_dir) as folder, progress() as bar:
        for name, migrations in databases.items():
            bar.begin(f"a copy of {name}", (state_dir / name).stat().st_size, "octets")
            found[name] = rehearsal(state_dir / name, migrations, folder / name, bar.advance)
    return found


@contextmanager
def _room_beside(state_dir: Path) -> Iterator[Path]:
    """Make a directory for copies, and remove it, and what such a command that was killed has left."""
    for path in state_dir.glob(f"{TRYING}*"):
        shutil.rmtree(path, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=TRYING, dir=state_dir))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _upgraded(path: Path, migrations: Sequence[Migration], before: Upgrade) -> Upgrade:
    files = DatabaseFiles(path)
    steps: tuple[Step, ...]
    if path.name == DATABASE_NAME:
        lock = files.lock()
        with lock:
            steps = apply_upgrade(path, migrations)
        lock.close()
    else:
        steps = apply_upgrade(path, migrations)
    return Upgrade(before.version, before.newest, before.octets, steps)


def _tell(invocation: Invocation, config_version: int, found: Mapping[str, Upgrade], *, dry_run: bool) -> None:
    if invocation.as_json:
        databases = {name: asdict(each) for name, each in found.items()}
        print_json({"config_version": config_version, "dry_run": dry_run, "databases": databases})
        return
    click.echo(f"site file: config_version {config_version}, the newest.")
    for name, each in found.items():
        _tell_of(name, each, dry_run=dry_run)


def _tell_of(name: str, each: Upgrade, *, dry_run: bool) -> None:
    if not each.version:
        click.echo(f"{name}: there is none yet; it begins with schema version {each.newest}.")
        return
    if not each.steps:
        click.echo(f"{name}: schema version {each.version}, the newest.")
        return
    verb = "would be" if dry_run else "was"
    click.echo(f"{name}: schema version {each.version} {verb} brought to {each.newest}:")
    for step in each.steps:
        click.echo(f"  {step.name}: {step.seconds:.1f} s")
    for fault in each.faults:
        click.echo(_FAILED + fault, err=True)
    if dry_run and not each.faults:
        click.echo(f"  Tried on a copy of {each.octets} octets: all of it went well.")
