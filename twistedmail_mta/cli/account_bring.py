"""`mta account import` of a directory that `mta account export` has written."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Final

import click

from twistedmail_mta.cli.account_export import ACCOUNT, MAILDIR
from twistedmail_mta.cli.errors import in_words
from twistedmail_mta.cli.hosting import OpenDirectory, demand_home
from twistedmail_mta.cli.offline import body_store
from twistedmail_mta.cli.site import Invocation, printable
from twistedmail_mta.cli.transferring import account_id, bring_all, report_tallies, tell_server
from twistedmail_mta.directory.exported import KeptAccount, read_account
from twistedmail_mta.directory.tables import add_account, change_account, change_quotas, find_account
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.keeping.copying import open_source
from twistedmail_mta.mailbox.deposit import make_as_elsewhere
from twistedmail_mta.mailbox.hierarchy import USES
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.owner import Access
from twistedmail_mta.store.sync import SyncDatabase
from twistedmail_mta.transfer.sources import source_at

_MOST: Final = 64 * 1024 * 1024


def bring_account(invocation: Invocation, path: Path, *, external: bool) -> None:
    """Add the account of a directory, unless it is there, and bring its mail.

    Args:
        invocation: which site.
        path: the directory.
        external: leave the password, if it is told, to another checker.

    Raises:
        ClickException: nothing there can be read as such an account.
        DirectoryError: it can't be added here.
    """
    site = invocation.chosen_site().site
    state_dir, access = invocation.state_dir_for_now()
    kept = _read(path, access)
    with SyncDatabase(state_dir / DATABASE_NAME) as database:
        directory = OpenDirectory(site, state_dir, database)
        added = directory.change(partial(_add, directory, kept, external, time.time()))
        _tell(directory, kept, added=added, external=external)
        number = account_id(database, kept.address)
        try:
            source = source_at(path / MAILDIR, "INBOX", None, access)
        except (OSError, ValueError) as error:
            raise click.ClickException(in_words(error) or str(error)) from error
        tallies = bring_all(database, body_store(state_dir), number, source)
        tell_server(state_dir, database, number)
    report_tallies(invocation, tallies, source.left_out, "Imported")


def _read(path: Path, access: Access) -> KeptAccount:
    file = path / ACCOUNT
    try:
        with access(), open_source(file) as source:
            return read_account(source.read(_MOST))
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror or error}; `mta account export` writes one") from error
    except ValueError as error:
        raise click.ClickException(f"{file}: {printable(str(error))}") from error


def _add(directory: OpenDirectory, kept: KeptAccount, external: bool, now: float, tx: Transaction) -> bool:
    """Add the account with its settings and empty mailboxes; whether it wasn't there."""
    if find_account(tx, kept.address) is not None:
        return False
    domain = demand_home(directory, kept.address, tx)
    password = None if external else kept.stored_password
    separators = "+" if domain is None else domain.subaddress
    add_account(tx, kept.address, password, now, kept.protocols, separators)
    change_account(tx, kept.address, enabled=kept.enabled, send_as=kept.send_as)
    change_quotas(tx, kept.address, {"quota": kept.quota, "quota_messages": kept.quota_messages})
    found = find_account(tx, kept.address)
    if found is not None:
        mailboxes = [(each.name, USES.get((each.special_use or "").lower())) for each in kept.mailboxes]
        make_as_elsewhere(tx, found.id, mailboxes, int(now))
    return True


def _tell(directory: OpenDirectory, kept: KeptAccount, *, added: bool, external: bool) -> None:
    """Say on the error output what isn't as it was, so that the other has the mail alone."""
    if not added:
        click.echo(f"{kept.address} is there already and stays as it is; its mail is brought.", err=True)
        return
    click.echo(f"Added {kept.address}.", err=True)
    if kept.password is None and not external:
        click.echo(f"It has no password yet: mta account password {kept.address}", err=True)
    hosted = directory.read(directory.domains)
    if kept.address.rpartition("@")[2] not in hosted:
        click.echo("Its domain isn't hosted here: it can send mail, and gets none.", err=True)
    for alias, targets in kept.aliases.items():
        words = " ".join(printable(each) for each in targets)
        click.echo(f"An alias led to it; add it with: mta alias add {printable(alias)} {words}", err=True)
