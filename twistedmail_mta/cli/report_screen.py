"""Rows of many columns on a screen that has no room for them side by side."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Final

import click

from twistedmail_mta.cli.site import print_table, printable

WIDE: Final = 140
"""Columns of a screen on which tables are printed all the same."""
_INDENT: Final = " " * 10
_OWN_LINE: Final = frozenset({"Meaning", "Why", "Reason"})
"""Columns that are sentences."""


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """Print rows: as a table where there is room or nobody looks, else each on a few lines.

    Args:
        columns: the headings; one that begins with ">" is a number.
        rows: the texts.
        empty: printed instead when there are no rows.
    """
    width = _narrow_width()
    if width is None or not rows:
        print_table(columns, rows, empty)
        return
    for row in rows:
        for line in lines_of_row(columns, row, width):
            click.echo(line)


def _narrow_width() -> int | None:
    """Return how many columns a screen has that is too narrow; None for all others, and where there is none."""
    width = shutil.get_terminal_size().columns
    return width if sys.stdout.isatty() and width < WIDE else None


def lines_of_row(columns: Sequence[str], row: Sequence[str], width: int) -> Iterator[str]:
    """Yield a row: the first number and the first text, then what else there is, with its name, then sentences."""
    cells = [
        (heading.lstrip(">"), printable(text), heading.startswith(">"))
        for heading, text in zip(columns, row, strict=True)
    ]
    number = next((text for _, text, is_number in cells if is_number), "")
    name = next((text for _, text, is_number in cells if not is_number), "")
    yield f"{number:>8}  {name}"
    rest = list(cells)
    rest.remove(next(each for each in rest if each[2]))
    rest.remove(next(each for each in rest if not each[2]))
    said = [(heading, text) for heading, text, _ in rest if text != "-"]
    words = ", ".join(f"{heading} {text}" for heading, text in said if heading not in _OWN_LINE)
    for text in (words, *(text for heading, text in said if heading in _OWN_LINE)):
        yield from wrap(text, max(40, width - 1), initial_indent=_INDENT, subsequent_indent=_INDENT + "  ")
