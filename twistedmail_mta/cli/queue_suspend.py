"""`mta queue suspend`, `resume` and `suspended`."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import click

from twistedmail_mta.cli.offline import finished
from twistedmail_mta.cli.queue_progress import shown
from twistedmail_mta.cli.queue_selection import controlled, count_of, read_by
from twistedmail_mta.cli.queue_text import moment
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_table
from twistedmail_mta.config.values import domain_name
from twistedmail_mta.directory.accounts import account_name
from twistedmail_mta.model import Suspended, Suspension, Via
from twistedmail_mta.routes import FILTER, chosen_hop, hop_text
from twistedmail_mta.spool.control import QueueControl


def _lane(text: str) -> str:
    """Return the name of a lane in its one spelling."""
    if "://" not in text and not text.removeprefix(FILTER).startswith("lmtp+unix:"):
        return text.strip().lower()
    return hop_text(chosen_hop(Via(text)))


def _named(function: Callable[[Invocation, Suspended], None]) -> Callable[..., None]:
    """Give a command the options that name what is suspended."""

    @wraps(function)
    def with_name(
        invocation: Invocation, /, *, domain: str | None, lane: str | None, account: str | None, all_: bool
    ) -> None:
        given = [Suspended("all")] if all_ else []
        given += [Suspended("domain", domain)] if domain else []
        given += [Suspended("lane", lane)] if lane else []
        given += [Suspended("account", account)] if account else []
        if len(given) != 1:
            raise click.UsageError("Say one of --domain, --lane, --account and --all.")
        function(invocation, given[0])

    decorated = pass_invocation(with_name)
    for option in (
        click.option("--all", "all_", is_flag=True, help="Everything."),
        click.option("--account", metavar="NAME", callback=read_by(account_name), help="What this login submitted."),
        click.option(
            "--lane", metavar="HOP", callback=read_by(_lane), help='A next hop, as "summary --by lane" writes it.'
        ),
        click.option("--domain", metavar="NAME", callback=read_by(domain_name), help="Recipients at this domain."),
    ):
        decorated = option(decorated)
    return decorated


@click.command()
@_named
def suspend(invocation: Invocation, what: Suspended) -> None:
    """Begin no attempt at something until it is resumed.

    Attempts that have begun end as they do.  Mail goes on to be accepted, and
    the time it waits doesn't count.  A suspension outlives a restart.
    """
    with controlled(invocation) as control, shown("suspend", lambda: finished(control.would_wait(what))) as advance:
        number = finished(control.suspend(what, advance))
    if invocation.as_json:
        print_json({"suspended": what.kind, "name": what.name, "recipients": number})
    else:
        click.echo(f"Suspended {_words(what)}; {count_of(number)} waiting for that to end.")


@click.command()
@_named
def resume(invocation: Invocation, what: Suspended) -> None:
    """End a suspension; what waits for that goes on."""
    with controlled(invocation) as control:
        with shown("resume", lambda: _waiting(control, what)) as advance:
            number = finished(control.resume(what, advance))
        rest = finished(control.suspended())
    if number is None:
        raise click.ClickException(f"{_words(what)} is not suspended; see `mta queue suspended`")
    if invocation.as_json:
        print_json({"resumed": what.kind, "name": what.name, "recipients": number})
        return
    click.echo(f"Resumed {_words(what)}; {count_of(number)} going on.")
    if rest:
        click.echo("Still suspended: " + ", ".join(_words(suspension.what) for suspension, _ in rest) + ".")


@click.command()
@pass_invocation
def suspended(invocation: Invocation) -> None:
    """List what is suspended, and how much waits for it."""
    with controlled(invocation) as control:
        found = finished(control.suspended())
    if invocation.as_json:
        print_json([_as_json(suspension, number) for suspension, number in found])
        return
    rows = [[_words(each.what), moment(each.since), str(number)] for each, number in found]
    print_table(["Suspended", "Since", ">Waiting"], rows, "Nothing is suspended.")


def _waiting(control: QueueControl, what: Suspended) -> int:
    """Count the recipients that wait for the end of a suspension."""
    return sum(number for each, number in finished(control.suspended()) if each.what == what)


def _words(what: Suspended) -> str:
    return "everything" if what.kind == "all" else f"{what.kind} {what.name}"


def _as_json(suspension: Suspension, number: int) -> dict[str, object]:
    what = suspension.what
    return {"suspended": what.kind, "name": what.name, "since": suspension.since, "recipients": number}
