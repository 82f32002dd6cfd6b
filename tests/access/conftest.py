"""What the tests of the access role share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.logger import LogEvent, globalLogPublisher


@pytest.fixture
def log_failures() -> Iterator[list[LogEvent]]:
    """The failures that were logged; those a test doesn't ask for are its business to notice."""
    seen: list[LogEvent] = []

    def look(event: LogEvent) -> None:
        if "log_failure" in event:
            seen.append(event)

    globalLogPublisher.addObserver(look)
    yield seen
    globalLogPublisher.removeObserver(look)
