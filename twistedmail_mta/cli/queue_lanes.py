"""`mta queue lanes`: the lines in which a running server has mail waiting for its next hops."""

from __future__ import annotations

import click

from twistedmail_mta.cli.queue_text import span
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_table
from twistedmail_mta.control.client import tell
from twistedmail_mta.control.wire import Object

STOPPED = "No server runs, so there are no lanes; `mta queue summary --by lane` shows what waits for whom."


@click.command()
@pass_invocation
def lanes(invocation: Invocation) -> None:
    """List the lanes of the running server, those with most work first.

    A lane is a next hop, or all that share its MX hosts: how many transfers
    run in it and how many may, how many wait for their turn, and what the
    next hop said last.  The exit status is 1 where no server runs.
    """
    answer = tell(invocation.state_dir(), "site.figures")
    if invocation.as_json:
        print_json({"running": answer is not None, **(_NONE if answer is None else answer["lanes"])})
        if answer is None:
            raise click.exceptions.Exit(1)
    elif answer is None:
        raise click.ClickException(STOPPED)
    else:
        _print(answer["lanes"])


_NONE: Object = {"number": 0, "transfers": 0, "waiting": 0, "recipients": 0, "troubles": [], "listed": []}


def _print(told: Object) -> None:
    headings = ["Lane", "State", ">Busy", ">Waiting", ">Recipients", "Last reply"]
    print_table(headings, [_row(lane) for lane in told["listed"]], "No lane has work.")
    if told["number"] > len(told["listed"]):
        click.echo(f"And {told['number'] - len(told['listed'])} more.")
    for trouble in told["troubles"]:
        click.echo(f"Nothing is sent until this is over: {trouble}.", err=True)


def _row(lane: Object) -> list[str]:
    busy = f"{lane['running']}/{lane['allowed']}"
    return [lane["name"], lane_state(lane), busy, str(lane["waiting"]), str(lane["recipients"]), lane["said"]]


def lane_state(lane: Object) -> str:
    """Return in what state a lane is, as `site.figures` tells of it, and for how long if it rests."""
    rest = lane["rest"]
    if lane["dead"]:
        return f"dead {span(rest)}"
    if rest >= 1:
        return f"rests {span(rest)}"
    return "crowded" if lane["crowded"] else "open"
