"""Times as operators write them: how long ago, or when."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final

from twistedmail_mta.config.units import parse_duration

_FORMS: Final = (
    *("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"),
    *("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%H:%M"),
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
    for form in _FORMS:
        try:
            found = datetime.strptime(text, form)  # noqa: DTZ007 - local time is meant
        except ValueError:
            continue
        if form == "%H:%M":
            found = datetime.combine(datetime.now().date(), found.time())  # noqa: DTZ005 - likewise
        return found.timestamp()
    raise ValueError('must be how long ago, such as "30m" or "2d", or a time such as "2026-11-30 14:05" or "14:05"')
