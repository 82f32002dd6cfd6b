"""`mta account import`: the accounts of another server, or one that was exported."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click

from twistedmail_mta.cli.account_bring import bring_account
from twistedmail_mta.cli.alias_check import warn
from twistedmail_mta.cli.hosting import OpenDirectory, as_domain, demand_home, open_directory, report
from twistedmail_mta.cli.site import Invocation, pass_invocation
from twistedmail_mta.directory.accounts import DirectoryError
from twistedmail_mta.directory.passwd_file import parse_passwords
from twistedmail_mta.directory.passwords import StoredPassword
from twistedmail_mta.directory.schemes import comparison
from twistedmail_mta.directory.tables import add_account, find_account
from twistedmail_mta.interfaces import Transaction

_AT_ONCE: Final = 500
"""Accounts added in one transaction."""

Imported = tuple[str, StoredPassword | None]
"""A name, and its password; None: nobody can log in before there is one."""


@click.command(name="import")
@click.argument("file", metavar="FILE|DIRECTORY", type=click.Path(exists=True, path_type=Path))
@click.option("--domain", metavar="NAME", callback=as_domain, help="Of the names in it that have none.")
@click.option("--external", is_flag=True, help="Take the names only; a checker of the site file judges passwords.")
@pass_invocation
def import_(invocation: Invocation, file: Path, domain: str | None, *, external: bool) -> None:
    """Add the accounts of a passwd-file, or one with its mail.

    A file is in Dovecot's form; the hashes of its passwords are kept.  A
    directory is what `mta account export` has written.

    Accounts that are there already stay as they are.  Exit status 1: something
    in the file couldn't be taken over as it stands.
    """
    if file.is_dir():
        if domain is not None:
            raise click.UsageError("--domain is for a file: in a directory the account has its whole name.")
        bring_account(invocation, file.absolute(), external=external)
        return
    read = parse_passwords(file.read_bytes(), domain)
    wanted = [(name, None if external else _password(stored)) for name, stored in read.hashes.items()]
    done = Counter[str]()
    odd = [] if external else list(read.mistakes)
    with open_directory(invocation) as directory:
        for start in range(0, len(wanted), _AT_ONCE):
            part = wanted[start : start + _AT_ONCE]
            numbers, refused = directory.database.write(partial(bring_accounts, directory, part, time.time()))
            done.update(numbers)
            odd += refused
        directory.tell_server()
    warn(odd)
    there = f" {done['there']} were there already." if done["there"] else ""
    words = f"Imported {done['imported']} accounts.{there}"
    report(invocation, words, {"imported": done["imported"], "there": done["there"], "warnings": odd})
    sys.exit(1 if odd else 0)


def _password(stored: str) -> StoredPassword | None:
    """Return a hash as it is kept, or None when nobody could log in with it."""
    try:
        comparison(stored)
    except ValueError:
        return None
    return StoredPassword(stored, None)


def bring_accounts(
    directory: OpenDirectory, wanted: Sequence[Imported], now: float, tx: Transaction
) -> tuple[Mapping[str, int], list[str]]:
    """Add accounts; return how many were added and were there, and why others weren't added."""
    imported = there = 0
    refused = list[str]()
    for name, stored in wanted:
        if find_account(tx, name) is not None:
            there += 1
            continue
        try:
            domain = demand_home(directory, name, tx)
            add_account(tx, name, stored, now, separators="+" if domain is None else domain.subaddress)
        except DirectoryError as error:
            refused.append(f"{name} not imported: {error}")
        else:
            imported += 1
    return {"imported": imported, "there": there}, refused
