"""Times as operators write them: how long ago or in how long, or when."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Final

from twistedmail_mta.config.units import parse_duration

_CLOCK: Final = "%H:%M"
_FORMS: Final = (
    *("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"),
    *("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"),
)


def parse_time(text: str) -> float:
    """Return the seconds since the epoch that text such as "2h" (ago), "2026-11-30 14:05" or "14:05" (today) means.

    Without a zone it is local time.

    Raises:
        ValueError: it is no time.
    """
    try:
        return time.time() - parse_duration(text)
    except ValueError:
        pass
    found = _read(text)
    if found is None:
        raise ValueError('must be how long ago, such as "30m" or "2d", or a time such as "2026-11-30 14:05" or "14:05"')
    return found.timestamp()


def parse_coming(text: str) -> float:
    """Return the seconds since the epoch that text such as "2h" (from now), "2026-11-30 14:05" or "14:05" means.

    The latter is today's, or tomorrow's if that is over.  Without a zone it is
    local time.

    Raises:
        ValueError: it is no time, or one that is over.
    """
    try:
        return time.time() + parse_duration(text)
    except ValueError:
        pass
    found = _read(text)
    if found is None:
        raise ValueError('must be in how long, such as "30m" or "2d", or a time such as "2026-11-30 14:05" or "14:05"')
    if found.timestamp() <= time.time():
        if not _is_clock(text):
            raise ValueError("is over")
        found += timedelta(days=1)
    return found.timestamp()


def _read(text: str) -> datetime | None:
    """Return the moment that text names; without a zone it is local time."""
    if _is_clock(text):
        at = datetime.strptime(text, _CLOCK).time()  # noqa: DTZ007 - local time is meant
        return datetime.combine(datetime.now().date(), at)  # noqa: DTZ005 - likewise
    for form in _FORMS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - likewise
        except ValueError:
            continue
    return None


def _is_clock(text: str) -> bool:
    try:
        datetime.strptime(text, _CLOCK)  # noqa: DTZ007 - likewise
    except ValueError:
        return False
    return True
