"""How `mta headers` shows the way of a message: a table with bars, or lines where the screen is narrow."""

from __future__ import annotations

import io
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from twistedmail_mta.cli.site import printable
from twistedmail_mta.mail.authentication_results import line_of
from twistedmail_mta.mail.hop import Hop
from twistedmail_mta.mail.journey import Journey, Leg

_WIDE: Final = 130
"""Columns that the table needs."""
_NARROW: Final = frozenset({">hop", ">delay", "", "time"})
"""Columns of the table that aren't wrapped."""
_BAR: Final = 16
"""Columns of the longest bar."""
_FOR_PROGRAMS: Final = 10_000
"""Columns where nothing is wrapped."""
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def described(found: Journey) -> str:
    """Return all of it, as wide as the screen; in long lines elsewhere."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _FOR_PROGRAMS
    parts = [_fields(found, width), _hops(found, width), _clocks(found, width), _verdicts(found, width)]
    return "\n\n".join(part for part in parts if part)


def delay_text(seconds: int | None) -> str:
    """Return a delay in its two largest units: "3 s", "1 h 5 min", "-2 min"."""
    if seconds is None:
        return "?"
    rest, parts = abs(seconds), list[str]()
    for size, unit in _UNITS:
        if rest >= size and len(parts) < 2:
            parts.append(f"{rest // size} {unit}")
            rest %= size
        elif parts:
            break
    return ("-" if seconds < 0 else "") + (" ".join(parts) or "0 s")


def bar(seconds: int | None, longest: int, width: int = _BAR) -> str:
    """Return a bar as long as a delay beside the longest; one that is none has no bar."""
    if not seconds or seconds < 0 or not longest:
        return ""
    return _block() * max(1, round(width * seconds / longest))


def _block() -> str:
    """Return what bars are made of, where it can be written."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    return "\u2588" if encoding.lower().replace("-", "").startswith("utf") else "#"


def _fields(found: Journey, width: int) -> str:
    named = [*found.fields]
    if found.total is not None:
        hops = len(found.legs)
        named.append(("Took", f"{delay_text(found.total)}, {hops} hop{'' if hops == 1 else 's'}"))
    return "\n".join(_wrapped(text, f"{name:<12} ", " " * 13, width) for name, text in named)


def _hops(found: Journey, width: int) -> str:
    if not found.legs:
        return "It has no Received field: it hasn't been anywhere, or they were removed."
    longest = max((leg.delay or 0 for leg in found.legs), default=0)
    lines = _table(found.legs, longest, width) if width >= _WIDE else _stack(found.legs, longest, width)
    more = f"\n... and {found.more} hops more, which weren't read." if found.more else ""
    return lines + more


def _table(legs: Sequence[Leg], longest: int, width: int) -> str:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in (">hop", ">delay", "", "time", "from", "by", "with"):
        justify = "right" if heading.startswith(">") else "left"
        table.add_column(heading.lstrip(">"), justify=justify, overflow="fold", no_wrap=heading in _NARROW)  # type: ignore[arg-type]
    for number, leg in enumerate(legs, 1):
        hop, length = leg.hop, bar(leg.delay, longest)
        cells = (str(number), delay_text(leg.delay), length, _stamp(hop.at), _source(hop), hop.host, _how(hop))
        table.add_row(*(Text(printable(cell)) for cell in cells))
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=sys.stdout.isatty()).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _stack(legs: Sequence[Leg], longest: int, width: int) -> str:
    """Return the hops one below the other."""
    lines = []
    for number, leg in enumerate(legs, 1):
        hop = leg.hop
        room = max(5, min(_BAR, width - 26))
        lines.append(f"{number:>3}  {delay_text(leg.delay):<12} {bar(leg.delay, longest, room)}".rstrip())
        said = ("at", _stamp(hop.at)), ("from", _source(hop)), ("by", hop.host), ("with", _how(hop))
        lines += [_wrapped(text, f"     {name:<4} ", " " * 10, width) for name, text in said if text]
    return "\n".join(lines)


def _source(hop: Hop) -> str:
    address = f"[{hop.address}]" if hop.address else ""
    helo = f"(said {hop.helo})" if hop.helo else ""
    return " ".join(filter(None, (hop.sender, address, helo)))


def _how(hop: Hop) -> str:
    tls = "" if hop.tls == "yes" else hop.tls
    return ", ".join(filter(None, (hop.protocol, tls, hop.program if hop.program != hop.protocol else "")))


def _stamp(at: int | None) -> str:
    return "?" if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _clocks(found: Journey, width: int) -> str:
    wrong = [(number, leg) for number, leg in enumerate(found.legs, 1) if leg.clock]
    lines = [
        _wrapped(f"hop {number}, {leg.hop.host or '?'}: {leg.clock}", "  ", "    ", width) for number, leg in wrong
    ]
    return "\n".join(["Times that can't be right:", *lines]) if lines else ""


def _verdicts(found: Journey, width: int) -> str:
    lines = [_wrapped(text, "  ", "      ", width) for text in _said(found)]
    heading = "What hosts found, the latest first; what stands below your own host's word may be made up:"
    return "\n".join([_wrapped(heading, "", "", width), *lines]) if lines else ""


def _said(found: Journey) -> Iterator[str]:
    for each in found.verdicts:
        place = f"ARC {each.instance}, " if each.instance else ""
        said = "; ".join(map(line_of, each.results.statements)) or "none"
        yield f"{place}{each.results.service}: {said}"
    for result in found.received_spf:
        yield f"Received-SPF: {result}"
    for number, domain, validation in found.seals:
        yield f"ARC seal {number} by {domain or '?'}, who found of those before: {validation or '?'}"
    for domain, selector in found.signatures:
        signed = f"DKIM signature of {domain or '?'}, selector {selector or '?'}"
        yield f"{signed} (not verified: `mta auth message` does that)"


def _wrapped(text: str, begin: str, indent: str, width: int) -> str:
    return textwrap.fill(
        printable(text),
        max(width, len(indent) + 20),
        initial_indent=begin,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
