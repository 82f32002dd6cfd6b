"""`mta quarantine`: the mail that plugins kept from its recipients, and what an operator decides about it."""

from __future__ import annotations

import sys
import time
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Final

import click

from twistedmail_mta.cli import quarantine_change
from twistedmail_mta.cli.offline import finished, quarantine_hand
from twistedmail_mta.cli.quarantine_text import heading, legible, lines, row
from twistedmail_mta.cli.queue_selection import QUARANTINE, read_by, selected
from twistedmail_mta.cli.queue_text import described
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_json_list, printable
from twistedmail_mta.model import Message, id_text, parse_id
from twistedmail_mta.spool.operator import QueuedMessage
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.spool.quarantine import Quarantine
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.sync import SyncDatabase

_BLOCK: Final = 64 * 1024


@click.group()
def quarantine() -> None:
    """Look at the mail that plugins kept back, and decide about it.

    An ID names a message; all that is given must apply.  Nobody is told of
    what lies here, and `mta queue` neither lets it go nor deletes it.
    """


for _command in (quarantine_change.release, quarantine_change.delete):
    quarantine.add_command(_command)


@contextmanager
def _opened(invocation: Invocation) -> Iterator[Quarantine]:
    state_dir = invocation.state_dir()
    with SyncDatabase(state_dir / DATABASE_NAME) as database:
        yield quarantine_hand(database, state_dir)


@quarantine.command(name="list")
@partial(selected, options=QUARANTINE)
def list_(invocation: Invocation, selection: Selection) -> None:
    """List the messages, oldest first."""
    with _opened(invocation) as hand:
        messages = _messages(hand, selection)
        if invocation.as_json:
            print_json_list(asdict(message) for message in messages)
        else:
            empty = "Nothing is in quarantine." if selection == Selection() else "Nothing in quarantine matches."
            _print(messages, empty)


@quarantine.command()
@click.argument("name", metavar="ID", callback=read_by(parse_id))
@click.option("--body", "with_body", is_flag=True, help="Show the whole message, as text.")
@click.option("--raw", is_flag=True, help="Write the message as it is, into a file or a pipe.")
@pass_invocation
def show(invocation: Invocation, name: int, *, with_body: bool, raw: bool) -> None:
    """Show a message: envelope, origin, reason, header."""
    if raw and (with_body or invocation.as_json):
        raise click.UsageError("--raw goes without --body and --json.")
    if raw and _is_screen():
        raise click.UsageError("--raw writes what the sender wrote, and may command a terminal: say > FILE.")
    with _opened(invocation) as hand:
        found, _ = finished(hand.page(Selection((name,))))
        listed, message = finished(hand.messages(found)), finished(hand.message(name))
        if not listed or message is None:
            raise click.ClickException(f"not in quarantine: {id_text(name)}")
        if raw:
            _write(hand, message)
        elif invocation.as_json:
            texts = {"header": legible(message.header.decode("utf-8", "replace"))}
            if with_body:
                texts["body"] = "".join(_text(hand, message))
            print_json(asdict(listed[0]) | texts)
        else:
            _show(hand, listed[0], message, with_body=with_body)


def _show(hand: Quarantine, listed: QueuedMessage, message: Message, *, with_body: bool) -> None:
    click.echo(described(listed) + "\n")
    click.echo(legible(message.header.decode("utf-8", "replace")), nl=False)
    for text in _text(hand, message) if with_body else ():
        click.echo(text, nl=False)


def _text(hand: Quarantine, message: Message) -> Iterator[str]:
    """Yield the body as text, without what could command a terminal."""
    decoder = getincrementaldecoder("utf-8")("replace")
    for block in _blocks(hand, message):
        yield legible(decoder.decode(block))
    yield legible(decoder.decode(b"", final=True))


def _write(hand: Quarantine, message: Message) -> None:
    click.echo(message.header, nl=False)
    for block in _blocks(hand, message):
        click.echo(block, nl=False)


def _blocks(hand: Quarantine, message: Message) -> Iterator[bytes]:
    for offset in range(0, message.body.size, _BLOCK):
        yield finished(hand.read(message.body, offset, _BLOCK))


def _messages(hand: Quarantine, selection: Selection) -> Iterator[QueuedMessage]:
    after: int | None = -1
    while after is not None:
        page, after = finished(hand.page(selection, after))
        yield from finished(hand.messages(page))


def _print(messages: Iterator[QueuedMessage], empty: str) -> None:
    """Print each message as soon as it is read: in few columns on a screen, in a long line for programs."""
    now, number, is_screen = time.time(), 0, _is_screen()
    for message in messages:
        if not (number or is_screen):
            click.echo(heading())
        number += 1
        click.echo("\n".join(map(printable, lines(message, now) if is_screen else [row(message, now)])))
    if is_screen or not number:
        click.echo(f"{number} message{'' if number == 1 else 's'}." if number else empty)


def _is_screen() -> bool:
    return sys.stdout.isatty()
