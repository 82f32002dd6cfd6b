"""`mta quarantine release` and `delete`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

import click

from twistedmail_mta.cli.alias_check import places
from twistedmail_mta.cli.hosting import OpenDirectory, open_directory
from twistedmail_mta.cli.offline import finished, quarantine_hand
from twistedmail_mta.cli.queue_selection import BUT_RECIPIENTS, QUARANTINE, read_by, selected_or_all
from twistedmail_mta.cli.site import Invocation, print_json
from twistedmail_mta.config.values import mail_address
from twistedmail_mta.directory.inspection import unkept
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.model import Address
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.spool.quarantine import Quarantine

_NONE: Final = "Nothing that matches is in quarantine."


@click.command()
@click.option(
    "--to", "target", metavar="ADDRESS", callback=read_by(mail_address), help="To an address kept here instead."
)
@partial(selected_or_all, options=BUT_RECIPIENTS)
def release(invocation: Invocation, selection: Selection, target: Address | None) -> None:
    """Let messages go to their recipients; plugins aren't asked again."""
    with open_directory(invocation) as directory:
        if target is not None:
            directory.read(partial(_demand_kept, directory, target))
        hand = quarantine_hand(directory.database, directory.state_dir)
        number = _all(hand, selection, partial(hand.release, to=target))
    to = None if target is None else str(target)
    if invocation.as_json:
        print_json({"action": "release", "to": to, "messages": number})
    else:
        click.echo(f"{_count_of(number)} released{f' to {to}' if to else ''}." if number else _NONE)


@click.command()
@partial(selected_or_all, options=QUARANTINE)
def delete(invocation: Invocation, selection: Selection) -> None:
    """Delete messages; nobody is told."""
    with open_directory(invocation) as directory:
        hand = quarantine_hand(directory.database, directory.state_dir)
        number = _all(hand, selection, hand.delete)
    if invocation.as_json:
        print_json({"action": "delete", "messages": number})
    else:
        click.echo(f"{_count_of(number)} deleted." if number else _NONE)


def _all(hand: Quarantine, selection: Selection, change: Callable[[Sequence[int]], Coroutine[Any, Any, int]]) -> int:
    """Do something to all messages that are meant, a page at a time; return how many."""
    number = 0
    after: int | None = -1
    while after is not None:
        page, after = finished(hand.page(selection, after))
        number += finished(change(page))
    return number


def _demand_kept(directory: OpenDirectory, to: Address, tx: Transaction) -> None:
    if problem := unkept(to, places(directory, tx), tx):
        raise click.ClickException(problem)


def _count_of(number: int) -> str:
    return f"{number} message{'' if number == 1 else 's'}"
