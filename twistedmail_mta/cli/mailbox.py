"""`mta mailbox`: look at mailboxes, fill them from other servers' files, and write such files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from twistedmail_mta.cli.errors import in_words
from twistedmail_mta.cli.offline import ImmediateDatabase, finished
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_table
from twistedmail_mta.cli.transferring import account_id, bring_all, opened, report_tallies, tell_server, write_all
from twistedmail_mta.directory.accounts import account_name
from twistedmail_mta.mail.mailbox_names import mailbox_name
from twistedmail_mta.mailbox.mailboxes import Mailbox, mailboxes
from twistedmail_mta.transfer.dovecot import DEFAULT_UIDL, is_uidl_format
from twistedmail_mta.transfer.exporting import Export
from twistedmail_mta.transfer.maildir_writer import MaildirWriter
from twistedmail_mta.transfer.mbox_writer import MboxWriter
from twistedmail_mta.transfer.sources import source_at


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
        found = database.read(partial(mailboxes, account=account_id(database, account)))
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
    with opened(state_dir) as (database, bodies):
        number = account_id(database, account)
        try:
            source = source_at(path, into or "INBOX", uidl, access)
        except (OSError, ValueError) as error:
            raise click.ClickException(in_words(error) or str(error)) from error
        tallies = bring_all(database, bodies, number, source)
        tell_server(state_dir, database, number)
    report_tallies(invocation, tallies, source.left_out, "Imported")


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
    with opened(invocation.state_dir()) as (database, bodies):
        source = Export(ImmediateDatabase(database), bodies, account_id(database, account))
        chosen = _chosen(finished(source.mailboxes()), names)
        try:
            tallies = write_all(source, chosen, (MaildirWriter if form == "maildir" else MboxWriter)(path, source))
        except OSError as error:
            raise click.ClickException(str(error)) from error
    report_tallies(invocation, tallies, [], "Exported")


def _chosen(found: list[Mailbox], names: Sequence[str]) -> list[Mailbox]:
    wanted = {mailbox_name(name) for name in names}
    unknown = wanted - {each.name for each in found}
    if unknown:
        raise click.ClickException(f"there is no mailbox {', '.join(sorted(unknown))}")
    return [each for each in found if not wanted or each.name in wanted]
