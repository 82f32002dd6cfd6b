"""What the log says while a test does something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from twisted.logger import LogEvent, formatEvent, globalLogPublisher


@contextmanager
def said() -> Iterator[list[str]]:
    """Gather what the log says meanwhile; a failure stands there as "failure"."""
    lines: list[str] = []

    def keep(event: LogEvent) -> None:
        lines.append("failure" if event.get("log_failure") else formatEvent(event))

    globalLogPublisher.addObserver(keep)
    try:
        yield lines
    finally:
        globalLogPublisher.removeObserver(keep)
