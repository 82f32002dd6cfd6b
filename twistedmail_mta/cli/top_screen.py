"""How a picture of `mta top` fits a screen of any size: lines, each as wide as it may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from twistedmail_mta.cli.top_keys import Key
from twistedmail_mta.cli.top_panes import TITLES, Column, Pane, head_of, panes_of, queue_table, rates_table
from twistedmail_mta.cli.top_picture import Picture

TWO_COLUMNS: Final = 150
"""Columns of a screen from which on panes stand side by side."""
LEAST_PANE: Final = 8
"""Lines of a pane, with title and headings, below which fewer panes are shown."""
GAP: Final = "  "
KEYS: Final = "q quit   s next pane   p pause   arrows scroll"


@dataclass(frozen=True, slots=True)
class View:
    """What somebody looks at.

    Attributes:
        pane: the place of the pane that keys are about.
        offsets: how many rows of each pane are above what is shown.
        paused: the picture stays as it is.
        quitting: they have seen enough.
    """

    pane: int = 0
    offsets: tuple[int, ...] = field(default=(0,) * len(TITLES))
    paused: bool = False
    quitting: bool = False

    def after(self, key: Key, rows: int, page: int) -> View:
        """Return what they look at after a key.

        Args:
            key: which.
            rows: how many the pane has.
            page: how many of them are shown.
        """
        match key:
            case "quit":
                return replace(self, quitting=True)
            case "pause":
                return replace(self, paused=not self.paused)
            case "next" | "previous":
                step = 1 if key == "next" else -1
                return replace(self, pane=(self.pane + step) % len(TITLES))
        step = {"up": -1, "down": 1, "page up": -page, "page down": page, "home": -rows, "end": rows}[key]
        offset = max(0, min(self.offsets[self.pane] + step, rows - page))
        return replace(self, offsets=(*self.offsets[: self.pane], offset, *self.offsets[self.pane + 1 :]))


@dataclass(frozen=True, slots=True)
class Screen:
    """A picture as it fits a screen.

    Attributes:
        lines: what stands on it.
        rows: how many rows the pane in view has.
        page: how many of them are shown.
    """

    lines: list[Text]
    rows: int
    page: int


def screen_of(picture: Picture, view: View, width: int, height: int) -> Screen:
    """Fit a picture to a screen.

    Args:
        picture: what is shown.
        view: what of it is looked at.
        width: of the screen, in columns.
        height: in lines.
    """
    panes = panes_of(picture)
    head = list(_head(picture, paused=view.paused))
    room = max(3, height - len(head) - 2)
    columns = _arranged(view.pane, 2 if width >= TWO_COLUMNS else 1, room)
    all_shown = sum(map(len, columns)) == len(panes)
    room_across = (width - len(GAP) * (len(columns) - 1)) // len(columns)
    blocks = [_column(panes, places, view, room_across, room) for places in columns]
    body = blocks[0] if len(blocks) == 1 else _side_by_side(blocks, room_across)
    focused = next(places for places in columns if view.pane in places)
    page = max(1, _heights(room, len(focused))[focused.index(view.pane)] - 2)
    lines = [*head, Text() if all_shown else _tabs(view.pane), *body, _footer(view, width)]
    return Screen([_cut(line, width) for line in lines[:height]], len(panes[view.pane].rows), page)


def plain(picture: Picture, width: int, most: int) -> Iterator[Text]:
    """Yield a picture as lines for a pipe, or for a screen on which it stays.

    Args:
        picture: what is shown.
        width: of a line, in columns.
        most: rows of each pane.
    """
    yield from _head(picture)
    for pane in panes_of(picture):
        yield Text()
        yield Text(pane.title, "bold")
        yield from _table(pane, pane.rows[:most], width, 0)
        if len(pane.rows) > most:
            yield Text(f"and {len(pane.rows) - most} more")


def _head(picture: Picture, *, paused: bool = False) -> Iterator[Text]:
    first, *rest = head_of(picture, paused=paused)
    yield Text(first, "bold")
    for line in rest:
        yield Text(line, "bold red" if line.startswith("NOTHING") else "")
    rates, queue = rates_table(picture), queue_table(picture)
    if rates:
        widths = [max(len(row[n]) for row in rates) for n in range(len(rates[0]))]
        left = [GAP.join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rates]
        for line, number in zip(left, ["In the queue", *_queue_in_rows(queue, len(left) - 1)], strict=True):
            yield Text(f"{line}{GAP * 2}{number}", "bold" if number == "In the queue" else "")
    else:
        yield Text("In the queue", "bold")
        yield Text(GAP.join(f"{name} {number}" for name, number in queue))


def _queue_in_rows(queue: Sequence[tuple[str, str]], rows: int) -> list[str]:
    """Return the numbers of the queue on so many lines, two on one where there are more numbers than lines."""
    columns = [_aligned(queue[place : place + rows]) for place in range(0, len(queue), rows)]
    return [GAP.join(cells).rstrip() for cells in zip_longest(*columns, fillvalue="")]


def _aligned(numbers: Sequence[tuple[str, str]]) -> list[str]:
    names, digits = max(len(name) for name, _ in numbers), max(len(number) for _, number in numbers)
    return [f"{name:<{names}} {number:>{digits}}" for name, number in numbers]


def _arranged(focus: int, columns: int, room: int) -> list[list[int]]:
    """Return which panes stand in which column, from top to bottom; the one in focus is always there."""
    fit = max(1, room // LEAST_PANE) * columns
    number = len(TITLES)
    places = list(range(number)) if fit >= number else [(focus + n) % number for n in range(fit)]
    rows = -(-len(places) // columns)
    return [column for n in range(columns) if (column := places[n * rows : (n + 1) * rows])]


def _heights(room: int, panes: int) -> list[int]:
    """Return how many lines each pane of a column has."""
    return [room // panes + (1 if n < room % panes else 0) for n in range(panes)]


def _column(panes: Sequence[Pane], places: Sequence[int], view: View, width: int, room: int) -> list[Text]:
    lines: list[Text] = []
    for place, height in zip(places, _heights(room, len(places)), strict=True):
        lines += _block(panes[place], view.offsets[place], width, height, is_focus=place == view.pane)
    return lines


def _block(pane: Pane, offset: int, width: int, height: int, *, is_focus: bool) -> list[Text]:
    """Return a pane as exactly `height` lines."""
    page = max(1, height - 2)
    offset = max(0, min(offset, len(pane.rows) - page))
    shown = pane.rows[offset : offset + page]
    more = f"  {offset + 1}-{offset + len(shown)} of {len(pane.rows)}" if len(shown) < len(pane.rows) else ""
    title = Text(f"[{pane.title}]" if is_focus else f" {pane.title} ", "bold reverse" if is_focus else "bold")
    title.append(more, "not bold not reverse")
    lines = [title, *_table(pane, shown, width, offset)]
    return [*lines, *[Text()] * (height - len(lines))][:height]


def _table(pane: Pane, rows: Sequence[tuple[str, ...]], width: int, offset: int) -> list[Text]:
    if not rows:
        return [Text(pane.empty)]
    widths = _widths(pane.columns, pane.rows, width)
    lines = [Text(_row([column.heading for column in pane.columns], pane.columns, widths), "underline")]
    for place, row in enumerate(rows, offset):
        lines.append(Text(_row(row, pane.columns, widths), "yellow" if place in pane.notable else ""))
    return lines


def _widths(columns: Sequence[Column], rows: Sequence[tuple[str, ...]], width: int) -> list[int]:
    """Return how wide columns are: as their texts, and those that share the rest no wider than they need."""
    wanted = [max(cell_len(column.heading), *(cell_len(row[n]) for row in rows)) for n, column in enumerate(columns)]
    left = width - len(GAP) * (len(columns) - 1) - sum(wanted[n] for n, each in enumerate(columns) if not each.share)
    sharing = {n: each.share for n, each in enumerate(columns) if each.share}
    while sharing:
        total = sum(sharing.values())
        content = [n for n, share in sharing.items() if wanted[n] <= left * share // total]
        if not content:
            for n, share in sharing.items():
                wanted[n] = max(4, left * share // total)
            break
        for n in content:
            left -= wanted[n]
            del sharing[n]
    return wanted


def _row(texts: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    cells = []
    for text, column, width in zip(texts, columns, widths, strict=True):
        cut = text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"
        blank = " " * (width - cell_len(cut))
        cells.append(blank + cut if column.is_number else cut + blank)
    return GAP.join(cells).rstrip()


def _tabs(focus: int) -> Text:
    """Return the titles of all panes, where they aren't all to be seen."""
    line = Text()
    for place, title in enumerate(TITLES):
        line.append(f" {title} ", "bold reverse" if place == focus else "")
        line.append(" ")
    return line


def _side_by_side(blocks: Sequence[Sequence[Text]], width: int) -> list[Text]:
    lines = []
    for parts in zip(*blocks, strict=True):
        line = Text()
        for part in parts[:-1]:
            padded = part.copy()
            padded.truncate(width, pad=True)
            line.append_text(padded)
            line.append(GAP)
        line.append_text(parts[-1])
        lines.append(line)
    return lines


def _footer(view: View, width: int) -> Text:
    words = f"{KEYS}{'   PAUSED' if view.paused else ''}"
    return Text(words.ljust(width), "reverse")


def _cut(line: Text, width: int) -> Text:
    line.truncate(width)
    line.no_wrap = True
    return line
