"""`mta verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from twistedmail_mta.cli.priority import behind_the_server
from twistedmail_mta.cli.progress import progress
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, printable
from twistedmail_mta.cli.stopped import stopped
from twistedmail_mta.keeping.fault import Fault, Found
from twistedmail_mta.keeping.verifying import Verifying, repair
from twistedmail_mta.store.files import DATABASE_NAME

_SHOWN: Final = 100
"""Faults that are printed, not as JSON."""


@click.command()
@click.option("--quick", is_flag=True, help="Look at body files without reading them, and not at indexes.")
@click.option("--repair", "mends", is_flag=True, help="Mend what can be mended; the server must not run.")
@pass_invocation
def verify(invocation: Invocation, *, quick: bool, mends: bool) -> None:
    """Look whether every body can be read, and every row is sound.

    The server may run, and goes on meanwhile.  Nothing is changed unless
    --repair is said; without it, what that would do is told.

    Exit status 0: all is sound, or is now.  1: something isn't.
    """
    state_dir = invocation.state_dir()
    if not (state_dir / DATABASE_NAME).exists():
        raise click.ClickException(f"there is nothing to look at yet: no {state_dir / DATABASE_NAME}")
    if mends:
        with stopped(state_dir, "the server runs; stop it before anything is mended"):
            before, found, mended = _mended(state_dir, quick=quick)
    else:
        before = found = _found(state_dir, quick=quick)
        mended = 0
    if invocation.as_json:
        print_json(_described(found, before, mended))
    else:
        _tell(found, before, mended)
    if found.number:
        raise click.exceptions.Exit(1)


def _mended(state_dir: Path, *, quick: bool) -> tuple[Found, Found, int]:
    """Mend what can be mended; return what was found before, what afterwards, and how much was mended."""
    before = _found(state_dir, quick=quick)
    mended = repair(state_dir, before)
    return before, _found(state_dir, quick=quick) if mended else before, mended


def _found(state_dir: Path, *, quick: bool) -> Found:
    with behind_the_server(), progress() as bar:
        return Verifying(state_dir, bar, quick=quick).run()


def _described(found: Found, before: Found, mended: int) -> dict[str, Any]:
    return {
        "sound": not found.number,
        "looked_at": found.looked_at,
        "faults": [_fault(each) for each in found.faults],
        "counts": found.counts,
        "notes": found.notes,
        "mended": mended,
        "mended_faults": [_fault(each) for each in before.faults if each.repair is not None] if mended else [],
    }


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "kind": fault.kind,
        "subject": fault.subject,
        "text": fault.words,
        "repair": None if fault.repair is None else fault.repair.words,
    }


def _tell(found: Found, before: Found, mended: int) -> None:
    if mended:
        _list([each for each in before.faults if each.repair is not None], "Mended: ")
    _list(found.faults, "")
    if found.number > _SHOWN:
        counts = ", ".join(f"{number} of {kind}" for kind, number in sorted(found.counts.items()))
        click.echo(f"In all: {counts}.")
    for note in found.notes:
        click.echo(f"Note: {note}.")
    looked = ", ".join(f"{number} {what}" for what, number in found.looked_at.items() if number)
    if not found.number:
        click.echo(f"All is sound: {looked or 'nothing is there yet'}.")
    elif any(each.repair for each in found.faults):
        click.echo("mta verify --repair mends what has a remedy here, while the server is stopped.")


def _list(faults: list[Fault], before: str) -> None:
    for each in faults[:_SHOWN]:
        remedy = "" if each.repair is None else f"; remedy: {each.repair.words}"
        click.echo(f"{before}{printable(each.subject)}: {printable(each.words)}{remedy} [{each.kind}]")
