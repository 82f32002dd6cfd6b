"""What every test shares: a reactor that must be left as clean as it was found."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _clean_reactor() -> Iterator[None]:
    """Fail a test that leaves timers behind on the real reactor, if it was used at all."""
    yield
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is None:
        return
    left = [call for call in reactor.getDelayedCalls() if call.active()]
    for call in left:
        call.cancel()
    assert not left, f"the test left delayed calls behind: {left}"
