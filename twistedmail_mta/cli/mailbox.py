"""`mta mailbox`: look at mailboxes, fill them from other servers' files, and write such files."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from twistedmail_mta.cli.errors import in_words
from twistedmail_mta.cli.offline import ImmediateDatabase, body_store, finished
from twistedmail_mta.cli.progress import progress
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_table, printable
from twistedmail_mta.control.client import RefusedError, tell
from twistedmail_mta.directory.accounts import account_name
from twistedmail_mta.directory.tables import find_account
from twistedmail_mta.mail.mailbox_names import mailbox_name
from twistedmail_mta.mailbox.mailboxes import Mailbox, mailboxes
from twistedmail_mta.mailbox.reading import sequences
from twistedmail_mta.spool.ids import MessageIds
from twistedmail_mta.store.bodies import BodyStore
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.transfer.dovecot import DEFAULT_UIDL, is_uidl_format
from twistedmail_mta.transfer.exporting import Export
from twistedmail_mta.transfer.importing import Import, Tally
from twistedmail_mta.transfer.maildir_writer import MaildirWriter
from twistedmail_mta.transfer.mbox_writer import MboxWriter
from twistedmail_mta.transfer.sources import Source, source_at

_SHOWN = 20
"""Problems of one mailbox that are printed."""


def _address(_: click.Context, __: click.Parameter, value: str) -> str:
    try:
        return account_name(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _mailbox_name(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else mailbox_name(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _uidl_format(_: click.Context, __: click.Parameter, value: str) -> str | None:
    if value != "none" and not is_uidl_format(value):
        raise click.BadParameter('must be "none", or name a message by %u or %f, such as "%08Xu%08Xv"')
    return None if value == "none" else value


_account = click.argument("account", metavar="ADDRESS", callback=_address)


@click.group()
def mailbox() -> None:
    """List mailboxes; import and export mail."""


@mailbox.command(name="list")
@_account
@pass_invocation
def list_(invocation: Invocation, account: str) -> None:
    """List the mailboxes of an account."""
    with invocation.database() as database:
        found = database.read(partial(mailboxes, account=_id(database, account)))
    if invocation.as_json:
        print_json([_described(each) for each in found])
        return
    rows = [(each.name, str(each.messages), str(each.octets), each.special_use or "") for each in found]
    print_table(("Mailbox", ">Messages", ">Octets", "Use"), rows, "No mailboxes: no mail has come yet.")


def _described(each: Mailbox) -> dict[str, object]:
    described = asdict(each)
    del described["id"], described["account"]
    return described


@mailbox.command(name="import")
@_account
@click.argument("path", metavar="PATH", type=click.Path(exists=True, path_type=Path))
@click.option("--into", metavar="MAILBOX", callback=_mailbox_name, help="Where an mbox file goes, if not to INBOX.")
@click.option(
    "--uidl",
    metavar="FORMAT",
    default=DEFAULT_UIDL,
    callback=_uidl_format,
    help='What POP3 called messages: pop3_uidl_format of Dovecot, "none" to forget it.',
)
@pass_invocation
def import_(invocation: Invocation, account: str, path: Path, into: str | None, uidl: str | None) -> None:
    """Bring mail from a Maildir, an mbox file or a directory of these.

    Flags, dates and, from Dovecot's files, keywords, UIDs and what POP3 calls
    the messages are kept.  What was brought before is not brought again, so an
    import can be repeated: after an interruption, or when new mail has come
    there.  As root it reads whatever belongs to the owner of its directory.
    """
    path = path.absolute()
    if into is not None and path.is_dir():
        raise click.UsageError("--into is for one mbox file: a Maildir and a directory of mboxes name their mailboxes.")
    state_dir, access = invocation.state_dir_for_now()
    with _opened(state_dir) as (database, bodies):
        account_id = _id(database, account)
        try:
            source = source_at(path, into or "INBOX", uidl, access)
        except (OSError, ValueError) as error:
            raise click.ClickException(in_words(error) or str(error)) from error
        tallies = _bring_all(database, bodies, account_id, source)
        _tell_server(state_dir, database, account_id)
    _report(invocation, tallies, source.left_out, "Imported")


def _bring_all(database: SyncDatabase, bodies: BodyStore, account: int, source: Source) -> list[Tally]:
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


def _tell_server(state_dir: Path, database: SyncDatabase, account: int) -> None:
    """Have a running server look at the mailboxes at once; else it notices within a second or two."""
    ids = json.dumps([each.id for each in database.read(partial(mailboxes, account=account))])
    for each, sequence in database.read(partial(sequences, mailboxes=ids)).items():
        try:
            answer = tell(state_dir, "mailbox.changed", {"mailbox": each, "sequence": sequence})
        except RefusedError:
            return
        if answer is None:
            return


@mailbox.command()
@_account
@click.argument("path", metavar="DIRECTORY", type=click.Path(file_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice(["maildir", "mbox"]), default="maildir", show_default=True)
@click.option("--mailbox", "names", metavar="MAILBOX", multiple=True, help="Only this one; may be repeated.")
@pass_invocation
def export(invocation: Invocation, account: str, path: Path, form: str, names: Sequence[str]) -> None:
    """Write mail into a Maildir, or into mbox files.

    A Maildir that was written before is gone on with; mbox files are written
    anew.  As root it writes as the owner of the state directory.
    """
    path = path.absolute()
    with _opened(invocation.state_dir()) as (database, bodies):
        source = Export(ImmediateDatabase(database), bodies, _id(database, account))
        chosen = _chosen(finished(source.mailboxes()), names)
        try:
            tallies = _write_all(source, chosen, (MaildirWriter if form == "maildir" else MboxWriter)(path, source))
        except OSError as error:
            raise click.ClickException(str(error)) from error
    _report(invocation, tallies, [], "Exported")


def _chosen(found: list[Mailbox], names: Sequence[str]) -> list[Mailbox]:
    wanted = {mailbox_name(name) for name in names}
    unknown = wanted - {each.name for each in found}
    if unknown:
        raise click.ClickException(f"there is no mailbox {', '.join(sorted(unknown))}")
    return [each for each in found if not wanted or each.name in wanted]


def _write_all(source: Export, chosen: list[Mailbox], writer: MaildirWriter | MboxWriter) -> list[Tally]:
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


@contextmanager
def _opened(state_dir: Path) -> Iterator[tuple[SyncDatabase, BodyStore]]:
    with SyncDatabase(state_dir / DATABASE_NAME) as database:
        yield database, body_store(state_dir)


def _id(database: SyncDatabase, name: str) -> int:
    found = database.read(lambda tx: find_account(tx, name))
    if found is None:
        raise click.ClickException(f"there is no account {name}")
    return found.id


def _report(invocation: Invocation, tallies: list[Tally], left_out: list[str], done: str) -> None:
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
