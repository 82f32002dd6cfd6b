"""`mta queue`: the mail that waits, and what an operator can do about it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import wraps
from typing import Concatenate, Final, ParamSpec

import click

from twistedmail_mta.cli.offline import finished, queue_control
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_table, printable
from twistedmail_mta.config.units import format_size
from twistedmail_mta.config.values import domain_name
from twistedmail_mta.model import id_text, parse_id
from twistedmail_mta.spool.control import QueueControl
from twistedmail_mta.spool.operator import QueuedMessage, QueuedRecipient
from twistedmail_mta.spool.operator_change import Action
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.sync import SyncDatabase

P = ParamSpec("P")

_PAGE: Final = 100
_DONE: Final = {"retry": "due now", "hold": "on hold", "release": "released", "delete": "deleted"}
_NONE: Final = {
    "retry": "Nothing that matches waits for an attempt; what is on hold goes on with `release`.",
    "hold": "Nothing that matches is in the queue and not on hold yet.",
    "release": "Nothing that matches is on hold.",
    "delete": "Nothing that matches is in the queue.",
}


def _ids(_: click.Context, __: click.Parameter, values: Sequence[str]) -> tuple[int, ...]:
    try:
        return tuple(parse_id(value) for value in values)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _domain(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    try:
        return value and domain_name(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _selected(function: Callable[Concatenate[Invocation, Selection, P], None]) -> Callable[..., None]:
    """Give a command the options that say which recipients are meant, as a `Selection`."""

    @wraps(function)
    def with_selection(
        invocation: Invocation,
        /,
        ids: tuple[int, ...],
        to: str | None,
        sender: str | None,
        domain: str | None,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        function(invocation, Selection(ids or None, to, sender, domain), *args, **kwargs)

    decorated = pass_invocation(with_selection)
    for option in (
        click.option("--domain", metavar="NAME", callback=_domain, help="Recipients at this domain."),
        click.option("--from", "sender", metavar="PATTERN", help='Senders, such as "*@example.org" or "<>".'),
        click.option("--to", metavar="PATTERN", help='Recipients, such as "*@example.net".'),
        click.argument("ids", metavar="[ID ...]", nargs=-1, callback=_ids),
    ):
        decorated = option(decorated)
    return decorated


@contextmanager
def _control(invocation: Invocation) -> Iterator[QueueControl]:
    state_dir = invocation.state_dir()
    with SyncDatabase(state_dir / DATABASE_NAME) as database:
        yield queue_control(database, state_dir)


@click.group()
def queue() -> None:
    """Look at the mail that waits, and act on it.

    An ID names a message; all that is given must apply.  Of a message that is
    being delivered now, hold and delete take effect when that attempt ends.
    """


@queue.command(name="list")
@_selected
def list_(invocation: Invocation, selection: Selection) -> None:
    """List the messages, oldest first."""
    with _control(invocation) as control:
        if invocation.as_json:
            print_json([asdict(message) for message in _messages(control, selection)])
            return
        empty = "The queue is empty." if selection == Selection() else "Nothing in the queue matches."
        if _is_screen():
            _print_for_screen(_messages(control, selection), empty)
            return
        now = time.time()
        rows = [row for message in _messages(control, selection) for row in _rows(message, now)]
    print_table(["ID", ">Size", ">Age", "From", "To", "State", "Next try", "Last answer"], rows, empty)


@queue.command()
@click.argument("ids", metavar="ID ...", nargs=-1, required=True, callback=_ids)
@pass_invocation
def show(invocation: Invocation, ids: tuple[int, ...]) -> None:
    """Show everything about messages."""
    with _control(invocation) as control:
        messages = list(_messages(control, Selection(ids)))
    if invocation.as_json:
        print_json([asdict(message) for message in messages])
    else:
        for place, message in enumerate(messages):
            click.echo(("\n" if place else "") + _described(message))
    if len(messages) < len(set(ids)):
        raise click.ClickException("not in the queue: " + ", ".join(_missing(ids, messages)))


@queue.command()
@_selected
@click.option("--all", "all_", is_flag=True, help="Everything in the queue.")
def retry(invocation: Invocation, selection: Selection, *, all_: bool) -> None:
    """Try now what waits for its next attempt."""
    _change(invocation, "retry", selection, all_=all_)


@queue.command()
@_selected
@click.option("--all", "all_", is_flag=True, help="Everything in the queue.")
def hold(invocation: Invocation, selection: Selection, *, all_: bool) -> None:
    """Stop attempts until the message is released; time on hold doesn't count."""
    _change(invocation, "hold", selection, all_=all_)


