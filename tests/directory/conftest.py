"""The fixture of the directory's tests."""

from __future__ import annotations

import pytest
from directory_in_memory import Directory


@pytest.fixture
def directory() -> Directory:
    """Return a directory with the account tim@example.org."""
    made = Directory()
    made.add()
    return made
