"""The options that say which recipients an operator means."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import click

from twistedmail_mta.cli.offline import queue_control
from twistedmail_mta.cli.site import Invocation, pass_invocation
from twistedmail_mta.config.units import parse_duration
from twistedmail_mta.config.values import domain_name
from twistedmail_mta.directory.accounts import account_name
from twistedmail_mta.model import parse_id
from twistedmail_mta.spool.control import QueueControl
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.sync import SyncDatabase

P = ParamSpec("P")
T = TypeVar("T")
Options = Sequence[Callable[[Callable[..., Any]], Callable[..., Any]]]


def read_by(reader: Callable[[str], T]) -> Callable[[click.Context, click.Parameter, str | None], T | None]:
    """Return a callback for click that reads a value; the `ValueError` of `reader` tells of a mistake."""

    def read(_: click.Context, __: click.Parameter, value: str | None) -> T | None:
        try:
            return None if value is None else reader(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return read


def read_ids(_: click.Context, __: click.Parameter, values: Sequence[str]) -> tuple[int, ...]:
    """Read queue ids, as a callback for click."""
    try:
        return tuple(parse_id(value) for value in values)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _before(duration: str) -> float:
    return time.time() - parse_duration(duration)


_OLDER = click.option(
    "--older",
    "before",
    metavar="DURATION",
    callback=read_by(_before),
    help='Accepted that long ago or longer, as "4h".',
)
_REASON = click.option(
    "--reason",
    metavar="REASON",
    help='Last answer: its class, or a pattern, as "*mailbox full*"; also of why a plugin had it held.',
)
_OTHERS = (
    click.option("--account", metavar="NAME", callback=read_by(account_name), help="Submitted by this login."),
    click.option("--domain", metavar="NAME", callback=read_by(domain_name), help="Recipients at this domain."),
    click.option("--from", "sender", metavar="PATTERN", help='Senders, such as "*@example.org" or "<>".'),
)
_TO = click.option("--to", metavar="PATTERN", help='Recipients, such as "*@example.net".')
_IDS = click.argument("ids", metavar="[ID ...]", nargs=-1, callback=read_ids)
_QUARANTINE_REASON = click.option("--reason", metavar="TEXT", help="Quarantined for a reason with this text in it.")

QUEUE: Final = (_OLDER, _REASON, *_OTHERS, _TO, _IDS)
QUARANTINE: Final = (_OLDER, _QUARANTINE_REASON, *_OTHERS, _TO, _IDS)
BUT_RECIPIENTS: Final = (_OLDER, _QUARANTINE_REASON, *_OTHERS, _IDS)
"""For a command whose --to says something else."""


def selected(
    function: Callable[Concatenate[Invocation, Selection, P], None], options: Options = QUEUE
) -> Callable[..., None]:
    """Give a command the options that say which recipients are meant, as a `Selection`."""

    @wraps(function)
    def with_selection(  # noqa: PLR0913, PLR0917 - one for each option
        invocation: Invocation,
        /,
        ids: tuple[int, ...],
        sender: str | None,
        domain: str | None,
        account: str | None,
        reason: str | None,
        before: float | None,
        to: str | None = None,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        wanted = Selection(ids or None, to, sender, domain, account, reason, before)
        function(invocation, wanted, *args, **kwargs)

    decorated = pass_invocation(with_selection)
    for option in options:
        decorated = option(decorated)
    return decorated


def selected_or_all(
    function: Callable[Concatenate[Invocation, Selection, P], None], options: Options = QUEUE
) -> Callable[..., None]:
    """As `selected`, for commands that change what is meant: everything must be asked for with --all."""

    @wraps(function)
    def checked(  # click passes the flag by its name
        invocation: Invocation,
        selection: Selection,
        /,
        all_: bool,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> None:
        if (selection == Selection()) is not all_:
            to = "" if options is BUT_RECIPIENTS else " --to,"
            raise click.UsageError(
                f"Say which messages: IDs,{to} --from, --domain, --account, --reason or --older; or --all alone."
            )
        function(invocation, selection, *args, **kwargs)

    what = "the queue" if options is QUEUE else "quarantine"
    return selected(click.option("--all", "all_", is_flag=True, help=f"Everything in {what}.")(checked), options)


@contextmanager
def controlled(invocation: Invocation) -> Iterator[QueueControl]:
    """Open the queue of the site."""
    state_dir = invocation.state_dir()
    with SyncDatabase(state_dir / DATABASE_NAME) as database:
        yield queue_control(database, state_dir)


def count_of(number: int) -> str:
    """Return a number of recipients in words."""
    return f"{number} recipient{'' if number == 1 else 's'}"
