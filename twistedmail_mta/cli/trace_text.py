"""How `mta trace` shows messages."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from twistedmail_mta.cli.site import printable
from twistedmail_mta.config.units import format_size
from twistedmail_mta.history.query import outcomes_of
from twistedmail_mta.history.story import Outcome, Story
from twistedmail_mta.history.telling import Event, summary, timeline
from twistedmail_mta.model import id_text

_NARROW: Final = 72
"""Columns below which a sentence stands under its time."""


def row(story: Story) -> Sequence[str]:
    """Return the cells of a message in a page of several."""
    names = [*story.recipients, *(each.recipient for each in story.refused)] or [f"({story.command or 'nobody'})"]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    sender = "" if story.sender is None else story.sender or "<>"
    return _stamp(story.at), id_text(story.id), summary(story), sender or story.peer, names[0] + more


def described(story: Story) -> str:
    """Return all about a message, as wide as the screen; in long lines elsewhere."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    lines = [_wrapped(f"{id_text(story.id)}  {summary(story)}", "", "    ", width)]
    lines += [_wrapped(text, f"  {name:<11} ", " " * 14, width) for name, text in _facts(story) if text]
    day = ""
    for event in timeline(story):
        if (today := time.strftime("%A, %Y-%m-%d", time.localtime(event.at))) != day:
            day = today
            lines += ["", f"  {day}"]
        lines += _event(event, width)
    return "\n".join(lines)


def _facts(story: Story) -> Sequence[tuple[str, str]]:
    sender = "" if story.sender is None else f"<{story.sender}>"
    recipients = ", ".join(f"<{each}>" if "@" in each else each for each in story.recipients)
    return (
        ("From", sender),
        ("To", recipients),
        ("Message-ID", f"<{story.message_id}>" if story.message_id else ""),
        ("Size", format_size(story.size) if story.size else ""),
    )


def _event(event: Event, width: int) -> list[str]:
    at = f"{time.strftime('%H:%M:%S', time.localtime(event.at))}.{int(event.at * 1000) % 1000:03d}"
    if 0 < width < _NARROW:
        return [f"  {at}", _wrapped(event.text, "    ", "    ", width)]
    return [_wrapped(event.text, f"  {at}  ", " " * 16, width)]


def _wrapped(text: str, begin: str, indent: str, width: int) -> str:
    text = printable(text)
    if not width:
        return begin + text
    room = max(width, len(indent) + 20)
    return textwrap.fill(
        text, room, initial_indent=begin, subsequent_indent=indent, break_on_hyphens=False, drop_whitespace=True
    )


def _stamp(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def story_json(story: Story) -> dict[str, Any]:
    """Return all about a message, for programs; times are in seconds since the epoch."""
    told = asdict(story)
    told |= {
        "id": id_text(story.id),
        "about": None if story.about is None else id_text(story.about),
        "outcome": Outcome(story.outcome).name,
        "outcomes": sorted(outcomes_of(story)),
        "timeline": [asdict(each) for each in timeline(story)],
    }
    for step, said in zip(story.steps, told["steps"], strict=True):
        said["kind"] = step.kind.name
    return told
