"""`mta queue retry`, `hold`, `release`, `delete`, `bounce` and `reroute`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

import click

from twistedmail_mta.cli.offline import finished
from twistedmail_mta.cli.queue_progress import shown
from twistedmail_mta.cli.queue_selection import controlled, count_of, read_by, selected_or_all
from twistedmail_mta.cli.queue_text import moment
from twistedmail_mta.cli.site import Invocation, print_json
from twistedmail_mta.cli.times import parse_coming
from twistedmail_mta.model import TLSLevel, Via
from twistedmail_mta.routes import chosen_hop, hop_text
from twistedmail_mta.spool.control import QueueControl
from twistedmail_mta.spool.operator_change import Action
from twistedmail_mta.spool.operator_selection import Selection

_DONE: Final = {
    "retry": "due now",
    "hold": "on hold",
    "release": "released",
    "delete": "deleted",
    "bounce": "given up; senders are told as of any failure",
}
_NAMED: Final = 10
"""Messages in quarantine that are named when somebody wants something else of them."""
_NONE: Final = {
    "retry": "Nothing that matches waits for an attempt; what is on hold goes on with `release`.",
    "hold": "Nothing that matches is in the queue and not on hold yet.",
    "release": "Nothing that matches is on hold.",
    "delete": "Nothing that matches is in the queue.",
    "bounce": "Nothing that matches is in the queue and has not failed yet.",
}


@click.command()
@selected_or_all
@click.option("--at", metavar="TIME", callback=read_by(parse_coming), help='Not now, but in "2h", or at "14:05".')
def retry(invocation: Invocation, selection: Selection, at: float | None) -> None:
    """Try now what waits for its next attempt, or set when it is to be tried.

    The time that it waits until then counts as its age; after an attempt
    beyond its lifetime it is given up.
    """
    if at is None:
        _change(invocation, "retry", selection)
    else:
        _postpone(invocation, selection, at)


def _postpone(invocation: Invocation, selection: Selection, due: float) -> None:
    with controlled(invocation) as control:
        _leave_quarantine_alone(control, selection)
        with _shown(control, selection, "retry") as advance:
            number = finished(control.postpone(due, selection, advance))
    if invocation.as_json:
        print_json({"action": "retry", "at": due, "recipients": number})
    else:
        click.echo(f"{count_of(number)} due {moment(due)}." if number else _NONE["retry"])


@click.command()
@selected_or_all
def hold(invocation: Invocation, selection: Selection) -> None:
    """Stop attempts until release; time on hold doesn't count."""
    _change(invocation, "hold", selection)


@click.command()
@selected_or_all
def release(invocation: Invocation, selection: Selection) -> None:
    """Let held messages go on."""
    _change(invocation, "release", selection)


@click.command()
@selected_or_all
def delete(invocation: Invocation, selection: Selection) -> None:
    """Delete messages; nobody is told."""
    _change(invocation, "delete", selection)


@click.command()
@selected_or_all
def bounce(invocation: Invocation, selection: Selection) -> None:
    """Give up messages; their senders are told as of any failure."""
    _change(invocation, "bounce", selection)


@click.command()
@selected_or_all
@click.option("--via", metavar="HOP", help='Where to, such as "smtp://relay.example.net:25".')
@click.option("--tls", type=click.Choice(["none", "opportunistic", "required"]), help="What is demanded there.")
@click.option("--back", is_flag=True, help="Go the way of the site file again.")
def reroute(invocation: Invocation, selection: Selection, via: str | None, tls: TLSLevel | None, *, back: bool) -> None:
    """Send messages another way, beginning now."""
    if (via is None) is not back or (back and tls is not None):
        raise click.UsageError("Say --via HOP, with --tls if need be; or --back alone.")
    demanded: TLSLevel = tls or "opportunistic"
    way = None if via is None else _hop(via, demanded)
    with controlled(invocation) as control:
        _leave_quarantine_alone(control, selection)
        with _shown(control, selection, "reroute") as advance:
            number = finished(control.reroute(way, demanded, selection, advance))
    if invocation.as_json:
        print_json({"action": "reroute", "via": way, "recipients": number})
    else:
        where = f"by way of {way}" if way else "the way of the site file"
        click.echo(f"{count_of(number)} sent {where}." if number else "Nothing that matches is in the queue.")


def _hop(via: str, tls: TLSLevel) -> str:
    try:
        route = chosen_hop(Via(via, tls))
    except ValueError as error:
        raise click.UsageError(f"--via: {error}") from error
    if route.mx:
        raise click.UsageError("--via: name a host, such as smtp://relay.example.net:25.")
    return hop_text(route)


def _leave_quarantine_alone(control: QueueControl, selection: Selection) -> None:
    """Say so when somebody names what only `mta quarantine` lets go or deletes; nothing is done then."""
    if selection.ids is None:
        return
    named, _ = finished(control.messages(Selection(selection.ids, quarantined=True), limit=_NAMED))
    if named:
        ids = " ".join(message.id for message in named)
        raise click.ClickException(f"in quarantine, so nothing was done: {ids}; see `mta quarantine --help`")


def _shown(control: QueueControl, selection: Selection, action: str) -> AbstractContextManager[Callable[[int], None]]:
    return shown(action, lambda: finished(control.how_many(selection)))


def _change(invocation: Invocation, action: Action, selection: Selection) -> None:
    with controlled(invocation) as control:
        _leave_quarantine_alone(control, selection)
        with _shown(control, selection, action) as advance:
            number = finished(control.change(action, selection, advance))
    if invocation.as_json:
        print_json({"action": action, "recipients": number})
    else:
        click.echo(f"{count_of(number)} {_DONE[action]}." if number else _NONE[action])
