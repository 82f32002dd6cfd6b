"""What `mta top` shows at one moment: what the running server says, and what the queue holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from twistedmail_mta.cli.offline import finished, queue_control
from twistedmail_mta.control.client import RefusedError, tell
from twistedmail_mta.control.wire import Object
from twistedmail_mta.errors import TemporaryError
from twistedmail_mta.spool.control import QueueControl
from twistedmail_mta.spool.operator import QueueCounts, QueuedMessage
from twistedmail_mta.spool.operator_selection import Selection
from twistedmail_mta.spool.operator_summary import AGES
from twistedmail_mta.store.files import DATABASE_NAME
from twistedmail_mta.store.sync import SyncDatabase

OLDEST: Final = 50
"""Messages that are listed."""
REASONS: Final = 50
"""Reasons that are listed."""
REST: Final = 10.0
"""How many times as long as it took to count the queue it isn't counted again; a large one takes seconds."""


@dataclass(frozen=True, slots=True)
class QueuePicture:
    """What the queue held when it was counted.

    Attributes:
        counted_at: when, in seconds since the epoch.
        counts: how much of what.
        reasons: for each class of last answers, the recipients of each age (`AGES`, and what is older).
        oldest: the messages that are here longest, the oldest first.
        trouble: why it couldn't be counted again since; empty if it was, or it isn't time yet.
    """

    counted_at: float
    counts: QueueCounts
    reasons: tuple[tuple[str, tuple[int, ...]], ...]
    oldest: tuple[QueuedMessage, ...]
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """One moment.

    Attributes:
        at: when, in seconds since the epoch.
        server: what the running server says (`site.figures`); None: none runs, or `trouble`.
        queue: what waits.
        trouble: why the server that runs says nothing; empty if it does, or none runs.
    """

    at: float
    server: Object | None
    queue: QueuePicture
    trouble: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it as a value for JSON."""
        queue = self.queue
        return {
            "at": self.at,
            "server": self.server,
            "trouble": self.trouble or None,
            "queue": {
                "counted_at": queue.counted_at,
                "trouble": queue.trouble or None,
                **asdict(queue.counts),
                "reasons": [_reason(name, numbers) for name, numbers in queue.reasons],
                "oldest": [asdict(message) for message in queue.oldest],
            },
        }


def _reason(name: str, numbers: tuple[int, ...]) -> dict[str, Any]:
    ages = zip([*AGES, None], numbers, strict=True)
    return {
        "name": name,
        "recipients": sum(numbers),
        "ages": [{"below": age, "recipients": number} for age, number in ages],
    }


class Photographer:
    """Takes pictures of a site; the queue is counted no more often than it can be without burdening the machine."""

    def __init__(self, state_dir: Path, now: Callable[[], float] = time.time) -> None:
        """Prepare.

        Args:
            state_dir: of the site.
            now: seconds since the epoch.
        """
        self._state_dir = state_dir
        self._now = now
        self._queue: QueuePicture | None = None
        self._count_again = 0.0

    def take(self) -> Picture:
        """Take one; while the database is busy, with the queue as it was.

        Raises:
            TemporaryError: it is busy, and the queue was never counted; another try may do.
            OSError, UnusableDatabase, SchemaError: the database can't be read.
        """
        server, trouble = _asked(self._state_dir)
        return Picture(self._now(), server, self._look_at_queue(), trouble)

    def _look_at_queue(self) -> QueuePicture:
        began = self._now()
        if self._queue is None or began >= self._count_again:
            self._queue = self._counted(began)
            ended = self._now()
            self._count_again = began if self._queue.trouble else ended + REST * (ended - began)
        return self._queue

    def _counted(self, began: float) -> QueuePicture:
        try:
            with SyncDatabase(self._state_dir / DATABASE_NAME) as database:
                return _queue(queue_control(database, self._state_dir), began)
        except TemporaryError as error:
            if self._queue is None:
                raise
            return replace(self._queue, trouble=error.reply.text)


def _asked(state_dir: Path) -> tuple[Object | None, str]:
    """Return what a running server says, and why it says nothing."""
    try:
        return tell(state_dir, "site.figures"), ""
    except RefusedError as error:
        return None, str(error)


def _queue(control: QueueControl, now: float) -> QueuePicture:
    groups = finished(control.summary("reason", Selection()))
    largest = sorted(groups.items(), key=lambda group: (-sum(group[1]), group[0]))[:REASONS]
    oldest, _ = finished(control.messages(Selection(), limit=OLDEST))
    counts = finished(control.counts())
    return QueuePicture(now, counts, tuple((name, tuple(numbers)) for name, numbers in largest), tuple(oldest))
