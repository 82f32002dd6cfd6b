"""The fixtures of the directory's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from directory_in_memory import Directory
from twisted.logger import globalLogPublisher


@pytest.fixture
def directory() -> Directory:
    """Return a directory with the account tim@example.org."""
    made = Directory()
    made.add()
    return made


@pytest.fixture
def events() -> Iterator[list[dict[str, Any]]]:
    """Return what is logged during the test."""
    seen: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(seen.append)
    yield seen
    globalLogPublisher.removeObserver(seen.append)
