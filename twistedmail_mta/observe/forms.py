"""What a log line looks like: for people or programs, on a screen or in the journal, with addresses or without."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TextIO

from twisted.logger import LogEvent, LogLevel

from twistedmail_mta.observe.lines import TextForm
from twistedmail_mta.observe.masking import Mask
from twistedmail_mta.observe.objects import JSONForm

Form = Callable[[LogEvent], str]
"""Makes lines of an event; empty if there is nothing to say."""

_PRIORITIES: Final = {
    LogLevel.debug: 7,
    LogLevel.info: 6,
    LogLevel.warn: 4,
    LogLevel.error: 3,
    LogLevel.critical: 2,
}
"""As syslog and the journal number them (sd-daemon(3))."""


@dataclass(frozen=True, slots=True)
class Style:
    """How the log is written.

    Attributes:
        format: "text" or "json".
        secret: what addresses are hashed with; None leaves them as they are.
        is_journal: the journal reads it, which has its own times and wants priorities.
    """

    format: Literal["text", "json"] = "text"
    secret: bytes | None = None
    is_journal: bool = False


def form_of(style: Style) -> Form:
    """Return what makes lines in a style."""
    mask = None if style.secret is None else Mask(style.secret)
    stamped = not style.is_journal
    form: Form = JSONForm(stamped=stamped, mask=mask) if style.format == "json" else _text_form(mask, stamped=stamped)
    return _prioritized(form) if style.is_journal else form


def is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether a stream leads to the journal, as systemd.exec(5) says it: $JOURNAL_STREAM names what it is."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file behind it
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))


def _text_form(mask: Mask | None, *, stamped: bool) -> Form:
    form = TextForm(stamped=stamped)
    return form if mask is None else lambda event: mask.text(form(mask.names(event)))


def _prioritized(form: Form) -> Form:
    def prioritized(event: LogEvent) -> str:
        level = event.get("log_level")
        mark = f"<{_PRIORITIES.get(level, 6)}>" if level is not None else "<6>"
        return "".join(f"{mark}{line}\n" for line in form(event).split("\n") if line)

    return prioritized
