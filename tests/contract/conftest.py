"""Every test of a contract runs on every backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from backends import BACKENDS, Backend

Open = Callable[..., Backend]


@pytest.fixture(params=BACKENDS)
def open_backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens the same files, of this kind or another; all is closed in the end."""
    opened: list[Backend] = []

    def open_it(kind: str = request.param) -> Backend:
        opened.append(BACKENDS[kind](tmp_path))
        return opened[-1]

    yield open_it
    for backend in opened:
        backend.close()


@pytest.fixture
def backend(open_backend: Open) -> Backend:
    """Return an open backend, with three accounts."""
    backend = open_backend()
    backend.add_accounts(3)
    return backend
