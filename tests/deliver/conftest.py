"""A scene of scripted hosts for each test, and certificates."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_twisted
from scripted_host import Authorities, Scene


@pytest_twisted.async_yield_fixture
async def scene() -> AsyncIterator[Scene]:
    """Return a scene that leaves nothing behind."""
    from twisted.internet import reactor  # noqa: PLC0415 - not at import

    made = Scene(reactor)
    yield made
    await made.close()


@pytest.fixture(scope="session")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    """Return who issues certificates."""
    return Authorities(tmp_path_factory.mktemp("authorities"))
