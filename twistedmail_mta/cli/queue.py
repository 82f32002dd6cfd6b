"""`mta queue`: the mail that waits, and what an operator can do about it."""

from __future__ import annotations

import heapq
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Final

import click

from twistedmail_mta.cli import queue_change, queue_suspend
from twistedmail_mta.cli.offline import finished
from twistedmail_mta.cli.queue_lanes import lanes
from twistedmail_mta.cli.queue_selection import controlled, read_ids, selected
from twistedmail_mta.cli.queue_summary import summary
from twistedmail_mta.cli.queue_text import described, heading, lines, rows
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_json_list, printable
from twistedmail_mta.model import id_text
from twistedmail_mta.spool.control import QueueControl
from twistedmail_mta.spool.operator import QueuedMessage
from twistedmail_mta.spool.operator_selection import Selection

_PAGE: Final = 100


@click.group()
def queue() -> None:
    """Look at the mail that waits, and act on it.

    An ID names a message; all that is given must apply.  Of a message that is
    being delivered now, hold, delete and bounce take effect when that attempt
    ends without delivery.
    """


for _command in (
    summary,
    lanes,
    queue_change.retry,
    queue_change.hold,
    queue_change.release,
    queue_change.delete,
    queue_change.bounce,
    queue_change.reroute,
    queue_suspend.suspend,
    queue_suspend.resume,
    queue_suspend.suspended,
):
    queue.add_command(_command)


@queue.command(name="list")
@selected
@click.option("--oldest", metavar="N", type=click.IntRange(1), help="Only so many, those that are here longest.")
@click.option("--largest", metavar="N", type=click.IntRange(1), help="Only so many, the largest first.")
def list_(invocation: Invocation, selection: Selection, oldest: int | None, largest: int | None) -> None:
    """List the messages, oldest first."""
    with controlled(invocation) as control:
        messages: Iterator[QueuedMessage] = islice(_messages(control, selection), oldest)
        if largest is not None:
            messages = iter(heapq.nlargest(largest, messages, key=lambda message: message.size))
        if invocation.as_json:
            print_json_list(asdict(message) for message in messages)
        else:
            _print(messages, "The queue is empty." if selection == Selection() else "Nothing in the queue matches.")


@queue.command()
@click.argument("ids", metavar="ID ...", nargs=-1, required=True, callback=read_ids)
@pass_invocation
def show(invocation: Invocation, ids: tuple[int, ...]) -> None:
    """Show everything about messages."""
    with controlled(invocation) as control:
        messages = list(_messages(control, Selection(ids)))
    if invocation.as_json:
        print_json([asdict(message) for message in messages])
    else:
        for place, message in enumerate(messages):
            click.echo(("\n" if place else "") + described(message))
    if len(messages) < len(set(ids)):
        raise click.ClickException("not in the queue: " + ", ".join(_missing(ids, messages)))


def _messages(control: QueueControl, selection: Selection) -> Iterator[QueuedMessage]:
    after: int | None = -1
    while after is not None:
        page, after = finished(control.messages(selection, after, _PAGE))
        yield from page


def _print(messages: Iterator[QueuedMessage], empty: str) -> None:
    """Print each message as soon as it is read: in few columns on a screen, in long lines for programs."""
    now, number, is_screen = time.time(), 0, _is_screen()
    for message in messages:
        if not (number or is_screen):
            click.echo(heading())
        number += 1
        click.echo("\n".join(map(printable, lines(message, now) if is_screen else rows(message, now))))
    if is_screen or not number:
        click.echo(f"{number} message{'' if number == 1 else 's'}." if number else empty)


def _is_screen() -> bool:
    return sys.stdout.isatty()


def _missing(ids: Sequence[int], messages: Sequence[QueuedMessage]) -> list[str]:
    found = {message.id for message in messages}
    return [text for text in map(id_text, ids) if text not in found]
