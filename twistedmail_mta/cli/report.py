"""`mta report`: what others report of mail in our domains' names, and of TLS on its way here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Any, BinaryIO

import click

from twistedmail_mta.cli.report_file import read_documents
from twistedmail_mta.cli.report_screen import print_rows
from twistedmail_mta.cli.report_selection import nothing, selected, wanted_by
from twistedmail_mta.cli.report_summary import summary
from twistedmail_mta.cli.report_text import LISTED, MOST_LINES, heading, lines_of, listed_row
from twistedmail_mta.cli.site import Invocation, pass_invocation, print_json, print_json_list, printable
from twistedmail_mta.reported.summary import Listed, reports, whole, whole_entry


@click.group()
def report() -> None:
    """Read what others report about our domains.

    DMARC aggregate reports say who sends mail in a domain's name; TLS reports
    say whether others could reach its hosts as securely as it asks for.  They
    come by mail to the accounts that [reports] inbox names, and are read there.
    """


report.add_command(summary)


@report.command(name="list")
@selected
@pass_invocation
def list_(invocation: Invocation, /, **chosen: Any) -> None:  # noqa: ANN401 - see `wanted_by`
    """List the reports, those about the latest times first."""
    wanted = wanted_by(**chosen)
    with invocation.database() as database:
        read = database.read
        found = _pages(lambda before: read(partial(reports, wanted=wanted, before=before)))
        if invocation.as_json:
            print_json_list(map(asdict, found))
        else:
            print_rows(LISTED, [listed_row(each) for each in found], nothing(invocation))


def _pages(page: Callable[[tuple[int, int] | None], list[Listed]]) -> Iterator[Listed]:
    before: tuple[int, int] | None = None
    while found := page(before):
        yield from found
        before = found[-1].ends_at, found[-1].id


@report.command()
@click.argument("number", metavar="ID", type=click.IntRange(1, (1 << 63) - 1))
@pass_invocation
def show(invocation: Invocation, number: int) -> None:
    """Show a report, as `mta report list` calls it."""
    with invocation.database() as database:
        found = database.read(partial(whole, report=number))
    if found is None:
        raise click.ClickException(f"there is no report {number}")
    if invocation.as_json:
        print_json(found)
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    for line in heading(found):
        click.echo(printable(line))
    click.echo()
    columns, rows = lines_of(found)
    print_rows(columns, rows, "Nothing is counted.")
    more = len(found["lines"]) - MOST_LINES
    if more > 0:
        click.echo(f"and {more} more: --json prints all")


@report.command()
@click.argument("file", type=click.File("rb"))
@pass_invocation
def read(invocation: Invocation, file: BinaryIO) -> None:
    """Read the reports in a FILE, or - for standard input.

    It may be XML or JSON, packed or not, or a mail with reports; needs
    neither site file nor server, and keeps nothing.  Exit status 1: a report
    can't be read, or there is none.
    """
    documents = read_documents(file)
    found = [whole_entry(each.entry) for each in documents if each.entry is not None]
    problems = [{"name": each.name, "problem": each.problem} for each in documents if each.entry is None]
    if invocation.as_json:
        left_out = sum(each.left_out for each in documents)
        print_json({"reports": found, "problems": problems, "left_out": left_out})
    else:
        for each in found:
            _print(each)
    for problem in problems:
        click.echo(printable(f"{problem['name']}: {problem['problem']}"), err=True)
    sys.exit(1 if problems or not found else 0)
