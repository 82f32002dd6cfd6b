"""`mta trace`: what became of mail, and why."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import click

from twistedmail_mta.cli.queue_selection import read_by
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_table, printable
from twistedmail_mta.cli.times import parse_time
from twistedmail_mta.cli.trace_text import described, row, story_json
from twistedmail_mta.config.values import domain_name
from twistedmail_mta.control.client import RefusedError, tell
from twistedmail_mta.history import query, tables
from twistedmail_mta.history.query import Query
from twistedmail_mta.history.searching import Found, search
from twistedmail_mta.store.aside import look_aside

if TYPE_CHECKING:
    from pathlib import Path

_PAGE: Final = 20
_COLUMNS: Final = ("time", "id", "became", "from", "to")


@click.command()
@click.argument("text", metavar="[QUERY]", required=False)
@click.option("--from", "sender", metavar="ADDRESS", help='Sent by it; "<>": reports.')
@click.option("--to", "recipient", metavar="ADDRESS", help="For it, also by way of an alias.")
@click.option("--message-id", metavar="ID", help="With that Message-ID.")
@click.option("--domain", metavar="NAME", callback=read_by(domain_name), help="From or to somebody there.")
@click.option("--client", metavar="ADDRESS", help="Brought by that host.")
@click.option("--account", metavar="NAME", help="Submitted by that login.")
@click.option("--outcome", type=click.Choice(query.OUTCOMES), help="What became of it, for one recipient at least.")
@click.option("--since", metavar="TIME", callback=read_by(parse_time), help='As "2h" (ago) or "2026-11-30 14:00".')
@click.option("--until", metavar="TIME", callback=read_by(parse_time), help="Likewise.")
@click.option("--limit", type=click.IntRange(1, 1000), default=_PAGE, show_default=True, help="At most so many.")
@click.option("--full", is_flag=True, help="Tell the whole life of each, also if there are several.")
@pass_invocation
@click.pass_context
def trace(  # noqa: PLR0913, PLR0917 - one for each option
    context: click.Context,
    invocation: Invocation,
    text: str | None,
    sender: str | None,
    recipient: str | None,
    message_id: str | None,
    domain: str | None,
    client: str | None,
    account: str | None,
    outcome: str | None,
    since: float | None,
    until: float | None,
    limit: int,
    full: bool,
) -> None:
    """Tell what became of mail, and why.

    QUERY is a queue id, an address, a Message-ID, the address of a client, or
    a domain.  All that is given must apply.  One message is told in full, of
    several there is a page, the newest first.  The exit status is 1 when
    nothing is found.
    """
    said = (
        (query.sender, sender),
        (query.recipient, recipient),
        (query.message_id, message_id),
        (query.domain, domain),
        (query.client, client),
        (query.account, account),
        (query.outcome, outcome),
    )
    conditions = tuple(make(value) for make, value in said if value is not None)
    meant = _anything(text)
    wanted = Query((*meant.conditions, *conditions), meant.ids, since, until)
    found = _look(invocation.state_dir(), wanted, limit)
    if invocation.as_json:
        print_json({"messages": [story_json(each) for each in found.stories], "more": found.more})
    else:
        _print(found, full=full)
    if not found.stories:
        context.exit(1)


def _anything(text: str | None) -> Query:
    try:
        return Query() if text is None else query.anything(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}", param_hint="QUERY") from error


def _look(state_dir: Path, wanted: Query, limit: int) -> Found:
    """Search, after a running server has written what it still has in memory."""
    with suppress(RefusedError):
        tell(state_dir, "history.flush")
    found = look_aside(state_dir / tables.NAME, tables.MIGRATIONS, lambda tx: search(tx, wanted, limit))
    if found is None:
        raise click.ClickException(f"there is no history yet: no {state_dir / tables.NAME}; see [history]")
    return found


def _print(found: Found, *, full: bool) -> None:
    stories = found.stories
    if full or (len(stories) == 1 and not found.more):
        for place, story in enumerate(stories):
            click.echo(("\n" if place else "") + described(story))
    elif stories:
        print_table(_COLUMNS, [row(each) for each in stories], "")
        if sys.stdout.isatty():
            click.echo("`mta trace ID` tells the whole life of one, --full that of each.")
    else:
        click.echo("Nothing in the history matches.")
    if found.more:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.before))
        click.echo(
            printable(f"There may be more: go on with --until '{stamp}', or say more of what you look for."), err=True
        )