@queue.command()
@_selected
@click.option("--all", "all_", is_flag=True, help="Everything in the queue.")
def release(invocation: Invocation, selection: Selection, *, all_: bool) -> None:
    """Let held messages go on."""
    _change(invocation, "release", selection, all_=all_)


@queue.command()
@_selected
@click.option("--all", "all_", is_flag=True, help="Everything in the queue.")
def delete(invocation: Invocation, selection: Selection, *, all_: bool) -> None:
    """Delete messages; nobody is told."""
    _change(invocation, "delete", selection, all_=all_)


def _change(invocation: Invocation, action: Action, selection: Selection, *, all_: bool) -> None:
    if (selection == Selection()) is not all_:
        raise click.UsageError("Say which messages: IDs, --to, --from or --domain; or --all alone.")
    with _control(invocation) as control:
        number = finished(control.change(action, selection))
    if invocation.as_json:
        print_json({"action": action, "recipients": number})
    else:
        click.echo(f"{number} recipient{'' if number == 1 else 's'} {_DONE[action]}." if number else _NONE[action])


def _messages(control: QueueControl, selection: Selection) -> Iterator[QueuedMessage]:
    after: int | None = -1
    while after is not None:
        page, after = finished(control.messages(selection, after, _PAGE))
        yield from page


def _is_screen() -> bool:
    return sys.stdout.isatty()


def _print_for_screen(messages: Iterator[QueuedMessage], empty: str) -> None:
    """Print each message as soon as it is read, on lines that fit a narrow screen."""
    now, number = time.time(), 0
    for message in messages:
        number += 1
        click.echo("\n".join(printable(line) for line in _lines(message, now)))
    click.echo(f"{number} message{'' if number == 1 else 's'}." if number else empty)


def _lines(message: QueuedMessage, now: float) -> Iterator[str]:
    age = f"{_span(now - message.received_at)} old"
    yield f"{message.id}  {format_size(message.size):>8}  {age:>8}  from <{message.sender}>"
    for recipient in message.recipients:
        yield f"    {recipient.address}: {_prospect(recipient, now)}"
        if recipient.reply:
            yield f"        {recipient.reply}"


def _prospect(recipient: QueuedRecipient, now: float) -> str:
    next_try = _next_try(recipient, now)
    return _state(recipient) + (f", next try {next_try}" if next_try else "")


def _rows(message: QueuedMessage, now: float) -> Iterator[list[str]]:
    first = [message.id, format_size(message.size), _span(now - message.received_at), f"<{message.sender}>"]
    for recipient in message.recipients:
        yield [*first, recipient.address, _state(recipient), _next_try(recipient, now), recipient.reply]
        first = ["", "", "", ""]


def _state(recipient: QueuedRecipient) -> str:
    return f"{recipient.state}, {recipient.wish} wished" if recipient.wish else recipient.state


def _next_try(recipient: QueuedRecipient, now: float) -> str:
    if recipient.state != "waiting":
        return ""
    return "now" if recipient.due <= now else f"in {_span(recipient.due - now)}"


def _described(message: QueuedMessage) -> str:
    now = time.time()
    lines = [
        f"{message.id}: {format_size(message.size)} from <{message.sender}>",
        f"  accepted  {_moment(message.received_at)}, {_span(now - message.received_at)} ago",
        f"  came from {message.peer or 'this server'}" + (f", login {message.account}" if message.account else ""),
    ]
    for recipient in message.recipients:
        lines += _described_recipient(recipient, now)
    return "\n".join(printable(line) for line in lines)


def _described_recipient(recipient: QueuedRecipient, now: float) -> Iterator[str]:
    yield f"  to {recipient.address}: {_prospect(recipient, now)}"
    if recipient.attempted_at is not None:
        times = "once" if recipient.attempts == 1 else f"{recipient.attempts} times, last"
        yield f"     tried {times} {_moment(recipient.attempted_at)}"
        yield f"     {recipient.remote or 'nobody reached'}: {recipient.reply}"


def _missing(ids: Sequence[int], messages: Sequence[QueuedMessage]) -> list[str]:
    found = {message.id for message in messages}
    return [text for text in map(id_text, ids) if text not in found]


def _moment(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at))


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"
