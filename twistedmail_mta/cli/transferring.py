"""What the commands that move mail from and to files share."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

import click

from twistedmail_mta.cli.errors import in_words
from twistedmail_mta.cli.offline import ImmediateDatabase, body_store, finished
from twistedmail_mta.cli.progress import progress
from twistedmail_mta.cli.site import Invocation, print_json, print_table, printable
from twistedmail_mta.control.client import RefusedError, tell
from twistedmail_mta.directory.tables import find_account
from twistedmail_mta.mailbox.mailboxes import Mailbox, mailboxes
from twistedmail_mta.mailbox.reading import sequences
from twistedmail_mta.spool.ids import MessageIds
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.transfer.exporting import Export
from twistedmail_mta.transfer.importing import Import, Tally
from twistedmail_mta.transfer.maildir_writer import MaildirWriter
from twistedmail_mta.transfer.mbox_writer import MboxWriter
from twistedmail_mta.transfer.sources import Source

_SHOWN: Final = 20
"""Problems of one mailbox that are printed."""


@contextmanager
def opened(state_dir: Path) -> Iterator[tuple[SyncDatabase, BodyStore]]:
    """Open the database and the bodies of a site."""
    with SyncDatabase(state_dir / DATABASE_NAME) as database:
        yield database, body_store(state_dir)


def account_id(database: SyncDatabase, name: str) -> int:
    """Return the id of an account.

    Raises:
        ClickException: there is none of that name.
    """
    found = database.read(lambda tx: find_account(tx, name))
    if found is None:
        raise click.ClickException(f"there is no account {name}")
    return found.id


def bring_all(database: SyncDatabase, bodies: BodyStore, account: int, source: Source) -> list[Tally]:
    """Bring all mail of a source to an account; return what became of each mailbox."""
    ids = MessageIds(time.time, 256 + os.getpid() % 256)
    tallies = []
    with progress() as bar:
        bring = Import(ImmediateDatabase(database), bodies, ids.new, account, time.time, bar.advance)
        for read in source.folders:
            try:
                folder = read()
            except (OSError, ValueError) as error:
                source.left_out.append(in_words(error) or str(error))
                continue
            bar.begin(printable(folder.name), folder.count)
            tallies.append(finished(bring.bring(folder)))
        finished(bring.subscribe(source.subscriptions))
    return tallies


def tell_server(state_dir: Path, database: SyncDatabase, account: int) -> None:
    """Have a running server look at the mailboxes at once; else it notices within a second or two."""
    ids = json.dumps([each.id for each in database.read(partial(mailboxes, account=account))])
    for each, sequence in database.read(partial(sequences, mailboxes=ids)).items():
        try:
            answer = tell(state_dir, "mailbox.changed", {"mailbox": each, "sequence": sequence})
        except RefusedError:
            return
        if answer is None:
            return


def write_all(source: Export, chosen: list[Mailbox], writer: MaildirWriter | MboxWriter) -> list[Tally]:
    """Write mailboxes, and which names are subscribed to; return what became of each."""
    tallies = []
    with progress() as bar:
        for each in chosen:
            bar.begin(printable(each.name), each.messages)
            tally = Tally(each.name)
            finished(writer.write(each, tally))
            bar.advance(tally.found)
            tallies.append(tally)
        writer.subscribe(finished(source.subscriptions()))
    return tallies


def report_tallies(invocation: Invocation, tallies: list[Tally], left_out: list[str], done: str) -> None:
    """Print what became of each mailbox; end with status 1 when something is missing."""
    if invocation.as_json:
        print_json({"mailboxes": [asdict(tally) for tally in tallies], "left_out": left_out})
    else:
        columns = ("Mailbox", ">Found", f">{done}", ">Before", ">There now")
        print_table(columns, [_row(tally) for tally in tallies], "Nothing was found.")
    for tally in tallies:
        for problem in tally.problems[:_SHOWN]:
            click.echo(f"{printable(tally.name)}: {printable(problem)}", err=True)
        if len(tally.problems) > _SHOWN:
            click.echo(f"{printable(tally.name)}: {len(tally.problems) - _SHOWN} more problems", err=True)
    for each in left_out:
        click.echo(f"Left out: {printable(each)}", err=True)
    if left_out or not all(tally.is_complete for tally in tallies):
        raise click.exceptions.Exit(1)


def _row(tally: Tally) -> tuple[str, ...]:
    return (tally.name, str(tally.found), str(tally.imported), str(tally.known), str(tally.present))
