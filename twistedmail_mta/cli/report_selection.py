"""Which reports of others a command is about."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from twistedmail_mta.cli.hosting import as_domain
from twistedmail_mta.cli.site import Invocation
from twistedmail_mta.reported.summary import Wanted

C = TypeVar("C", bound=Callable[..., Any])

DAYS: Final = 30
_DAY: Final = 86_400
_NONE: Final = "No reports: none has come, or none is meant."
_NO_INBOX: Final = "No reports are read: [reports] inbox in the site file names no account that they come to."


def selected(command: C) -> C:
    """Give a command the options that say which reports are meant."""
    for option in (
        click.option("--from", "source", metavar="NAME", help="From that organization, or that domain's mail."),
        click.option("--kind", type=click.Choice(["dmarc", "tls"]), help="Of that kind alone."),
        click.option("--days", type=click.IntRange(1, 36_500), default=DAYS, show_default=True, help="That far back."),
        click.option("--domain", metavar="NAME", callback=as_domain, help="About that domain, and those below it."),
    ):
        command = option(command)
    return command


def wanted_by(*, days: int, proven: bool = False, **chosen: Any) -> Wanted:  # noqa: ANN401 - what the command line says
    """Return which reports are meant.

    Args:
        days: how far back.
        proven: those alone that their sender has signed.
        chosen: the other options of `selected`.
    """
    return Wanted(since=int(time.time()) - days * _DAY, proven=proven, **chosen)


def nothing(invocation: Invocation) -> str:
    """Return what is to be said where there is no report."""
    return _NONE if invocation.chosen_site().site.reports.inbox else _NO_INBOX
