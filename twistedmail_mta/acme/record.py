"""What is remembered of requests for one certificate, and when the next may be made (PURE).

Authorities count: Let's Encrypt stops listening for an hour after five failed
validations of a name, and for a week after five equal certificates.  So what
was asked for is remembered before it is asked for, through crashes as well.
Times are seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

PAUSES: Final = (60.0, 300.0, 1800.0, 7200.0, 28800.0, 86400.0)
"""Seconds before the next attempt, after one failure, two, ..."""
MOST_FAILED: Final = 4
"""Attempts within an hour."""
MOST_ISSUED: Final = 4
"""Certificates within a week."""
LEAST_PAUSE: Final = 60.0
"""Seconds between two attempts, however much an operator wants the second."""
UNFINISHED: Final = "the server ended before the authority had answered"

_JITTER: Final = 0.1
_HOUR: Final = 3600.0
_WEEK: Final = 7 * 86400.0
_KEPT: Final = 20
_TOLERANCE: Final = 300.0
"""Seconds by which clocks may be set back."""


@dataclass(frozen=True, slots=True)
class Record:
    """What came of the requests for a certificate.

    Attributes:
        directory: of the authority that issued the last one; empty before the first.
        issued: when the last ones were issued.
        failed: attempts since then that came to nothing; one under way is among them.
        error: what the authority said of the last of these.
        next_at: no sooner is it asked again; 0 for at once.
    """

    directory: str = ""
    issued: tuple[float, ...] = ()
    failed: tuple[float, ...] = ()
    error: str = ""
    next_at: float = 0.0


def begun(record: Record, now: float, spread: float) -> Record:
    """Count an attempt that begins now; until more is known it has failed.

    Args:
        record: what was before.
        now: the time.
        spread: from 0 to 1, so that many hosts don't come back at once.
    """
    failed = (*record.failed, now)[-_KEPT:]
    pause = PAUSES[min(len(failed), len(PAUSES)) - 1]
    return replace(record, failed=failed, error=UNFINISHED, next_at=now + pause * (1 + _JITTER * spread))


def refused(record: Record, error: str) -> Record:
    """Note why the attempt under way has failed."""
    return replace(record, error=error)


def issued(record: Record, directory: str, now: float) -> Record:
    """Note that the attempt under way has succeeded."""
    return Record(directory, (*record.issued, now)[-_KEPT:])


def believable(record: Record, now: float) -> Record:
    """Return a record without what the future holds: the clock was wrong then, and would keep us waiting for years."""
    past = [tuple(at for at in times if at <= now + _TOLERANCE) for times in (record.issued, record.failed)]
    next_at = record.next_at if past[1] == record.failed else 0.0
    return replace(record, issued=past[0], failed=past[1], next_at=next_at)


def opens_at(record: Record, *, asked: bool) -> float:
    """Return when the next attempt may be made; a time in the past means now.

    Args:
        record: of the attempts before.
        asked: an operator wants it, who doesn't wait for the pauses that grow.
    """
    times = [0.0 if asked else record.next_at]
    if record.failed:
        times.append(record.failed[-1] + LEAST_PAUSE)
    if len(record.failed) >= MOST_FAILED:
        times.append(record.failed[-MOST_FAILED] + _HOUR)
    if len(record.issued) >= MOST_ISSUED:
        times.append(record.issued[-MOST_ISSUED] + _WEEK)
    return max(times)


def renews_at(begins: float, ends: float, spread: float) -> float:
    """Return when a certificate is to be renewed: when a third of its life is left, or a little sooner.

    Args:
        begins: when it became valid.
        ends: when it expires.
        spread: from 0 to 1.
    """
    life = ends - begins
    return ends - life * (1 + _JITTER * spread) / 3


def as_object(record: Record) -> dict[str, Any]:
    """Return a record as JSON has it."""
    return asdict(record)


def from_object(value: object) -> Record:
    """Return a record that was written by `as_object`; an empty one of anything else."""
    if not isinstance(value, Mapping):
        return Record()
    try:
        return Record(
            str(value["directory"]),
            tuple(map(float, value["issued"])),
            tuple(map(float, value["failed"])),
            str(value["error"]),
            float(value["next_at"]),
        )
    except (KeyError, TypeError, ValueError):
        return Record()
