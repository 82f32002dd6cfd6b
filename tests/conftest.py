"""What every test shares: a reactor left as clean as it was found, and a place in parallel runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from running_site import RunningSite

LOG_SHOWN = 20_000
"""Characters of a server's log that a failed test shows."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep tests together that share daemons or a server; spread all others one by one.

    pytest-xdist's own groups are marks in the tests' ids, which pytest 9.2
    doesn't take any more.
    """
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - the plugin may be switched off

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if nodeid.startswith("tests/interop/"):
                return "tests/interop"
            return nodeid.partition("::")[0] if nodeid.startswith("tests/system/") else nodeid

    return Scheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Show the end of the logs of all servers that run while a test fails."""
    report = yield
    if report.failed:
        for site in RunningSite.running:
            report.sections.append((f"log of {site.directory}", site.log[-LOG_SHOWN:]))
    return report


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
