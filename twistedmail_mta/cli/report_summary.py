"""`mta report summary`: who sends in a domain's name, and how others reach its hosts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, Generic, TypeVar

import click

from twistedmail_mta.cli.report_screen import print_rows
from twistedmail_mta.cli.report_selection import nothing, selected, wanted_by
from twistedmail_mta.cli.report_text import SESSIONS, SOURCES, sessions_row, source_row
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, printable
from twistedmail_mta.reported.entry import SUCCESS
from twistedmail_mta.reported.summary import Count, Sessions, Source, Wanted, count, sessions, sources
from twistedmail_mta.reported.words import result_in_words, source_in_words

T = TypeVar("T", Source, Sessions)


@dataclass(slots=True)
class _Group(Generic[T]):
    """What is told of a domain.

    Attributes:
        domain: which.
        counted: messages, or sessions.
        good: those of them that passed.
        shown: those that are worth a line.
        more: how many lines were left out.
    """

    domain: str
    counted: int = 0
    good: int = 0
    shown: list[T] = field(default_factory=list)
    more: int = 0

    def add(self, each: T, limit: int) -> None:
        """Take what is told next."""
        if isinstance(each, Source):
            self.counted += each.messages
            self.good += each.passed
        else:
            self.counted += each.sessions
            self.good += each.sessions if each.result == SUCCESS else 0
        if len(self.shown) < limit:
            self.shown.append(each)
        else:
            self.more += 1


@click.command()
@selected
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="That many lines for a domain.")
@click.option("--unproven", is_flag=True, help="Count reports, too, that their senders haven't signed.")
@pass_invocation
def summary(invocation: Invocation, /, *, limit: int, unproven: bool, **chosen: Any) -> None:  # noqa: ANN401 - see `wanted_by`
    """Sum up who sends in a domain's name, and TLS to its hosts.

    Reports that aren't signed by their sender may be anybody's, and don't
    count unless --unproven is given.
    """
    wanted = wanted_by(**chosen, proven=not unproven)
    with invocation.database() as database:
        senders = database.read(lambda tx: _grouped(sources(tx, wanted), limit))
        hosts = database.read(lambda tx: _grouped(sessions(tx, wanted), limit))
        number = database.read(partial(count, wanted=wanted_by(**chosen)))
    if invocation.as_json:
        print_json(_as_json(wanted, number, senders, hosts))
    elif number.reports:
        _print_count(number, chosen["days"], unproven=unproven)
        _print_senders(senders)
        _print_hosts(hosts)
    else:
        click.echo(nothing(invocation))


def _grouped(found: Iterable[T], limit: int) -> list[_Group[T]]:
    groups = []
    for domain, lines in groupby(found, lambda each: each.domain):
        group: _Group[T] = _Group(domain)
        for each in lines:
            group.add(each, limit)
        groups.append(group)
    return groups


def _print_count(number: Count, days: int, *, unproven: bool) -> None:
    counts = number.reports if unproven else number.proven
    click.echo(f"{counts} report{'' if counts == 1 else 's'} about the last {days} days")
    if counts < number.reports:
        left_out = number.reports - counts
        click.echo(f"not counted: {left_out} that may be anybody's, since no sender has signed them (--unproven)")


def _print_senders(groups: Sequence[_Group[Source]]) -> None:
    for group in groups:
        click.echo()
        click.echo(printable(f"Mail in the name of {group.domain}: {group.good} of {group.counted} pass"))
        print_rows(SOURCES, [source_row(each) for each in group.shown], "")
        _print_more(group.more, "senders")


def _print_hosts(groups: Sequence[_Group[Sessions]]) -> None:
    for group in groups:
        click.echo()
        click.echo(printable(f"TLS on the way to {group.domain}: {group.good} of {group.counted} sessions were right"))
        print_rows(SESSIONS, [sessions_row(each) for each in group.shown], "")
        _print_more(group.more, "results")


def _print_more(more: int, what: str) -> None:
    if more:
        click.echo(f"and {more} more {what} (--limit)")


def _as_json(
    wanted: Wanted, number: Count, senders: Sequence[_Group[Source]], hosts: Sequence[_Group[Sessions]]
) -> dict[str, Any]:
    return {
        "since": wanted.since,
        "reports": number.reports,
        "proven": number.proven,
        "counted": number.proven if wanted.proven else number.reports,
        "dmarc": [
            {
                "domain": group.domain,
                "messages": group.counted,
                "passed": group.good,
                "sources": [{**asdict(each), "meaning": source_in_words(each)} for each in group.shown],
                "more": group.more,
            }
            for group in senders
        ],
        "tls": [
            {
                "domain": group.domain,
                "sessions": group.counted,
                "successful": group.good,
                "results": [{**asdict(each), "meaning": result_in_words(each.result)} for each in group.shown],
                "more": group.more,
            }
            for group in hosts
        ],
    }
