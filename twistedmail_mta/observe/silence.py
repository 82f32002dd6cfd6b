"""Where log events of dry runs go: what they tell of didn't happen, unless it is a fault of ours."""

from __future__ import annotations

from typing import Final

from twisted.logger import ILogObserver, LogEvent, Logger, globalLogPublisher
from zope.interface import provider


@provider(ILogObserver)
def _hear(event: LogEvent) -> None:
    """Pass on what has a traceback, and nothing else."""
    if "log_failure" in event:
        globalLogPublisher(event)


SILENCE: Final = Logger(observer=_hear)
"""A log of what didn't happen."""
