"""`mta account`: who can log in and have mail."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal

import click

from twistedmail_mta.cli.account_brake import brake
from twistedmail_mta.cli.account_export import export
from twistedmail_mta.cli.account_import import import_
from twistedmail_mta.cli.account_show import list_, show
from twistedmail_mta.cli.alias_check import eclipsed, warn
from twistedmail_mta.cli.hosting import (
    OpenDirectory,
    as_account,
    as_count,
    as_quota,
    confirm,
    demand_home,
    names_of,
    open_directory,
    options,
    report,
)
from twistedmail_mta.cli.offline import ImmediateDatabase, body_store, finished
from twistedmail_mta.cli.site import Invocation, pass_invocation
from twistedmail_mta.config.units import format_size
from twistedmail_mta.directory.accounts import PROTOCOLS, Account, DirectoryError
from twistedmail_mta.directory.alias_rows import aliases_to
from twistedmail_mta.directory.aliases import shown
from twistedmail_mta.directory.passwords import PasswordHash, StoredPassword
from twistedmail_mta.directory.patterns import parse_pattern
from twistedmail_mta.directory.quotas import usage_of
from twistedmail_mta.directory.tables import (
    add_account,
    change_account,
    change_quotas,
    find_account,
    remove_account,
    set_password,
)
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mailbox.accounts import forget_mailboxes, remove_mail

_MEANING: Final = {"none": 0, "default": None}


def _patterns(_: click.Context, __: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(parse_pattern(value) for value in values)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


_address = click.argument("name", metavar="ADDRESS", callback=as_account)
_password_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from the first line of input.")
_external = click.option(
    "--external", is_flag=True, help="No password is kept here: a checker of the site file judges."
)
_settings = options(
    click.option(
        "--send-as",
        metavar="PATTERN",
        multiple=True,
        callback=_patterns,
        help="May send as user@domain, *@domain or <> too; may be repeated.",
    ),
    click.option(
        "--protocol",
        "protocols",
        type=click.Choice(PROTOCOLS),
        multiple=True,
        help="What it may log in to; may be repeated; a new account: everything.",
    ),
    click.option(
        "--quota", metavar="SIZE", callback=as_quota, help='What it may hold, "none", or "default": as its domain says.'
    ),
    click.option("--quota-messages", metavar="NUMBER", callback=as_count, help="Likewise, how many messages."),
)


@click.group()
def account() -> None:
    """Add, change, show and remove accounts."""


account.add_command(list_)
account.add_command(show)
account.add_command(import_)
account.add_command(export)
account.add_command(brake)


@account.command()
@_address
@_password_stdin
@_external
@_settings
@pass_invocation
def add(invocation: Invocation, /, name: str, *, password_stdin: bool, external: bool, **settings: Any) -> None:  # noqa: ANN401 - click's options
    """Add an account.

    It logs in with its address, and has mail if its domain is hosted here.
    """
    stored = _password(from_input=password_stdin, external=external)
    now = time.time()
    with open_directory(invocation) as directory:

        def add(tx: Transaction) -> bool:
            domain = demand_home(directory, name, tx)
            add_account(tx, name, stored, now, separators="+" if domain is None else domain.subaddress)
            _change(tx, name, settings)
            return domain is not None

        hosted = directory.change(add)
        warn(directory.read(partial(eclipsed, directory, name)))
    note = "" if hosted else " Its domain isn't hosted here: it can send mail, and gets none."
    report(invocation, f"Added {name}.{note}", {"added": name, "hosted": hosted})


@account.command()
@_address
@click.option("--yes", is_flag=True, help="Don't ask.")
@pass_invocation
def remove(invocation: Invocation, name: str, *, yes: bool) -> None:
    """Remove an account and all its mail."""
    with open_directory(invocation) as directory:
        found = _demand(directory, name)
        octets, messages = directory.read(partial(usage_of, accounts=[found.id])).get(found.id, (0, 0))
        if messages:
            confirm(f"{name} has {messages} messages, {format_size(octets)}. Remove it with its mail?", yes=yes)
        _remove(directory, found)
        warn(directory.read(partial(_left_behind, directory, name)))
    report(invocation, f"Removed {name}.", {"removed": name, "messages": messages})


@account.command()
@_address
@_password_stdin
@_external
@pass_invocation
def password(invocation: Invocation, name: str, *, password_stdin: bool, external: bool) -> None:
    """Set the password of an account.

    Whoever uses the old one is logged out.
    """
    with open_directory(invocation) as directory:
        _demand(directory, name)
        stored = _password(from_input=password_stdin, external=external)
        directory.change(lambda tx: set_password(tx, name, stored))
    report(invocation, f"Changed the password of {name}.", {"changed": name})


@account.command(name="set")
@_address
@_settings
@click.option("--no-send-as", is_flag=True, help="May send as its own address alone.")
@click.option("--enable/--disable", "enabled", default=None, help="Whether it can be used and takes mail at all.")
@pass_invocation
def set_(invocation: Invocation, /, name: str, *, no_send_as: bool, **settings: Any) -> None:  # noqa: ANN401 - click's options
    """Change what is given of an account.

    The rest stays; patterns and protocols replace those it had.
    """
    if not no_send_as and all(value in (None, ()) for value in settings.values()):
        raise click.UsageError("Nothing to change: see --help.")
    if settings["send_as"] and no_send_as:
        raise click.UsageError("--send-as and --no-send-as contradict each other.")
    with open_directory(invocation) as directory:
        directory.change(partial(_change, name=name, settings=settings, no_send_as=no_send_as))
    report(invocation, f"Changed {name}.", {"changed": name})


def _demand(directory: OpenDirectory, name: str) -> Account:
    found = directory.read(lambda tx: find_account(tx, name))
    if found is None:
        raise DirectoryError(f"there is no account {name}")
    return found


def _change(tx: Transaction, name: str, settings: Mapping[str, Any], *, no_send_as: bool = False) -> None:
    """Change what options say of an account."""
    send_as = () if no_send_as else settings["send_as"] or None
    change_account(tx, name, settings.get("enabled"), settings["protocols"] or None, send_as)
    quotas: dict[Literal["quota", "quota_messages"], int | None] = {}
    if (quota := settings["quota"]) is not None:
        quotas["quota"] = _MEANING.get(quota, quota)
    if (quota := settings["quota_messages"]) is not None:
        quotas["quota_messages"] = _MEANING.get(quota, quota)
    if quotas:
        change_quotas(tx, name, quotas)


def _left_behind(directory: OpenDirectory, name: str, tx: Transaction) -> list[str]:
    """Return which aliases led to an account that is gone."""
    return [
        f"the alias {shown(item.address)} still leads to {name}"
        for item in aliases_to(tx, names_of(directory, name, tx))
    ]


def _remove(directory: OpenDirectory, found: Account) -> None:
    """Remove an account: first it takes no mail any more, then its mail goes, a piece at a time, last its row."""
    directory.change(lambda tx: change_account(tx, found.address, enabled=False))
    bodies = body_store(directory.state_dir)
    gone = False
    while not gone:
        finished(remove_mail(ImmediateDatabase(directory.database), bodies, found.id))
        gone = directory.change(partial(_forget, found=found))


def _forget(tx: Transaction, found: Account) -> bool:
    if not forget_mailboxes(tx, found.id):
        return False
    remove_account(tx, found.address)
    return True


def _asked_for() -> str:
    """Have a password typed, twice."""
    try:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, type=str))
    except click.Abort as error:
        raise click.ClickException("no password was typed; without a terminal give it by --password-stdin") from error


def _password(*, from_input: bool, external: bool) -> StoredPassword | None:
    """Ask for a password; None when it isn't kept here."""
    if external and from_input:
        raise click.UsageError("--external and --password-stdin contradict each other.")
    if external:
        return None
    text = sys.stdin.readline().rstrip("\r\n") if from_input else _asked_for()
    try:
        return PasswordHash().store(text)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
