"""`mta quarantine release` and `delete`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import click

from twistedmail_mta.cli.alias_check import followed, places
from twistedmail_mta.cli.hosting import OpenDirectory, open_directory
from twistedmail_mta.cli.offline import finished, quarantine_hand
from twistedmail_mta.cli.queue_selection import BUT_RECIPIENTS, QUARANTINE, read_by, selected_or_all
from twistedmail_mta.cli.site import Invocation, print_json
from twistedmail_mta.config.values import mail_address
from twistedmail_mta.directory.inspection import unkept
from twistedmail_mta.interfaces import Transaction
from twistedmail_mta.mailbox.prefix import delivered_before, is_looping
from twistedmail_mta.model import Address, Delivery, Expansion, id_text
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.spool.quarantine import Quarantine

T = TypeVar("T")

_NONE: Final = "Nothing that matches is in quarantine."


@click.command()
@click.option(
    "--to", "target", metavar="ADDRESS", callback=read_by(mail_address), help="To an address kept here instead."
)
@partial(selected_or_all, options=BUT_RECIPIENTS)
def release(invocation: Invocation, selection: Selection, target: Address | None) -> None:
    """Let messages go to their recipients; plugins aren't asked again."""
    with open_directory(invocation) as directory:
        hand = quarantine_hand(directory.database, directory.state_dir)
        if target is not None:
            deliveries = directory.read(partial(_deliveries, directory, target))
            _each_page(hand, selection, partial(_demand_no_loop, hand, target, deliveries))
        number = sum(_each_page(hand, selection, lambda ids: finished(hand.release(ids, target))))
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
        number = sum(_each_page(hand, selection, lambda ids: finished(hand.delete(ids))))
    if invocation.as_json:
        print_json({"action": "delete", "messages": number})
    else:
        click.echo(f"{_count_of(number)} deleted." if number else _NONE)


def _each_page(hand: Quarantine, selection: Selection, act: Callable[[Sequence[int]], T]) -> list[T]:
    """Do something with all messages that are meant, a page of them at a time."""
    done: list[T] = []
    after: int | None = -1
    while after is not None:
        page, after = finished(hand.page(selection, after))
        done.append(act(page))
    return done


def _deliveries(directory: OpenDirectory, to: Address, tx: Transaction) -> Sequence[Delivery]:
    """Return the mailboxes that an address stands for.

    Raises:
        ClickException: mail for it isn't kept here.
    """
    where = places(directory, tx)
    if problem := unkept(to, where, tx):
        raise click.ClickException(problem)
    found, _ = followed(to, where, tx)
    return found.deliveries if isinstance(found, Expansion) else ()


def _demand_no_loop(hand: Quarantine, to: Address, deliveries: Sequence[Delivery], ids: Sequence[int]) -> None:
    """Find out before anything is done whether a message would be refused there: one can say that it was there before.

    Raises:
        ClickException: one of them says so.
    """
    for each in ids:
        message = finished(hand.message(each))
        if message is not None and is_looping(deliveries, delivered_before(message.header)):
            words = f"{id_text(each)} says that {to} had it before, and would be refused; nothing was released"
            raise click.ClickException(words)


def _count_of(number: int) -> str:
    return f"{number} message{'' if number == 1 else 's'}"
