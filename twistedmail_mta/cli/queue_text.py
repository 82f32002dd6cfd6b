"""Queued messages as people read them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from textwrap import wrap
from typing import Final

from twistedmail_mta.cli.site import printable
from twistedmail_mta.config.units import format_size
from twistedmail_mta.spool.operator import QueuedMessage, QueuedRecipient
from twistedmail_mta.tags import tags_text

_COLUMNS: Final = "{:<13}  {:>8}  {:>5}  {:<30}  {:<30}  {:<10}  {:<8}  {}"


def heading() -> str:
    """Return what stands above the lines of `row`."""
    return _COLUMNS.format("ID", "Size", "Age", "From", "To", "State", "Next try", "Last answer")


def rows(message: QueuedMessage, now: float) -> Iterator[str]:
    """Yield a message with each recipient on one line, however long, for other programs to read."""
    first = (message.id, format_size(message.size), span(now - message.received_at), f"<{message.sender}>")
    for recipient in message.recipients:
        state, next_try = _state(recipient), _next_try(recipient, now)
        said = _why_held(message, recipient) or recipient.reply
        yield _COLUMNS.format(*first, recipient.address, state, next_try, said).rstrip()
        first = ("", "", "", "")


def lines(message: QueuedMessage, now: float) -> Iterator[str]:
    """Yield a message as lines that fit a narrow screen."""
    age = f"{span(now - message.received_at)} old"
    yield f"{message.id}  {format_size(message.size):>8}  {age:>8}  from <{message.sender}>"
    for recipient in message.recipients:
        yield f"    {recipient.address}: {_prospect(recipient, now)}"
        said = _why_held(message, recipient) or recipient.reply
        if said:
            yield from wrap(said, _width(), initial_indent=" " * 8, subsequent_indent=" " * 8)


def _why_held(message: QueuedMessage, recipient: QueuedRecipient) -> str:
    """Return why a plugin had a recipient held, and which one; empty if none did."""
    if message.detention is None or recipient.state not in {"held", "quarantined"}:
        return ""
    return reason_of(message)


def reason_of(message: QueuedMessage) -> str:
    """Return why a plugin had a message held or quarantined, and which one; empty if none did."""
    detention = message.detention
    if detention is None:
        return ""
    return f"{detention.reason} ({detention.plugin})" if detention.reason else f"({detention.plugin})"


def _prospect(recipient: QueuedRecipient, now: float) -> str:
    next_try = _next_try(recipient, now)
    words = [_state(recipient)] + ([f"next try {next_try}"] if next_try else []) + _causes(recipient)
    return ", ".join(words)


def _causes(recipient: QueuedRecipient) -> list[str]:
    ways = ([f"by way of {recipient.via}"] if recipient.via else []) + (
        [f"into {recipient.mailbox}"] if recipient.mailbox else []
    )
    return ([recipient.reason] if recipient.reason else []) + ways


def _state(recipient: QueuedRecipient) -> str:
    return f"{recipient.state}, {recipient.wish} wished" if recipient.wish else recipient.state


def _next_try(recipient: QueuedRecipient, now: float) -> str:
    if recipient.state != "waiting":
        return ""
    return "now" if recipient.due <= now else f"in {span(recipient.due - now)}"


def described(message: QueuedMessage) -> str:
    """Return everything about a message."""
    now = time.time()
    lines = [
        f"{message.id}: {format_size(message.size)} from <{message.sender}>",
        f"  accepted  {moment(message.received_at)}, {span(now - message.received_at)} ago",
        f"  came from {message.peer or 'this server'}"
        + (f", which said {message.helo}" if message.helo else "")
        + (f", login {message.account}" if message.account else "")
        + (f", to listener {message.listener}" if message.listener else ""),
    ]
    if message.detention is not None:
        kind = "quarantined" if message.detention.kind == "quarantine" else "held"
        lines.append(f"  {kind}: {reason_of(message)}")
    if message.tags:
        lines.append(f"  tagged    {tags_text(tuple(message.tags.items()))}")
    for recipient in message.recipients:
        lines += _described_recipient(recipient, now)
    return "\n".join(printable(line) for line in lines)


def _described_recipient(recipient: QueuedRecipient, now: float) -> Iterator[str]:
    yield f"  to {recipient.address}: {_prospect(recipient, now)}"
    if recipient.attempted_at is not None:
        times = "once" if recipient.attempts == 1 else f"{recipient.attempts} times, last"
        yield f"     tried {times} {moment(recipient.attempted_at)}"
        yield f"     {recipient.remote or 'nobody reached'}: {recipient.reply}"


def moment(at: float) -> str:
    """Return a time as local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at))


def span(seconds: float) -> str:
    """Return a duration in its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def _width() -> int:
    return max(40, shutil.get_terminal_size().columns)
