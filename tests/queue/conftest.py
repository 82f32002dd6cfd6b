"""The world that the queue's tests live in, and what was logged in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from queue_fakes import World
from twisted.logger import globalLogPublisher


@pytest.fixture
def world() -> World:
    """A runner that has begun, with an empty spool."""
    return World()


@pytest.fixture
def logged() -> Iterator[list[dict[str, Any]]]:
    """Every event logged during the test."""
    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(events.append)
    yield events
    globalLogPublisher.removeObserver(events.append)
