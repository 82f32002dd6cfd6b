"""The panes of `mta top`: what each tells, as a table of texts (PURE)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from twistedmail_mta.cli.queue_lanes import lane_state
from twistedmail_mta.cli.queue_text import span
from twistedmail_mta.cli.site import printable
from twistedmail_mta.cli.top_picture import Picture
from twistedmail_mta.control.wire import Object
from twistedmail_mta.spool.operator import QueuedMessage

NO_SERVER: Final = "No server runs."
_AGES: Final = ("<10m", "<1h", "<4h", "<12h", "<1d", "<2d", "2d+")
"""As `AGES` has them."""

_RATES: Final = ("accepted", "delivered", "deferred", "failed", "refused")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a pane.

    Attributes:
        heading: what stands above it.
        share: of the room that is left, how much it takes; 0: it is as wide as its texts.
        is_number: it is aligned to the right.
    """

    heading: str
    share: int = 0
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Pane:
    """A table.

    Attributes:
        title: its name.
        columns: what they are.
        rows: the texts, harmless to a terminal.
        empty: what is said when there are no rows.
        notable: places of rows that an operator should see.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str
    notable: frozenset[int] = frozenset()


def panes_of(picture: Picture) -> list[Pane]:
    """Return all panes of a picture, always in the same order."""
    return [make(picture) for make in _PANES]


def rate(value: float | None) -> str:
    """Return a rate with as many digits as mean something; None: it isn't known yet."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def rates_of(numbers: Object) -> list[str]:
    """Return the rates of something over 10 seconds, a minute and five minutes."""
    return [rate(numbers.get(name)) for name in ("10s", "1m", "5m")]


def _lanes(picture: Picture) -> Pane:
    listed: Sequence[Object] = (picture.server or {}).get("lanes", {}).get("listed", ())
    return Pane(
        "Lanes",
        (Column("Lane", 3), Column("State"), Column("Busy", is_number=True), Column("Waiting", is_number=True),
         Column("Last reply", 4)),
        tuple(_harmless(_lane(lane)) for lane in listed),
        "No lane has work." if picture.server else NO_SERVER,
        frozenset(n for n, lane in enumerate(listed) if lane["dead"] or lane["crowded"]),
    )  # fmt: skip


def _lane(lane: Object) -> list[str]:
    return [lane["name"], lane_state(lane), f"{lane['running']}/{lane['allowed']}", str(lane["waiting"]), lane["said"]]


def _sessions(picture: Picture) -> Pane:
    listed: Sequence[Object] = (picture.server or {}).get("sessions", ())
    return Pane(
        "Sessions",
        (Column("Listener", 1), Column("Role", 1), *(Column(name, is_number=True) for name in
         ("Open", "/s in 10s", "in 1m", "in 5m", "Total"))),
        tuple(_harmless([each["listener"], each["role"], str(each["open"]), *rates_of(each["rates"]),
                         str(each["begun"])]) for each in listed),
        "There is no listener." if picture.server else NO_SERVER,
    )  # fmt: skip


def _reasons(picture: Picture) -> Pane:
    rows = [
        (name, str(sum(numbers)), *(str(number) if number else "." for number in numbers))
        for name, numbers in picture.queue.reasons
    ]
    columns = (Column("Reason", 1), Column("Total", is_number=True), *(Column(age, is_number=True) for age in _AGES))
    return Pane("Reasons", columns, tuple(map(_harmless, rows)), "The queue is empty.")


def _oldest(picture: Picture) -> Pane:
    rows = [_message(message, picture.at) for message in picture.queue.oldest]
    columns = (Column("ID"), Column("Age", is_number=True), Column("From", 3), Column("To", 3), Column("State"),
               Column("Last reply", 4))  # fmt: skip
    return Pane("Oldest", columns, tuple(map(_harmless, rows)), "The queue is empty.")


def _message(message: QueuedMessage, now: float) -> list[str]:
    first, more = message.recipients[0], len(message.recipients) - 1
    to = first.address + (f" and {more} more" if more else "")
    said = first.reply or (message.detention.reason if message.detention else "")
    return [message.id, span(now - message.received_at), message.sender or "<>", to, first.state, said]


def _senders(picture: Picture) -> Pane:
    senders: Object = (picture.server or {}).get("senders", {})
    seconds = senders.get("seconds", 0.0)
    rows = [
        (each["name"], str(each["messages"]), rate(each["messages"] / seconds * 60 if seconds >= 1 else None))
        for each in senders.get("listed", ())
    ]
    columns = (Column("Account or domain", 1), Column(f"In {span(seconds)}", is_number=True),
               Column("A minute", is_number=True))  # fmt: skip
    return Pane("Senders", columns, tuple(map(_harmless, rows)), "No mail came." if picture.server else NO_SERVER)


def _harmless(texts: Sequence[Any]) -> tuple[str, ...]:
    return tuple(printable(str(text)) for text in texts)


_PANES: Final[tuple[Callable[[Picture], Pane], ...]] = (_lanes, _sessions, _reasons, _oldest, _senders)
TITLES: Final = ("Lanes", "Sessions", "Reasons", "Oldest", "Senders")
"""The titles of the panes, in their order."""


def head_of(picture: Picture, *, paused: bool = False) -> Iterator[str]:
    """Yield the lines above the panes that say whose picture it is and how the server does."""
    server = picture.server
    if server is None:
        yield f"mta top  {_clock(picture.at)}{'  PAUSED' if paused else ''}"
        yield from _queue_trouble(picture)
        yield (
            f"The server says nothing: {printable(picture.trouble)}."
            if picture.trouble
            else (f"{NO_SERVER} This is its queue, from the database.")
        )
        return
    up = span(server["at"] - server["started_at"])
    yield f"mta top  {_clock(picture.at)}{'  PAUSED' if paused else ''}  {printable(server['hostname'])}, up {up}"
    yield from _queue_trouble(picture)
    lag, database, memory = server["reactor"], server["database"], server["memory"]
    yield (
        f"Reactor {_ms(lag['10s'])} late at most in 10s, {_ms(lag['5m'])} in 5m"
        f"   Memory {memory['held'] >> 20} of {memory['most'] >> 20} MB"
    )
    yield (
        f"Database {rate(database['commits']['10s'])} commits/s, writes wait {_ms(database['wait']['10s'])},"
        f" {database['waiting']} waiting"
    )
    if server["lanes"]["troubles"]:
        yield f"NOTHING IS SENT until this is over: {printable(', '.join(server['lanes']['troubles']))}"


def _queue_trouble(picture: Picture) -> Iterator[str]:
    queue = picture.queue
    if queue.trouble:
        yield f"The queue is as it was at {_clock(queue.counted_at)}: {printable(queue.trouble)}"


def rates_table(picture: Picture) -> list[list[str]]:
    """Return the rates as rows of texts, the heading first; empty where no server runs."""
    if picture.server is None:
        return []
    rates: Object = picture.server["rates"]
    return [
        ["per second", "10s", "1m", "5m", "total"],
        *([name, *rates_of(rates[name]), f"{rates[name]['total']:.0f}"] for name in _RATES),
    ]


def queue_table(picture: Picture) -> list[tuple[str, str]]:
    """Return what the queue holds, as names and numbers."""
    counts = picture.queue.counts
    return [
        ("messages", str(counts.messages)),
        ("recipients", str(counts.recipients)),
        *((name, str(getattr(counts, name))) for name in ("active", "waiting", "held", "suspended", "failed")),
    ]


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.{1 if seconds < 0.01 else 0}f} ms"
