"""Messages in quarantine as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twistedmail_mta.cli.queue_text import reason_of, span
from twistedmail_mta.config.units import format_size
from twistedmail_mta.spool.operator import QueuedMessage

_COLUMNS: Final = "{:<13}  {:>8}  {:>5}  {:<30}  {:<30}  {}"
_NAMED: Final = 3
"""Recipients that are named on a screen; `show` names all."""


def heading() -> str:
    """Return what stands above the lines of `row`."""
    return _COLUMNS.format("ID", "Size", "Age", "From", "To", "Reason")


def row(message: QueuedMessage, now: float) -> str:
    """Return a message on one line, however long, for other programs to read."""
    first = (message.id, format_size(message.size), span(now - message.received_at), f"<{message.sender}>")
    return _COLUMNS.format(*first, _recipients(message, 1), reason_of(message)).rstrip()


def lines(message: QueuedMessage, now: float) -> Iterator[str]:
    """Yield a message as lines for a screen."""
    age = f"{span(now - message.received_at)} old"
    yield f"{message.id}  {format_size(message.size):>8}  {age:>8}  from <{message.sender}>"
    yield f"    to {_recipients(message, _NAMED)}"
    yield f"    {reason_of(message)}"


def _recipients(message: QueuedMessage, named: int) -> str:
    rest = len(message.recipients) - named
    words = ", ".join(recipient.address for recipient in message.recipients[:named])
    return f"{words} +{rest}" if rest > 0 else words


def legible(text: str) -> str:
    """Return lines of a message without what could command a terminal."""
    return "".join(
        letter if letter == "\n" or letter.isprintable() else " " if letter == "\t" else "\ufffd"
        for letter in text.replace("\r", "")
    )
