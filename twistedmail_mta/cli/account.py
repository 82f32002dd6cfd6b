"""`mta account`: who can log in."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial

import click

from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_table
from twistedmail_mta.directory.accounts import Account, account_name
from twistedmail_mta.directory.passwords import PasswordHash, StoredPassword
from twistedmail_mta.directory.patterns import parse_pattern
from twistedmail_mta.directory.tables import (
    add_account,
    change_account,
    find_account,
    list_accounts,
    remove_account,
    set_password,
)
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.store.sync import SyncDatabase

_PAGE = 1000


def _name(_: click.Context, __: click.Parameter, value: str) -> str:
    try:
        return account_name(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _patterns(_: click.Context, __: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(parse_pattern(value) for value in values)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_address = click.argument("name", metavar="ADDRESS", callback=_name)
_password_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from the first line of input.")
_send_as = click.option(
    "--send-as",
    metavar="PATTERN",
    multiple=True,
    callback=_patterns,
    help="May send as user@domain, *@domain or <> too; may be repeated.",
)


@click.group()
def account() -> None:
    """Add, change, list and remove accounts."""


@account.command()
@_address
@_password_stdin
@_send_as
@pass_invocation
def add(invocation: Invocation, name: str, send_as: tuple[str, ...], *, password_stdin: bool) -> None:
    """Add an account that can log in with its address and password."""
    stored = _ask_password(from_input=password_stdin)
    now = time.time()
    with invocation.database() as database:
        database.write(partial(_add, name=name, password=stored, created_at=now, send_as=send_as))
    _report(invocation, f"Added {name}.", {"added": name})


@account.command()
@_address
@pass_invocation
def remove(invocation: Invocation, name: str) -> None:
    """Remove an account; it can't log in any more from then on."""
    with invocation.database() as database:
        database.write(lambda tx: remove_account(tx, name))
    _report(invocation, f"Removed {name}.", {"removed": name})


@account.command()
@_address
@_password_stdin
@pass_invocation
def password(invocation: Invocation, name: str, *, password_stdin: bool) -> None:
    """Set the password of an account."""
    with invocation.database() as database:
        if database.read(lambda tx: find_account(tx, name)) is None:
            raise click.ClickException(f"there is no account {name}")
        stored = _ask_password(from_input=password_stdin)
        database.write(lambda tx: set_password(tx, name, stored))
    _report(invocation, f"Changed the password of {name}.", {"changed": name})


@account.command(name="set")
@_address
@_send_as
@click.option("--enable/--disable", "enabled", default=None, help="Whether the account can be used at all.")
@click.option("--no-send-as", is_flag=True, help="May send as its own address alone.")
@pass_invocation
def set_(
    invocation: Invocation, name: str, send_as: tuple[str, ...], *, enabled: bool | None, no_send_as: bool
) -> None:
    """Change what an account may do; patterns given replace those it had."""
    if not send_as and not no_send_as and enabled is None:
        raise click.UsageError("Nothing to change: give --send-as, --no-send-as, --enable or --disable.")
    if send_as and no_send_as:
        raise click.UsageError("--send-as and --no-send-as contradict each other.")
    patterns = send_as if send_as or no_send_as else None
    with invocation.database() as database:
        database.write(lambda tx: change_account(tx, name, enabled=enabled, send_as=patterns))
    _report(invocation, f"Changed {name}.", {"changed": name})


@account.command(name="list")
@pass_invocation
def list_(invocation: Invocation) -> None:
    """List the accounts."""
    with invocation.database() as database:
        accounts = _all(database)
    if invocation.as_json:
        print_json([_as_object(item) for item in accounts])
        return
    rows = [[item.address, "yes" if item.enabled else "no", " ".join(item.send_as)] for item in accounts]
    print_table(["Address", "Enabled", "May send as, too"], rows, "There are no accounts.")


def _add(tx: Transaction, name: str, password: StoredPassword, created_at: float, send_as: Sequence[str]) -> None:
    add_account(tx, name, password, created_at)
    change_account(tx, name, send_as=send_as)


def _all(database: SyncDatabase) -> list[Account]:
    accounts, last = list[Account](), ""
    while page := database.read(partial(list_accounts, after=last, limit=_PAGE)):
        accounts += page
        last = page[-1].address
    return accounts


def _as_object(item: Account) -> dict[str, object]:
    return {
        "address": item.address,
        "enabled": item.enabled,
        "send_as": list(item.send_as),
        "created_at": item.created_at,
    }


def _ask_password(*, from_input: bool) -> StoredPassword:
    if from_input:
        text = sys.stdin.readline().rstrip("\r\n")
    else:
        text = click.prompt("Password", hide_input=True, confirmation_prompt=True, type=str)
    try:
        return PasswordHash().store(text)
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _report(invocation: Invocation, words: str, value: dict[str, str]) -> None:
    if invocation.as_json:
        print_json(value)
    else:
        click.echo(words)
