"""`mta account export`: an account as files, its mail as a Maildir and all else as JSON."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from twistedmail_mta.cli.hosting import OpenDirectory, as_account, names_of, open_directory
from twistedmail_mta.cli.offline import ImmediateDatabase, body_store, finished
from twistedmail_mta.cli.site import Invocation, pass_invocation
from twistedmail_mta.cli.transferring import report_tallies, write_all
from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.directory.alias_rows import aliases_to
from twistedmail_mta.directory.aliases import shown
from twistedmail_mta.directory.exported import described
from twistedmail_mta.directory.tables import find_login
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mailbox.mailboxes import Mailbox
from twistedmail_mta.private_file import write_private
from twistedmail_mta.transfer.exporting import Export
from twistedmail_mta.transfer.maildir_writer import MaildirWriter

ACCOUNT: Final = "account.json"
MAILDIR: Final = "Maildir"


@click.command()
@click.argument("name", metavar="ADDRESS", callback=as_account)
@click.argument("path", metavar="DIRECTORY", type=click.Path(file_okay=False, path_type=Path))
@click.option("--with-password-hash", is_flag=True, help="With what is stored of the password, for logins elsewhere.")
@pass_invocation
def export(invocation: Invocation, name: str, path: Path, *, with_password_hash: bool) -> None:
    """Write an account into a directory: its mail, and how it is set up.

    Its mail is a Maildir with folders, flags, keywords and UIDs, as `mta
    mailbox export` writes it; all else is in account.json.  `mta account
    import DIRECTORY` reads both.  What was written before is gone on with.

    As root it writes as the owner of the state directory.
    """
    path = path.absolute()
    with open_directory(invocation) as directory:
        settings = directory.read(partial(_settings, directory, name, tells=with_password_hash))
        account = settings.pop("id")
        source = Export(ImmediateDatabase(directory.database), body_store(directory.state_dir), account)
        found = finished(source.mailboxes())
        settings |= {
            "exported_at": time.time(),
            "mailboxes": [_mailbox(each) for each in found],
            "subscriptions": finished(source.subscriptions()),
        }
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            tallies = write_all(source, found, MaildirWriter(path / MAILDIR, source))
            document = json.dumps(settings, ensure_ascii=False, indent=1)
            write_private(path / ACCOUNT, f"{document}\n".encode())
        except OSError as error:
            raise click.ClickException(str(error)) from error
    report_tallies(invocation, tallies, [], "Exported")


def _settings(directory: OpenDirectory, name: str, tx: Transaction, *, tells: bool) -> dict[str, Any]:
    found = find_login(tx, name)
    if found is None:
        raise DirectoryError(f"there is no account {name}")
    account, password = found
    aliases = {
        shown(alias.address): [shown(target) for target in alias.targets]
        for alias in aliases_to(tx, names_of(directory, name, tx))
    }
    return described(account, password if tells else None, aliases=aliases) | {"id": account.id}


def _mailbox(mailbox: Mailbox) -> dict[str, Any]:
    return {
        "name": mailbox.name,
        "special_use": mailbox.special_use,
        "uid_validity": mailbox.uid_validity,
        "uid_next": mailbox.uid_next,
        "messages": mailbox.messages,
        "octets": mailbox.octets,
    }
